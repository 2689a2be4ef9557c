"""How far a bulk action is, in numbers and as a bar: for its page, for home, and for the polling of both."""

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

from django.db.models import Count, Q
from django.utils.text import capfirst
from django.utils.translation import gettext as _, gettext_lazy, ngettext

from integrations.push.settle import remedy
from integrations.sending import switch
from integrations.status import in_words
from kartra_mirror.frame import parts
from kartra_mirror.ui.throughput import connection_of, seconds_for
from leads import clock, kinds
from leads.labels import RUN_WORDS, STATUS_WORDS
from leads.models import BulkRun, ChangeStatus, Reason, RunState
from leads.models.remarks import sentence_of

RESULTS_SHOWN = 20
RATE_OVER_S = 20
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
    """How far a run is: counts by status (they add up to its members), ended, percent, pace, why nothing moves."""
    now = clock.now()
    ends = run.ended_at or now
    recent = ends - dt.timedelta(seconds=RATE_OVER_S)
    told = run.changes.aggregate(
        **{status: Count("pk", filter=Q(status=status)) for status in ChangeStatus.values},
        left=Count("lead", distinct=True, filter=Q(status__in=TO_BE_SENT)),
        lately=Count("pk", filter=Q(status__in=[ChangeStatus.ACCEPTED, ChangeStatus.REJECTED], settled_at__gt=recent)),
    )
    counts = {status: told[status] + run.past_counts.get(status, 0) for status in ChangeStatus.values}
    connection = connection_of(run.account)
    why_not = switch.why_not_sending(connection) if connection and not run.has_ended else ""
    passed_s = max((ends - run.created_at).total_seconds(), 0.001)
    per_second = round(told["lately"] / min(passed_s, RATE_OVER_S), 1)
    left_s = seconds_for(run.account, told["left"])
    return {
        "state": run.state,
        "state_words": RUN_WORDS[run.state],
        "look": STATES[run.state],
        "has_ended": run.has_ended,
        **in_numbers(run, counts),
        "counts": [{"status": s, "words": STATUS_WORDS[s], "number": n, "look": LOOKS[s]} for s, n in counts.items()],
        "bar": _bar(counts, sum(counts.values())),
        "pace": "" if why_not else pace(run, counts, left_s, per_second),
        "why_not": why_not,
    }


def in_numbers(run: BulkRun, counts: Mapping[str, int]) -> dict[str, Any]:
    """Of its members how many are finished, in numbers and in words. What was cancelled of it is not finished."""
    members = sum(counts.values())
    finished = members - sum(counts.get(status, 0) for status in STILL)
    cancelled = counts.get(ChangeStatus.CANCELLED, 0) if run.state in BEING_CANCELLED else 0
    finished -= cancelled
    words = ngettext("%(finished)s of %(members)s change", "%(finished)s of %(members)s changes", members)
    if _is_single(run):
        words = ngettext("%(finished)s of %(members)s lead", "%(finished)s of %(members)s leads", members)
    amount = words % {"finished": f"{finished:,}", "members": f"{members:,}"}
    if cancelled:
        amount = _("%(amount)s, %(cancelled)s cancelled") % {"amount": amount, "cancelled": f"{cancelled:,}"}
    percent = 100 if not members else math.floor(finished * 100 / members)
    return {"members": members, "finished": finished, "percent": percent, "amount": amount}


def pace(run: BulkRun, counts: Mapping[str, int], left_s: int, per_second: float = 0) -> str:
    """How fast it goes and how long it still takes; empty while nothing of it is sent."""
    if run.state != RunState.RUNNING:
        return ""
    if not any(counts.get(status) for status in TO_BE_SENT):
        return str(STATUS_WORDS[ChangeStatus.UNKNOWN]) if counts.get(ChangeStatus.UNKNOWN) else ""
    told = [_("%(number)s a second") % {"number": f"{per_second:g}"}] if per_second else []
    if left_s:
        told.append(_("%(time)s left") % {"time": in_words(left_s)})
    return " · ".join(told)


def leads_of(run: BulkRun) -> dict[str, int] | None:
    """How many leads its changes are of and how many of them were changed, where a lead may have several; else None."""
    if _is_single(run) or run.past_counts:
        return None
    done = Count("lead", distinct=True, filter=Q(status=ChangeStatus.ACCEPTED))
    return run.changes.aggregate(changes=Count("pk"), leads=Count("lead", distinct=True), done=done)


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
    again = BulkRun.objects.filter(pk__in=run.changes.filter(retries__run__isnull=False).values("retries__run"))
    return {"runs": list(again.order_by("pk")[:AGAIN_SHOWN]), "left": run.changes.failed().exists()}


def failures_of(run: BulkRun) -> list[dict[str, Any]]:
    """What was refused or needs a decision, by cause, most frequent first, with what to do."""
    rows = (
        run.changes.filter(Q(status__in=[ChangeStatus.REJECTED, ChangeStatus.UNDECIDED]) | Q(reason=Reason.GONE))
        .order_by()
        .values("kind", "status", "reason", "code", "message", "remark")
        .annotate(number=Count("pk"))
        .order_by("-number")[:20]
    )
    return [
        {
            **row,
            "said": sentence_of(row["remark"]) or row["message"],
            "remedy": remedy(row["code"])
            or (_("Nothing more is sent for it.") if row["reason"] == Reason.GONE else ""),
            "words": outcome_words(row["status"], row["reason"]),
            "label": kinds.get_kind(row["kind"]).label,
        }
        for row in rows
    ]
