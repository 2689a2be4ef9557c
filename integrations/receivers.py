"""`changes_recorded` → the bell: the one place where a wish wakes the pusher."""

from typing import Any

from django.dispatch import receiver

from integrations import tasks
from integrations.models import Connection
from leads.signals import changes_recorded


@receiver(changes_recorded)
def wake_pusher(sender: Any, account_id: int, **kwargs: Any) -> None:
    """Ring for the account's connection, if it has one. A bell that cannot be rung is no error: the sweep finds the work."""
    for connection_id in Connection.objects.filter(account_id=account_id).values_list("pk", flat=True):
        tasks.ring(tasks.push_changes, connection_id)
