"""People of a list whom our copy does not know, looked up in Kartra by their addresses, within its speed limit. Whom Kartra has
comes into our copy by this read, as by any other.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from integrations.kartra.errors import KartraError, NotSent, Rejected
from integrations.models import Cause, Connection
from integrations.read import deletions, refresh
from integrations.read.lead_answer import apply_answer
from integrations.read.lead_lookup import Asked
from integrations.read.lead_lookup_bulk import ask_many
from integrations.sending import switch
from integrations.sending.calls import Priority
from leads import mirror
from leads.forgotten import LeftOut
from leads.models import (
    Lead,
    PeopleList,
    PeopleListRemark,
    PeopleListRow,
    PeopleListState,
    PersonState,
    RowRemark,
)
from leads.models.people_list import MEANT
from leads.models.remarks import Remark, remark
from leads.people import reading

logger = logging.getLogger(__name__)

BATCH = 100
TRIES = 5
"""So often a person is asked for whose answer cannot be read; then the row says so."""


def why_waiting(connection: Connection | None) -> str:
    """Why nobody is looked up at the moment, as a sentence; empty while it goes on."""
    if connection is None:
        return _("This account is not connected to Kartra, so nobody can be looked for there.")
    if connection.reads_stopped_at is not None:
        return " ".join(
            [_("Updates from Kartra are stopped, so nobody is looked for there."), deletions.question(connection)]
        )
    if refresh.rests(connection):
        return " ".join(
            filter(None, [_("Nobody can be looked for in Kartra at the moment."), switch.why_not_sending(connection)])
        )
    return ""


def due() -> list[int]:
    """The lists that a worker can go on with just now, by primary key: their text is being read, or Kartra may be asked."""
    found = dict(PeopleList.objects.going().values_list("pk", "account_id"))
    if not found:
        return []
    reading = set(PeopleList.objects.filter(state=PeopleListState.READING).values_list("pk", flat=True))
    connections = Connection.objects.filter(account__in=found.values()).select_related("account")
    asking = {each.account_id for each in connections if not why_waiting(each)}
    return [pk for pk, account in found.items() if pk in reading or account in asking]


def go_on(list_id: int, *, until_s: float, stop: Callable[[], bool] = lambda: False) -> bool:
    """Go on with a list: read its text, then look up whom our copy does not know. True if there is more to do at once."""
    people_list = PeopleList.objects.going().select_related("account").filter(pk=list_id).first()
    if people_list is None:
        return False
    try:
        more = reading.read(people_list, until_s=until_s)
    except (OperationalError, InterfaceError):
        raise  # the database's trouble passes; the sweep goes on with it
    except Exception as error:
        logger.exception("List of people %s cannot be read on.", list_id)
        why = remark(PeopleListRemark.BROKE_OFF, line=f"{people_list.line:,}", name=type(error).__name__)
        reading.stop(people_list, why)
        return False
    if people_list.state != PeopleListState.LOOKING_UP:
        return more
    connection = Connection.objects.select_related("account").filter(account=people_list.account_id).first()
    return connection is not None and look_up(connection, people_list, until_s=until_s, stop=stop)


def look_up(
    connection: Connection, people_list: PeopleList, *, until_s: float = 8.0, stop: Callable[[], bool] = lambda: False
) -> bool:
    """Look up people of one list for about `until_s` seconds. True if there is more to ask, and asking is of use."""
    ends = time.monotonic() + until_s
    while time.monotonic() < ends and not stop() and not why_waiting(connection):
        rows = list(_waiting(people_list).order_by("tries", "number")[:BATCH])
        if not rows:
            _finish(people_list)
            return False
        people = [Lead(account_id=people_list.account_id, email=row.email) for row in rows]  # asked about, never saved
        by_person = {id(person): row for person, row in zip(people, rows, strict=True)}
        done = 0
        for answers in ask_many(connection, people, cause=Cause.PULL, priority=Priority.RUN, ends=ends, stop=stop):
            done += sum(_note(connection, by_person[id(person)], answer) for person, answer in answers)
        connection.refresh_from_db()
        if not done:
            return False  # Kartra does not answer: the sweep comes back
    return _waiting(people_list).exists() and not why_waiting(connection)


def _waiting(people_list: PeopleList) -> QuerySet[PeopleListRow]:
    return PeopleListRow.objects.filter(people_list=people_list, state=PersonState.TO_LOOK_UP)


def _finish(people_list: PeopleList) -> None:
    """Nobody is left to be asked for, unless somebody has just corrected an address."""
    with transaction.atomic():
        held = PeopleList.objects.select_for_update(no_key=True).filter(pk=people_list.pk).first()
        if held is not None and held.state == PeopleListState.LOOKING_UP and not _waiting(held).exists():
            held.state = PeopleListState.READY
            held.save(update_fields=["state"])


def _note(connection: Connection, row: PeopleListRow, answer: Asked | KartraError | None) -> bool:
    """Write down what Kartra said of one person; False where it said nothing that counts."""
    if answer is None:
        return False
    if isinstance(answer, Rejected):
        words = remark(RowRemark.KARTRA_ANSWERED, message=answer.message or answer.code)
        return _settle(row, PersonState.UNREADABLE, reason=words)
    if isinstance(answer, KartraError):
        return _failed(row, answer)
    lead = mirror.find(connection.account, email=row.email)
    try:
        result = apply_answer(connection, lead, answer)
    except LeftOut as problem:
        problem.note()
        return _settle(row, PersonState.FORGOTTEN)
    except Exception:  # one that nobody foresaw: the others are looked up all the same
        logger.exception(
            "What Kartra said of person %s of list %s could not be taken in.", row.number, row.people_list_id
        )
        return _failed(row, None)
    if result.gone:
        return _settle(row, PersonState.GONE, lead=result.lead)
    if not result.found:
        return _settle(row, PersonState.NOT_IN_KARTRA)
    if result.lead is None:
        return _failed(row, None)
    if not result.applied:
        return False  # a call of ours to the lead is too recent for the read to count
    return _settle(row, PersonState.FOUND, lead=result.lead)


def _failed(row: PeopleListRow, error: KartraError | None) -> bool:
    """An answer that cannot be read is asked for again, not for ever. What never left us is no try."""
    if isinstance(error, NotSent):
        return False
    if row.tries + 1 >= TRIES:
        return _settle(row, PersonState.UNREADABLE, reason=remark(RowRemark.KARTRA_SILENT, number=TRIES))
    PeopleListRow.objects.filter(pk=row.pk).update(tries=row.tries + 1)
    return False


def _settle(row: PeopleListRow, state: PersonState, *, lead: Lead | None = None, reason: Remark | None = None) -> bool:
    """Write down whom the row means. The row is not touched if somebody corrected it, or the person was forgotten, meanwhile."""
    with transaction.atomic():
        if lead is not None:
            mirror.lock_leads([lead.pk])
            if not Lead.objects.filter(pk=lead.pk).exists():
                return False
        still = PeopleListRow.objects.filter(pk=row.pk, state=PersonState.TO_LOOK_UP, email_key=row.email_key)
        if lead is not None and state == PersonState.FOUND:
            others = PeopleListRow.objects.filter(people_list=row.people_list_id, lead=lead, state__in=MEANT)
            state = PersonState.REPEATED if others.exists() else state
        new: dict[str, Any] = {"state": state, "lead": lead, "reason": reason or {}}
        if state == PersonState.FORGOTTEN:
            new |= {"written": "", "email": "", "email_key": "", "kartra_id": "", "values": {}}
        return bool(still.update(**new))
