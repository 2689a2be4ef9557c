"""Delivery → mirror and activity. In order of arrival for each account; one that fails does not stop the next.

A message proves nothing of its sender, so it sets state and bears repeats; a lead it changed is read back. `queue` takes
what waits and what is asked for again, `events` and `payments` say what each kind means, `own_changes` knows our own changes.
`budget` and `newcomers` say how much may come by one address; `discard` takes back what a stranger sent.
`spool` and `addresses` are files of this machine, for while the database is away.
"""

from integrations.receive import discard, spool
from integrations.receive.context import Applied
from integrations.receive.events import HANDLERS
from integrations.receive.queue import ask_again, drain, replay

__all__ = ["HANDLERS", "Applied", "ask_again", "discard", "drain", "replay", "spool"]
