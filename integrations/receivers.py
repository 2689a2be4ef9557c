"""`changes_recorded` → `notify_worker`: the one place where a wish wakes the pusher."""

from typing import Any

from django.dispatch import receiver

from integrations.models import Connection
from integrations.notify import notify_worker
from leads.signals import changes_recorded


@receiver(changes_recorded)
def wake_pusher(sender: Any, account_id: int, **kwargs: Any) -> None:
    """Notify the pusher of the account's connection, if it has one."""
    for connection_id in Connection.objects.filter(account_id=account_id).values_list("pk", flat=True):
        notify_worker("push_changes", connection_id)
