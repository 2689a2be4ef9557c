"""How far a bulk action is, in numbers and as a bar: for its page, for home, and for the polling of both."""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

from django.db.models import Case, Count, IntegerField, Max, Q, Value, When
from django.utils.text import capfirst
from django.utils.translation import gettext as _, gettext_lazy, ngettext

from integrations.push.settle import remedy
from integrations.sending import switch
from kartra_mirror.frame import parts
from kartra_mirror.ui import costly, throughput
from leads import kinds
from leads.labels import RUN_WORDS, STATUS_WORDS
from leads.models import BulkRun, ChangeStatus, Reason, RunState
from leads.models.remarks import sentence_of

RESULTS_SHOWN = 20
MOVING = 10
"""The numbers of a bulk action of a million are asked for each second, and take one: they are kept for so many times as long."""
AGAIN_SHOWN = 5
TO_BE_SENT = (ChangeStatus.WAITING, ChangeStatus.SENDING)
STILL = (*TO_BE_SENT, ChangeStatus.UNKNOWN)
BEING_CANCELLED = (RunState.CANCELLING, RunState.CANCELLED)
LOOKS: dict[str, str] = {
    ChangeStatus.ACCEPTED: "good",
    ChangeStatus.SKIPPED: "soft",
    ChangeStatus.SUPERSEDED: "soft",
    ChangeStatus.REJECTED: "bad",
    ChangeStatus.UNDECIDED: "warn",
    ChangeStatus.UNKNOWN: "warn",
    ChangeStatus.SENDING: "wait",
    ChangeStatus.CANCELLED: "soft",
    ChangeStatus.WAITING: "none",
}
"""How a status looks in the bar; in this order from the left."""
COUNTED_AS = (
    ChangeStatus.SENDING,
    ChangeStatus.WAITING,
    ChangeStatus.UNKNOWN,
    ChangeStatus.UNDECIDED,
    ChangeStatus.REJECTED,
    ChangeStatus.CANCELLED,
    ChangeStatus.ACCEPTED,
    ChangeStatus.SUPERSEDED,
    ChangeStatus.SKIPPED,
)
"""What somebody with several changes in one bulk action counts as: the first that one of them is."""
STATES: dict[str, str] = {
    RunState.PREPARING: "wait",
    RunState.RUNNING: "wait",
    RunState.PAUSED: "warn",
    RunState.CANCELLING: "warn",
    RunState.FINISHED: "good",
    RunState.CANCELLED: "",
}
"""The colour of the badge of a bulk action's state."""


def progress_of(run: BulkRun) -> dict[str, Any]:
    """How far a run is: people by outcome (they add up to its members), ended, percent, pace, why nothing moves."""
    counts, people = costly.kept(f"progress-{run.pk}-{run.state}", partial(_counts, run), times=MOVING)
    connection = throughput.connection_of(run.account)
    why_not = switch.why_not_sending(connection) if connection and not run.has_ended else ""
    going = run.state == RunState.RUNNING and not why_not
    speed = throughput.measured(connection) if connection and going else 0
    left = sum(counts[status] for status in TO_BE_SENT)
    if going and not people:
        left = run.changes.filter(status__in=TO_BE_SENT).aggregate(n=Count("lead", distinct=True))["n"]
    left_s = throughput.seconds_for(left, speed or throughput.limit_of(connection))
    return {
        "state": run.state,
        "state_words": RUN_WORDS[run.state],
        "look": STATES[run.state],
        "has_ended": run.has_ended,
        **in_numbers(run, counts, people=people),
        "people": people,
        "queued": sum(counts[status] for status in TO_BE_SENT),
        "done": counts[ChangeStatus.ACCEPTED],
        "counts": [{"status": s, "words": STATUS_WORDS[s], "number": counts[s], "look": LOOKS[s]} for s in LOOKS],
        "bar": _bar(counts, sum(counts.values())),
        "pace": pace(run, counts, left_s, speed) if going else "",
        "why_not": why_not,
    }


def _counts(run: BulkRun) -> tuple[dict[str, int], bool]:
    """How many are in each status, and whether those are people: of somebody with several changes the one counts that comes
    first in `COUNTED_AS`. Where old changes were deleted nobody knows whose they were, so the changes themselves are counted."""
    if _is_single(run) or run.past_counts:
        return run.counts(), _is_single(run)
    ranks = [When(status=status, then=Value(rank)) for rank, status in enumerate(reversed(COUNTED_AS))]
    leads = run.changes.order_by().values("lead").annotate(rank=Max(Case(*ranks, output_field=IntegerField())))
    told = leads.aggregate(
        **{status: Count("lead", filter=Q(rank=rank)) for rank, status in enumerate(reversed(COUNTED_AS))}
    )
    return {status: told[status] for status in ChangeStatus.values}, True


