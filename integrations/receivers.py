"""`changes_recorded` → `notify_worker`: the one place where a wish wakes the pusher. `migrate` is kept from tables of an earlier
version, and the file of valid addresses follows them."""

from typing import Any

from django.core.management import CommandError
from django.db import transaction
from django.db.models.signals import post_save, pre_migrate
from django.dispatch import receiver

from integrations.models import Connection, WebhookEndpoint
from integrations.notify import notify_worker
from integrations.receive import addresses
from integrations.setup import earlier_schema
from leads.signals import changes_recorded


@receiver(changes_recorded)
def wake_pusher(sender: Any, account_id: int, **kwargs: Any) -> None:
    """Notify the pusher of the account's connection, if it has one."""
    for connection_id in Connection.objects.filter(account_id=account_id).values_list("pk", flat=True):
        notify_worker("push_changes", connection_id)


@receiver(post_save, sender=WebhookEndpoint)
def keep_addresses(sender: Any, **kwargs: Any) -> None:
    """An address was made, changed or ended: this machine's file of valid ones says so."""
    transaction.on_commit(addresses.renew, robust=True)


@receiver(pre_migrate)
def keep_off_earlier_tables(using: str, **kwargs: Any) -> None:
    """Stop `migrate` before it does anything, with a sentence."""
    if why := earlier_schema.refusal(using):
        raise CommandError(why)
