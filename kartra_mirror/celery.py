"""The Celery app. Queues: push (to Kartra), apply (from Kartra), read (everything else)."""

import os
import warnings

from celery import Celery
from celery.platforms import SecurityWarning
from celery.signals import setup_logging

from kartra_mirror import filebell

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kartra_mirror.settings")
filebell.register()
if os.environ.get("EMBEDDED"):
    warnings.simplefilter("ignore", SecurityWarning)  # a demo on loopback may run as root

app = Celery("kartra_mirror")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def _keep_our_logging(**kwargs: object) -> None:
    """Celery leaves logging alone when this signal has a receiver: settings have set it up."""
