"""Leads that reads by themselves find deleted: believed when they are few, else reading stops and a person is asked.

A wrong account is likelier than a mass delete. What a person or the pusher learns of one lead is believed at once.
"""

import datetime as dt
import logging
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Exists, Min, OuterRef, Q, QuerySet

from integrations import clock
from integrations.models import Connection, ConnectionRemark, DeletionReport, DeletionVerdict
from integrations.read.schedule import promised
from leads import mirror, transitions
from leads.access import Author
from leads.models import GoneReason, Lead, Source
from leads.models.remarks import Remark, remark, sentence_of

logger = logging.getLogger(__name__)

FEW = 20
SHARE = 0.01
WAIT = dt.timedelta(minutes=10)
"""While more is to be read, findings are believed no sooner: so much is then known of the others."""
BATCH = 1000


@dataclass(frozen=True)
class Tally:
    """What was read lately, and how many of it were found deleted."""

    read: int
    gone: int

    @property
    def limit(self) -> int:
        return max(FEW, int(self.read * SHARE))

    @property
    def too_many(self) -> bool:
        return self.gone > self.limit

    def as_remark(self) -> Remark:
        numbers = {"gone": f"{self.gone:,}", "read": f"{self.read:,}", "limit": f"{self.limit:,}"}
        return remark(ConnectionRemark.MANY_DELETED, **numbers)


def found(lead: Lead, connection: Connection, reason: GoneReason, at: dt.datetime) -> None:
    """A read found the lead deleted. It is not read again meanwhile; one that is marked already is looked for next week."""
    if lead.gone_at is not None:
        mirror.put_off([lead.pk], at + mirror.GONE_AGAIN)
        return
    with transaction.atomic():
        mirror.lock_leads([lead.pk])
        DeletionReport.objects.pending().filter(lead=lead).delete()
        DeletionReport.objects.create(connection=connection, lead=lead, reason=reason, found_at=at)
        mirror.put_off([lead.pk], at + dt.timedelta(days=1))


def settled(lead: Lead) -> None:
    """What Kartra says of the lead is known by now: no finding of it is open."""
    pending = DeletionReport.objects.pending().filter(lead=lead)
    if pending.exists():
        pending.delete()


def tally(connection: Connection) -> Tally:
    """Of the time within which every lead is to be read once. Leads of whom only messages told do not count while others are
    read: whoever has an address could invent as many as it takes to stop the reading."""
    since = clock.now() - promised()
    doubtful = DeletionReport.objects.pending().filter(lead=OuterRef("pk"))
    alive = Lead.objects.filter(
        ~Exists(doubtful), account=connection.account_id, gone_at=None, read_at__gt=since
    ).count()
    found = DeletionReport.objects.unconfirmed().filter(connection=connection, found_at__gt=since)
    if alive:
        found = found.filter(~Exists(Lead.objects.hearsay().filter(pk=OuterRef("lead"))))
    gone = found.count()
    return Tally(alive + gone, gone)


def classify(connection: Connection, *, all_read: bool) -> bool:
    """Believe what was found, or stop reading and ask. True if reading is stopped. `all_read`: nothing more is due now."""
    if connection.reads_stopped_at is not None:
        return True
    oldest = DeletionReport.objects.pending().filter(connection=connection).aggregate(oldest=Min("found_at"))["oldest"]
    if oldest is None:
        return False
    numbers = tally(connection)
    if numbers.too_many:
        _stop(connection, numbers)
        return True
    if all_read or clock.now() - oldest > WAIT:
        _mark(connection, DeletionVerdict.BELIEVED, None)
    return False


def _stop(connection: Connection, numbers: Tally) -> None:
    at = clock.now()
    if Connection.objects.filter(pk=connection.pk, reads_stopped_at=None).update(
        reads_stopped_at=at, reads_stopped_why=numbers.as_remark()
    ):
        logger.warning(
            "Reads of connection %s are stopped: %s of %s are gone.", connection.pk, numbers.gone, numbers.read
        )
    connection.refresh_from_db(fields=["reads_stopped_at", "reads_stopped_why"])


