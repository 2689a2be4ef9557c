"""The Celery app. Queues: push (to Kartra), apply (from Kartra), read (everything else)."""

import os

from celery import Celery
from celery.signals import setup_logging

from kartra_mirror import filebell

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kartra_mirror.settings")
filebell.register()

app = Celery("kartra_mirror")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def _keep_our_logging(**kwargs: object) -> None:
    """Celery leaves logging alone when this signal has a receiver: settings have set it up."""
