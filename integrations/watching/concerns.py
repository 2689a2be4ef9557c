"""What needs a person now, as rows: begun when it is first seen, ended when it is seen no more. Each kind in a fixed number of
queries, one for each connection at most."""

import datetime as dt
from collections.abc import Callable, Iterable

from django.db.models import Count, Q, QuerySet, Sum

from integrations.clock import now
from integrations.models import Concern, ConcernCode, Connection, Delivery, DeliveryStatus, WebhookEndpoint, WebhookHour
from integrations.notify import broker_answers
from integrations.read import deletions
from integrations.read.schedule import promised
from integrations.receive import missing_events
from integrations.sending import clocks
from integrations.watching import alive, disks
from integrations.watching.regular import is_time
from leads.models import Lead, LeadChange, RunDraft, Schedule, ScheduleState

APART = dt.timedelta(seconds=50)
SILENT_APART = dt.timedelta(minutes=55)
"""Kinds that come no more are days overdue, and are looked for in all messages."""
RECENT = dt.timedelta(days=7)
DAY = dt.timedelta(days=1)
CLOCK_WRONG_FOR = dt.timedelta(minutes=10)
"""A machine among many looks at its clock when it happens to get a task: not over, and told again, for a quiet minute."""
MOST = 100_000
"""More late leads are not counted."""

Which = tuple[int | None, str]
"""The key of the connection, and which of several."""
Seen = dict[Which, int]
"""How many there are of each."""


def look() -> None:
    """Look at everything."""
    at = now()
    for code, find in FINDERS.items():
        note(code, find(at), at)
    if is_time("look for silent events", at, SILENT_APART):
        note(ConcernCode.SILENT, _silent(at), at)
    look_at_workers(at)


def look_at_workers(at: dt.datetime) -> None:
    """Look whether workers, beat and web are at work; not while the broker is away, by which they are asked."""
    answers = broker_answers()
    note(ConcernCode.BROKER, {} if answers else {(None, ""): 1}, at)
    if answers:
        missing = alive.missing(at)
        note(ConcernCode.WORKERS, {(None, name): 1 for name in missing if name in alive.QUEUES}, at)
        note(ConcernCode.BEAT, {(None, ""): 1} if alive.BEAT in missing else {}, at)
        note(ConcernCode.WEB, {(None, ""): 1} if alive.WEB in missing else {}, at)


def note(code: ConcernCode, seen: Seen, at: dt.datetime) -> None:
    """Begin, go on with, and end the concerns of one kind: those are `seen`. Safe at once: of two that begin one, one does."""
    standing = {(each.connection_id, each.key): each for each in Concern.objects.standing().filter(code=code)}
    over = [each.pk for which, each in standing.items() if which not in seen]
    if over:
        Concern.objects.standing().filter(pk__in=over).update(ended_at=at)
    for which, number in seen.items():
        if which in standing and standing[which].number != number:
            Concern.objects.standing().filter(pk=standing[which].pk).update(number=number)
    begun = [
        Concern(code=code, connection_id=which[0], key=which[1], number=number, since=at)
        for which, number in seen.items()
        if which not in standing
    ]
    if begun:
        Concern.objects.bulk_create(begun, ignore_conflicts=True)


def _connections() -> dict[int, int]:
    """The connection's key by that of its account."""
    return dict(Connection.objects.values_list("account", "pk"))


def _by_account(rows: QuerySet[LeadChange] | QuerySet[RunDraft] | QuerySet[Schedule]) -> Seen:
    connections = _connections()
    counted = rows.filter(account__in=connections).order_by().values_list("account").annotate(n=Count("pk"))
    return {(connections[account], ""): number for account, number in counted}


def _by_connection(rows: QuerySet[Delivery]) -> Seen:
    counted = rows.order_by().values_list("endpoint__connection").annotate(n=Count("pk"))
    return {(connection, ""): number for connection, number in counted}


def _deletions(at: dt.datetime) -> Seen:
    stopped = Connection.objects.filter(reads_stopped_at__isnull=False)
    return {(each.pk, ""): max(1, deletions.doubted(each).count()) for each in stopped}


def _catalogue(at: dt.datetime) -> Seen:
    doubts = Connection.objects.exclude(catalogue_doubt={}).values_list("pk", "catalogue_doubt")
    return {(pk, ""): sum(doubt.values()) for pk, doubt in doubts}


def _quarantined(at: dt.datetime) -> Seen:
    """Of the last week, as on home: whoever has looked at one leaves it as it is."""
    return _by_connection(Delivery.objects.filter(status=DeliveryStatus.QUARANTINED, received_at__gte=at - RECENT))


def _held(at: dt.datetime) -> Seen:
    return _by_connection(Delivery.objects.held())


def _refused(at: dt.datetime) -> Seen:
    rows = WebhookHour.objects.filter(hour__gt=at - DAY, refused__gt=0).order_by()
    counted = rows.values_list("endpoint__connection", "endpoint").annotate(n=Sum("refused"))
    return {(connection, str(endpoint)): number for connection, endpoint, number in counted}


def _late(at: dt.datetime) -> Seen:
    """Leads that were not read within the promised time; two queries by index for each connection."""
    old = at - promised()
    found: Seen = {}
    here = Q(absent_at=None) | Q(kartra_id__isnull=False)
    for account, connection in _connections().items():
        leads = Lead.objects.filter(here, account=account, gone_at=None).order_by()
        number = sum(
            leads.filter(late).values("pk")[:MOST].count()
            for late in (Q(read_at__lt=old), Q(read_at=None, known_since__lt=old))
        )
        if number:
            found[connection, ""] = number
    return found


def _silent(at: dt.datetime) -> Seen:
    endpoints = dict(WebhookEndpoint.objects.standing().values_list("pk", "connection"))
    return {
        (endpoints[endpoint], f"{endpoint}:{kind.name}"): kind.silent_days
        for endpoint, kinds in _kinds_of(endpoints, at)
        for kind in kinds
        if kind.stopped
    }


def _kinds_of(endpoints: Iterable[int], at: dt.datetime) -> Iterable[tuple[int, list[missing_events.EventKind]]]:
    return missing_events.kinds_of_many(endpoints, at).items()


FINDERS: dict[ConcernCode, Callable[[dt.datetime], Seen]] = {
    ConcernCode.DELETIONS: _deletions,
    ConcernCode.CATALOGUE: _catalogue,
    ConcernCode.QUARANTINED: _quarantined,
    ConcernCode.HELD: _held,
    ConcernCode.REFUSED: _refused,
    ConcernCode.FRESHNESS: _late,
    ConcernCode.DECISIONS: lambda at: _by_account(LeadChange.objects.questions()),
    ConcernCode.APPROVALS: lambda at: _by_account(RunDraft.objects.asked_for()),
    ConcernCode.SCHEDULES: lambda at: _by_account(Schedule.objects.filter(state=ScheduleState.HELD)),
    ConcernCode.CLOCK: lambda at: {(None, machine): 1 for machine in clocks.wrong_machines(at, CLOCK_WRONG_FOR)},
    ConcernCode.DISK: lambda at: {(None, machine): 1 for machine in disks.full_machines(at)},
}
