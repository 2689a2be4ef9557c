"""gunicorn's settings, from Django's (and so from .env, too). It is no server for the open net: deploy/ holds what stands in front.

It keeps no access log unless it is asked for one, and whatever it writes is masked: the address of
a webhook endpoint must not be written down."""

import logging
import mmap
import os
import socket
import struct
import sys
from typing import Any

from django.conf import settings
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

from kartra_mirror.edge.checks import about_the_proxy, check_public_url, check_var_dir
from kartra_mirror.logs import mask
from kartra_mirror.private_files import OTHERS


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


class Worker(ThreadWorker):
    """gunicorn's own with threads. Told to end, it lets in who stands at the door, then closes it at once.

    Stock, it leaves the door open while it finishes what it has: whoever comes meanwhile is never let in and loses the
    connection at the end. At a closed door a proxy knows that nothing was taken, and tries again.

    Where somebody else keeps the door open (a socket of systemd's, the workers that come after a HUP) who stands there is
    left to the next, who has all the time: what this one took and did not serve in `graceful_timeout` would be lost."""

    renewals: bytes | mmap.mmap = b""
    """How often others were called to take over from workers, as the master counts it while we run; see `post_fork`."""
    renewals_before = b""
    kept_open = False

    def is_door_ours_alone(self) -> bool:
        return not self.kept_open and self.renewals[:] == self.renewals_before

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled)
        if self.alive:
            return
        ours_alone = self.is_door_ours_alone()
        for listener in self.sockets:
            while ours_alone and self.nr_conns < self.worker_connections:
                before = self.nr_conns
                self.accept(listener)
                if self.nr_conns == before:
                    break
            listener.close()


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kartra_mirror.settings")

bind = f"{settings.WEB_HOST}:{settings.WEB_PORT}"
worker_class = Worker
workers = settings.WEB_WORKERS
threads = settings.WEB_THREADS
timeout = 30
graceful_timeout = 10
keepalive = 5
limit_request_line = 4094
limit_request_fields = 60
limit_request_field_size = 8190
# Which scheme a proxy says a request came by is Django's to believe (SECURE_PROXY_SSL_HEADER), and from where, `entry.addresses`'s.
forwarded_allow_ips = ""
accesslog = None
errorlog = "-"
loglevel = "warning"
logger_class = MaskedLogger
control_socket_disable = True
umask = OTHERS


def on_starting(server: Any) -> None:
    """Refuse to serve with keys that are not those of this database, and say what will not work, or is not safe."""
    if why := why_not_with_these_keys():
        sys.exit(why)
    for message in [*check_public_url(), *check_var_dir(), about_the_proxy()]:
        if message:
            server.log.warning("%s", message)


def when_ready(server: Any) -> None:
    """A client that is silent for so long in the middle of a request, or takes nothing of its answer, loses its thread.

    Set where connections are accepted, which hand it on: gunicorn itself waits for a begun request for ever."""
    silence = struct.pack("ll", settings.WEB_SILENCE_S, 0)
    for listener in server.LISTENERS:
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            listener.sock.setsockopt(socket.SOL_SOCKET, option, silence)
    renewals_of(server)  # before the first fork, so that all share one


def renewals_of(server: Any) -> mmap.mmap:
    """A number that the master shares with its workers. It stays the master's when a HUP reads this file again."""
    counted: mmap.mmap | None = getattr(server, "renewals", None)
    if counted is None:  # also where a master of an earlier version is told to read this file
        server.renewals = counted = mmap.mmap(-1, 1)
    return counted


def on_reload(server: Any) -> None:
    """A HUP: other workers come, and those that end from now on leave the door to them."""
    counted = renewals_of(server)
    counted[0] = (counted[0] + 1) % 256


pre_exec = on_reload
"""A USR2: another master comes, and takes over the door."""


def post_fork(server: Any, worker: Any) -> None:
    """In the worker: what it has to know to tell, at its end, whose the door is."""
    worker.renewals = renewals_of(server)
    worker.renewals_before = worker.renewals[:]
    worker.kept_open = bool(server.systemd or server.master_pid)


def post_worker_init(worker: Any) -> None:
    """What each web process does beside answering: it knows the valid addresses, stores what a process that was killed has kept, and
    watches the workers. No message waits for long for a table that a migration holds: it goes into the file of this machine."""
    from django.db import connections
    from django.db.backends.signals import connection_created

    from integrations.receive import addresses, spool
    from integrations.watching import web

    connection_created.connect(bound_waits)
    addresses.renew()
    connections.close_all()
    spool.start()
    web.start()


def bound_waits(connection: Any, **kwargs: Any) -> None:
    """Wait for a lock for so long at most."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")


def why_not_with_these_keys() -> str:
    """Why no worker may be started, in a sentence. The database is asked here once, and no connection is handed on."""
    import django
    from django.db import connections

    django.setup()
    from integrations.setup import key_rotation

    why = key_rotation.cannot_start()
    connections.close_all()
    return why
