"""The Celery app. Queues: push (to Kartra), apply (from Kartra), read (everything else)."""

import contextlib
import logging
import os
import warnings
from pathlib import Path
from typing import Any

from celery import Celery
from celery.beat import PersistentScheduler
from celery.platforms import SecurityWarning
from celery.signals import after_task_publish, beat_init, celeryd_init, setup_logging, worker_init
from celery.worker.consumer import Consumer as _Consumer
from django.conf import settings

from kartra_mirror import file_broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kartra_mirror.settings")
file_broker.register()
logger = logging.getLogger(__name__)

app = Celery("kartra_mirror")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

RECONNECT_EVERY_S = 3.0
ALIVE_EVERY_S = 10.0


def say_alive() -> None:
    """Touch ALIVE_FILE, which a container's health check looks at: the process listens, not only is there."""
    if settings.ALIVE_FILE:
        with contextlib.suppress(OSError):  # then the check says so; work goes on
            Path(settings.ALIVE_FILE).touch()


class Consumer(_Consumer):
    """Celery's own, which looks for a lost broker every few seconds however long it has been away (stock: up to 30 s), and
    has the sweep run as soon as it is connected: nobody was notified of what came meanwhile. Says that it is alive while it listens."""

    _alive: Any = None

    def on_ready(self) -> None:
        super().on_ready()
        say_alive()
        if self._alive is not None:
            self._alive.cancel()  # of the connection before
        self._alive = self.timer.call_repeatedly(ALIVE_EVERY_S, say_alive)
        try:
            app.send_task("integrations.tasks.sweep", retry=False)
        except Exception as error:  # whatever the broker's library raises: beat sweeps every 15 s
            logger.warning("The sweep could not be asked for (%s).", type(error).__name__)

    def ensure_connected(self, conn: Any) -> Any:
        stock = conn.ensure_connection

        def ensure_connection(*args: Any, **kwargs: Any) -> Any:
            return stock(*args, **{"interval_max": RECONNECT_EVERY_S, **kwargs})

        conn.ensure_connection = ensure_connection
        return super().ensure_connected(conn)


class Scheduler(PersistentScheduler):
    """Celery's own, which says that it is alive."""

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        say_alive()
        return super().tick(*args, **kwargs)


app.conf.worker_consumer = "kartra_mirror.celery:Consumer"


@celeryd_init.connect
def _let_root_try(conf: Any, **kwargs: object) -> None:
    """A worker of the embedded set-up, on loopback, may run as root."""
    if settings.EMBEDDED:
        warnings.simplefilter("ignore", SecurityWarning)


@worker_init.connect
@beat_init.connect
def _refuse_other_keys(**kwargs: object) -> None:
    """No worker runs with keys that are not those of this database."""
    from integrations.setup import key_rotation

    if why := key_rotation.cannot_start():
        raise SystemExit(why)


@beat_init.connect
def _note_that_beat_runs(**kwargs: object) -> None:
    """Only in beat's own process: workers ask for the sweep too."""
    after_task_publish.connect(_beat_asked, sender="integrations.tasks.sweep")


def _beat_asked(**kwargs: object) -> None:
    from integrations.watching import alive

    alive.note_beat()


@setup_logging.connect
def _keep_our_logging(**kwargs: object) -> None:
    """Celery leaves logging alone when this signal has a receiver: settings have set it up."""
