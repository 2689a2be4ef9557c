"""How far a bulk action is, in numbers and as a bar: for its page, for home, and for the polling of both."""

import datetime as dt
import math
from typing import Any

from django.db.models import Count, Q
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations import switch
from integrations.settle import remedy
from kartra_mirror.admin.speed import connection_of, seconds_for
from leads import kinds
from leads.models import BulkRun, ChangeStatus, Reason, RunState
from leads.words import RUN_WORDS, STATUS_WORDS

RESULTS_SHOWN = 20
RATE_OVER_S = 20
STILL = (ChangeStatus.WAITING, ChangeStatus.SENDING, ChangeStatus.UNKNOWN)
LOOKS: dict[str, str] = {
    ChangeStatus.ACCEPTED: "good",
    ChangeStatus.SKIPPED: "quiet",
    ChangeStatus.REJECTED: "bad",
    ChangeStatus.UNDECIDED: "held",
    ChangeStatus.UNKNOWN: "doubt",
    ChangeStatus.SENDING: "going",
    ChangeStatus.CANCELLED: "gone",
    ChangeStatus.WAITING: "rest",
}
"""How a status looks in the bar; in this order from the left."""


def progress_of(run: BulkRun) -> dict[str, Any]:
    """How far a run is: counts by status (they add up to its members), ended, percent, time left, why nothing moves."""
    now = timezone.now()
    ends = run.ended_at or now
    recent = ends - dt.timedelta(seconds=RATE_OVER_S)
    told = run.changes.aggregate(
        **{status: Count("pk", filter=Q(status=status)) for status in ChangeStatus.values},
        left=Count("lead", distinct=True, filter=Q(status__in=STILL)),
        lately=Count("pk", filter=Q(status__in=[ChangeStatus.ACCEPTED, ChangeStatus.REJECTED], settled_at__gt=recent)),
    )
    counts = {status: told[status] for status in ChangeStatus.values}
    members = sum(counts.values())
    still = sum(counts[status] for status in STILL)
    connection = connection_of(run.account)
    passed_s = max((ends - run.created_at).total_seconds(), 0.001)
    return {
        "state": run.state,
        "state_words": RUN_WORDS[run.state],
        "has_ended": run.has_ended,
        "noun": _("leads") if _is_single(run) else _("changes"),
        "members": members,
        "finished": members - still,
        "percent": 100 if not members else math.floor((members - still) * 100 / members),
        "counts": [{"status": s, "words": STATUS_WORDS[s], "number": n, "look": LOOKS[s]} for s, n in counts.items()],
        "bar": _bar(counts, members),
        "per_second": round(told["lately"] / min(passed_s, RATE_OVER_S), 1),
        "left_s": seconds_for(run.account, told["left"]) if run.state == RunState.RUNNING and still else 0,
        "why_not": switch.why_not_sending(connection) if connection and not run.has_ended else "",
    }


def _is_single(run: BulkRun) -> bool:
    """Whether the run has one change for each lead."""
    return not run.undoes_id and len(kinds.get(run.kind).single_steps(run.parameters)) == 1


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
            "lead": str(change.lead), "url": change.lead.get_absolute_url(), "status": change.status,
            "words": outcome_words(change.status, change.reason) if single
            else f"{capfirst(str(change))}: {outcome_words(change.status, change.reason)}",
        }
        for change in rows[:RESULTS_SHOWN]
    ]  # fmt: skip


SKIPPED: dict[str, Any] = {
    Reason.GONE: gettext_lazy("deleted in Kartra"),
    Reason.LEFT_OUT: gettext_lazy("left out: left the list themselves"),
    Reason.ALREADY_SO: gettext_lazy("nothing to do (already so)"),
}


def outcome_words(status: str, reason: str) -> str:
    """What became of a change, for a reader: why it was skipped, too."""
    if status != ChangeStatus.SKIPPED:
        return str(STATUS_WORDS[status])
    return str(SKIPPED.get(reason, STATUS_WORDS[status]))


def failures_of(run: BulkRun) -> list[dict[str, Any]]:
    """What was refused or needs a decision, by cause, most frequent first, with what to do."""
    rows = (
        run.changes.filter(Q(status__in=[ChangeStatus.REJECTED, ChangeStatus.UNDECIDED]) | Q(reason=Reason.GONE))
        .order_by()
        .values("kind", "status", "reason", "code", "message")
        .annotate(number=Count("pk"))
        .order_by("-number")[:20]
    )
    return [
        {
            **row,
            "remedy": remedy(row["code"])
            or (_("Nothing more is sent for it.") if row["reason"] == Reason.GONE else ""),
            "words": outcome_words(row["status"], row["reason"]),
            "label": kinds.get(row["kind"]).label,
        }
        for row in rows
    ]
