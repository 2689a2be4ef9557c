"""The WSGI application."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kartra_mirror.settings")
application = get_wsgi_application()

from django.db import connections  # noqa: E402

from integrations.receive import addresses, spool  # noqa: E402  (there are no models before)

addresses.renew()  # for when the database goes away before the first message comes
connections.close_all()
spool.start()  # what a process that was killed has kept
