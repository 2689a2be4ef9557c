"""What leads says to the outside: there is work. Sent after the commit, with the account's id."""

from django.dispatch import Signal

changes_recorded = Signal()  # provides account_id: int
