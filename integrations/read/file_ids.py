"""Whether the ids of a file are Kartra's: some of its people, looked up in Kartra by their addresses."""

from collections.abc import Sequence

from integrations.kartra.errors import KartraError, Rejected
from integrations.kartra.profile import LeadProfile
from integrations.models import Cause, Connection
from integrations.read.lead_lookup import DELETED, NOT_FOUND
from integrations.sending import calls
from integrations.sending.calls import Priority
from leads import importing
from leads.importing.ids import SampleRow
from leads.models import Import


def look_up(job: Import, connection: Connection | None) -> None:
    """Ask Kartra about the rows that have to be looked up, if any, and keep with the import what it said. Up to 20 calls."""
    if rows := importing.to_look_up(job):
        importing.looked_up(job, _asked(connection, rows))


def _asked(connection: Connection | None, rows: Sequence[SampleRow]) -> list[tuple[SampleRow, str]] | None:
    """The id that each address has in Kartra, "" for none; None where Kartra cannot be asked."""
    if connection is None or connection.reads_stopped_at is not None:
        return None
    found = []
    for row in rows:
        try:
            found.append((row, _profile(connection, row.email).id))
        except Rejected as no:
            if no.code not in NOT_FOUND | {DELETED}:
                return None
            found.append((row, ""))
        except KartraError:
            return None
    return found


def _profile(connection: Connection, email: str) -> LeadProfile:
    return calls.read(
        connection,
        cause=Cause.PULL,
        priority=Priority.PERSON,
        commands="get_lead",
        ask=lambda client: client.get_lead(email=email),
    )
