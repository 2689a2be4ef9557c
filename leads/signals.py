"""What leads says to the outside: there is work. Sent after the commit, with the account's id."""

from django.db import transaction
from django.dispatch import Signal

changes_recorded = Signal()  # provides account_id: int


def announce(account_id: int) -> None:
    """Say, once this transaction is committed, that the account has changes to send."""
    transaction.on_commit(lambda: changes_recorded.send(sender="leads", account_id=account_id), robust=True)
