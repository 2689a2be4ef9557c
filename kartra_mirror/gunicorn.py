"""gunicorn's settings, from Django's (and so from .env, too).

It keeps no access log unless it is asked for one, and whatever it writes is masked: the address of
a webhook endpoint must not be written down."""

import logging
import os
import sys
from typing import Any

from django.conf import settings
from gunicorn.glogging import Logger

from kartra_mirror.logs import mask


class MaskedFormatter(logging.Formatter):
    """Formats as another does, then takes out webhook endpoint tokens and email addresses; tracebacks too."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        return mask(self._inner.format(record))


class MaskedLogger(Logger):
    """gunicorn's logger with every handler masked: errors, and an access log where one is switched on."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            for handler in log.handlers:
                if not isinstance(handler.formatter, MaskedFormatter):
                    handler.setFormatter(MaskedFormatter(handler.formatter or logging.Formatter()))


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kartra_mirror.settings")

bind = f"{settings.WEB_HOST}:{settings.WEB_PORT}"
worker_class = "gthread"
workers = settings.WEB_WORKERS
threads = settings.WEB_THREADS
timeout = 30
graceful_timeout = 10
keepalive = 5
accesslog = None
errorlog = "-"
loglevel = "warning"
logger_class = MaskedLogger
control_socket_disable = True


def on_starting(server: Any) -> None:
    """Refuse to serve with keys that are not those of this database, saying so."""
    import django
    from django.db import connections

    django.setup()
    from integrations.setup import key_rotation

    why = key_rotation.cannot_start()
    connections.close_all()
    if why:
        sys.exit(why)
