"""The WSGI application."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kartra_mirror.settings")
application = get_wsgi_application()

from typing import Any  # noqa: E402

from django.db import connections  # noqa: E402
from django.db.backends.signals import connection_created  # noqa: E402
from django.dispatch import receiver  # noqa: E402

from integrations.receive import addresses, spool  # noqa: E402  (there are no models before)
from integrations.watching import web  # noqa: E402


@receiver(connection_created)
def bound_waits(connection: Any, **kwargs: Any) -> None:
    """A migration that holds a table makes no message wait for longer: it goes into the file of this machine."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")


addresses.renew()  # for when the database goes away before the first message comes
connections.close_all()
spool.start()  # what a process that was killed has kept
web.start()
