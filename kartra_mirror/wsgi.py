"""The WSGI application."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kartra_mirror.settings")
application = get_wsgi_application()

from integrations.receive import spool  # noqa: E402  (there are no models before)
from integrations.watching import web  # noqa: E402

spool.start()  # what a process that was killed has kept
web.start()