def in_numbers(run: BulkRun, counts: Mapping[str, int], *, people: bool | None = None) -> dict[str, Any]:
    """Of its members how many are finished, in numbers and in words. What was cancelled of it is not finished. `people`: whether
    the counts are of people; None: as its kind says."""
    members = sum(counts.values())
    finished = members - sum(counts.get(status, 0) for status in STILL)
    cancelled = counts.get(ChangeStatus.CANCELLED, 0) if run.state in BEING_CANCELLED else 0
    finished -= cancelled
    words = ngettext("%(finished)s of %(members)s change", "%(finished)s of %(members)s changes", members)
    if _is_single(run) if people is None else people:
        words = ngettext("%(finished)s of %(members)s lead", "%(finished)s of %(members)s leads", members)
    amount = words % {"finished": f"{finished:,}", "members": f"{members:,}"}
    if cancelled:
        amount = _("%(amount)s, %(cancelled)s cancelled") % {"amount": amount, "cancelled": f"{cancelled:,}"}
    percent = 100 if not members else math.floor(finished * 100 / members)
    return {"members": members, "finished": finished, "percent": percent, "amount": amount}


def pace(run: BulkRun, counts: Mapping[str, int], left_s: float, speed: float = 0) -> str:
    """How long it still takes and how fast it goes, where that was measured; empty while nothing of it is sent."""
    if run.state != RunState.RUNNING:
        return ""
    if not any(counts.get(status) for status in TO_BE_SENT):
        return str(STATUS_WORDS[ChangeStatus.UNKNOWN]) if counts.get(ChangeStatus.UNKNOWN) else ""
    left = _("%(time)s left") % {"time": throughput.about(left_s)}
    return " · ".join(filter(None, [left, throughput.in_figures(speed)]))


def _is_single(run: BulkRun) -> bool:
    """Whether the run has one change for each lead."""
    return not run.undoes_id and len(kinds.get_kind(run.kind).single_steps(run.parameters)) == 1


def _bar(counts: dict[str, int], members: int) -> list[dict[str, Any]]:
    """The parts of the bar from the left, in percent: [{"status", "look", "at", "width"}], every status."""
    at = 0.0
    found = []
    for status, look in LOOKS.items():
        width = counts[status] * 100 / members if members else 0
        found.append({"status": str(status), "look": look, "at": round(at, 2), "width": round(width, 2)})
        at += width
    return found


def results_of(run: BulkRun) -> list[dict[str, str]]:
    """The last ones that were settled, as the page shows them."""
    single = _is_single(run)
    rows = run.changes.filter(settled_at__isnull=False).select_related("lead").order_by("-settled_at", "-pk")
    return [
        {
            "lead": str(change.lead),
            "url": change.lead.get_absolute_url(),
            "status": change.status,
            "look": parts.look(change.status),
            "words": outcome_words(change.status, change.reason)
            if single
            else f"{capfirst(str(change))}: {outcome_words(change.status, change.reason)}",
        }
        for change in rows[:RESULTS_SHOWN]
    ]


SKIPPED: dict[str, Any] = {
    Reason.GONE: gettext_lazy("deleted in Kartra"),
    Reason.ABSENT: gettext_lazy("left out: not in Kartra"),
    Reason.LEFT_OUT: gettext_lazy("left out: left the list themselves"),
    Reason.ALREADY_SO: gettext_lazy("no change needed"),
}


def outcome_words(status: str, reason: str) -> str:
    """What became of a change, for a reader: why it was skipped, too."""
    if status != ChangeStatus.SKIPPED:
        return str(STATUS_WORDS[status])
    return str(SKIPPED.get(reason, STATUS_WORDS[status]))


def tried_again(run: BulkRun) -> dict[str, Any]:
    """What became of its refused changes: the bulk actions that tried them again, and whether some are still left."""
    again = BulkRun.objects.filter(pk__in=run.changes.filter(status=ChangeStatus.REJECTED).values("retried_in"))
    return {"runs": list(again.order_by("pk")[:AGAIN_SHOWN]), "left": run.changes.failed().exists()}


def failures_of(run: BulkRun) -> list[dict[str, Any]]:
    """What was refused or needs a decision, by cause and in people, most frequent first, with what to do."""
    single = _is_single(run)
    causes = (
        run.changes.filter(status__in=[ChangeStatus.REJECTED, ChangeStatus.UNDECIDED, ChangeStatus.SKIPPED])
        .filter(~Q(status=ChangeStatus.SKIPPED) | Q(reason=Reason.GONE))
        .order_by()
        .values("kind", "status", "reason", "code", "message", "remark")
        .annotate(number=Count("lead", distinct=True))
        .order_by("-number")[:20]
    )
    rows = costly.kept(f"failures-{run.pk}-{run.state}", partial(list, causes), times=MOVING)
    return [
        {
            **row,
            "ours": (ours := sentence_of(row["remark"])),
            "said": "" if ours else row["message"],
            "remedy": remedy(row["code"])
            or (_("Nothing more is sent for it.") if row["reason"] == Reason.GONE else ""),
            "words": outcome_words(row["status"], row["reason"]),
            "look": parts.look(row["status"]),
            "label": "" if single else kinds.get_kind(row["kind"]).label,
        }
        for row in rows
    ]
