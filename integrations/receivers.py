"""`changes_recorded` → `notify_worker`: the one place where a wish wakes the pusher. And `migrate` is kept from tables of an
earlier version."""

from typing import Any

from django.core.management import CommandError
from django.db.models.signals import pre_migrate
from django.dispatch import receiver

from integrations.models import Connection
from integrations.notify import notify_worker
from integrations.setup import earlier_schema
from leads.signals import changes_recorded


@receiver(changes_recorded)
def wake_pusher(sender: Any, account_id: int, **kwargs: Any) -> None:
    """Notify the pusher of the account's connection, if it has one."""
    for connection_id in Connection.objects.filter(account_id=account_id).values_list("pk", flat=True):
        notify_worker("push_changes", connection_id)


@receiver(pre_migrate)
def keep_off_earlier_tables(using: str, **kwargs: Any) -> None:
    """Stop `migrate` before it does anything, with a sentence."""
    if why := earlier_schema.refusal(using):
        raise CommandError(why)