def _next(findings: QuerySet[DeletionReport]) -> list[DeletionReport]:
    """The next of these findings, held after their leads, as whoever reads a lead does. It may be that others settled all of
    them meanwhile."""
    some = dict(findings.values_list("pk", "lead_id")[:BATCH])
    mirror.lock_leads(some.values())
    return list(findings.filter(pk__in=some).select_for_update(of=("self",)))


def _mark(connection: Connection, verdict: DeletionVerdict, by: Any) -> int:
    """Mark what is pending as deleted, in batches, and skip what is queued for it. How many were marked."""
    marked = 0
    while True:
        with transaction.atomic():
            at = clock.now()
            pending = DeletionReport.objects.pending().filter(connection=connection)
            batch = _next(pending)
            if not batch and not pending.exists():
                return marked
            for reason in GoneReason:
                ids = [each.lead_id for each in batch if each.reason == reason]
                marked += mirror.mark_many_gone(ids, reason, at, source=Source.REFRESH)
            transitions.skip_all_gone([each.lead_id for each in batch])
            DeletionReport.objects.filter(pk__in=[each.pk for each in batch]).update(
                verdict=verdict, decided_at=at, decided_by=by
            )


# --- a person's answers


def question(connection: Connection) -> str:
    """What a person is asked, in words; empty while nothing is asked."""
    return sentence_of(connection.reads_stopped_why) if connection.reads_stopped_at else ""


def doubted(connection: Connection) -> QuerySet[DeletionReport]:
    """What the question is about: findings that are not believed yet, and those believed shortly before it was asked."""
    since = (connection.reads_stopped_at or clock.now()) - promised()
    return DeletionReport.objects.filter(
        Q(verdict=DeletionVerdict.PENDING) | Q(verdict=DeletionVerdict.BELIEVED, found_at__gt=since),
        connection=connection,
    )


def what_to_do(connection: Connection) -> str:
    """The question with the two answers, for the command line."""
    command = f'`refresh --connection "{connection.name}" --gone'
    return (
        f"{connection.name}: {question(connection)} If they are deleted indeed, run {command} yes`; "
        f"if not, correct the keys and run {command} no`."
    )


def confirm(connection: Connection, *, by: Author = None) -> int:
    """A person says that they are deleted in Kartra: mark them, and read on. How many were marked. Safe to repeat."""
    marked = _mark(connection, DeletionVerdict.CONFIRMED, by)
    DeletionReport.objects.filter(connection=connection, verdict=DeletionVerdict.BELIEVED).update(
        verdict=DeletionVerdict.CONFIRMED, decided_at=clock.now(), decided_by=by
    )
    _read_on(connection)
    return marked


def read_again(connection: Connection, *, by: Author = None) -> int:
    """A person does not believe it: marks that reads made lately are lifted, what was found is forgotten, and all of it is
    read again. How many leads that is. Requested changes that were skipped meanwhile stay skipped."""
    again = 0
    at = clock.now()
    while True:
        with transaction.atomic():
            batch = _next(doubted(connection))
            if not batch and not doubted(connection).exists():
                break
            ids = [each.lead_id for each in batch]
            mirror.lift_gone(
                [each.lead_id for each in batch if each.verdict == DeletionVerdict.BELIEVED], at, source=Source.STAFF
            )
            mirror.mark_all_dirty(Lead.objects.filter(pk__in=ids), at)
            DeletionReport.objects.filter(pk__in=[each.pk for each in batch]).update(
                verdict=DeletionVerdict.DROPPED, decided_at=at, decided_by=by
            )
            again += len(batch)
    _read_on(connection)
    return again


def _read_on(connection: Connection) -> None:
    Connection.objects.filter(pk=connection.pk).update(reads_stopped_at=None, reads_stopped_why={})
    connection.refresh_from_db(fields=["reads_stopped_at", "reads_stopped_why"])
