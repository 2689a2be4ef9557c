"""What a bulk action would do, as one plain sentence with its parts."""

import datetime as dt
from typing import Any

from django.conf import settings
from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import Count, QuerySet
from django.utils import timezone
from django.utils.text import capfirst

from integrations import switch
from integrations.models import Connection
from integrations.translate import ENCODINGS
from kartra_mirror.admin.speed import connection_of, seconds_for
from leads import changes, kinds, undoing
from leads.judging import Choices, Preview
from leads.models import OPEN, Account, ChangeStatus, Lead, LeadChange

READ_FEW = 500
"""So few doubtful leads are read first unless somebody says otherwise: half a minute."""

TRY = 10
"""How many leads a bulk action is tried on first."""

UNCHECKED = {"subscribe_sequence", "subscribe_calendar", "cancel_calendar"}
"""Kinds with a name or a step that our copy cannot check beforehand."""


def of(
    account: Account, leads: QuerySet[Lead], kind: kinds.Kind, clean: dict[str, Any], choices: Choices
) -> dict[str, Any]:
    """The preview as the page shows it. Reads only, in a number of queries that does not grow with the leads."""
    counted = changes.preview(account, leads, kind, clean, choices)
    connection = connection_of(account)
    seconds = seconds_for(account, counted.calls)
    ahead = LeadChange.objects.filter(account=account, status=ChangeStatus.WAITING).values("lead").distinct().count()
    begins_in = seconds_for(account, ahead)
    names = {name for name, _ in kind.single_steps(clean)}
    return {
        "counted": counted,
        "sentence": capfirst(kind.sentence(clean)),
        "rest": _rest(counted, choices),
        "seconds": seconds,
        "read_seconds": seconds_for(account, counted.doubtful),
        "reads_by_default": counted.doubtful <= READ_FEW,
        "promised_h": f"{settings.REFRESH_WITHIN_H:g}",
        "ahead": ahead,
        "until": timezone.now() + dt.timedelta(seconds=seconds + begins_in),
        "mark": mark(counted),
        "can_be_undone": undoing.can_be_undone(kind, clean),
        "cannot_be_undone": _cannot(kind, clean),
        "warnings": [
            *(warning for _, given in kind.parts(clean) for warning in kinds.warnings(given)),
            *_safety(connection, names),
        ],
        "opposite": opposite_runs(account, leads, kind, clean) if counted.opposite_waiting else [],
        "mails": bool(names & {"subscribe_sequence", "subscribe_list"}),
        "unchecked": bool(names & UNCHECKED),
        "can_be_tried": counted.will_change > TRY,
        "why_not": switch.why_not_sending(connection)
        if connection
        else "This account has no connection to Kartra yet.",
    }


def _safety(connection: Connection | None, names: set[str]) -> list[str]:
    """That the safety field would help here, where there is none yet."""
    bearing = {name for name, encoding in ENCODINGS.items() if encoding.bears_receipt}
    if connection is None or connection.receipt_field or not names & bearing:
        return []
    return [
        "Should Kartra's answer get lost, we may have to ask you whether it was done. Add the safety field in Kartra (on the "
        "connection's page) and we can tell by ourselves; for points it also saves a read of each lead."
    ]


def mark(counted: Preview) -> str:
    """What was previewed, so that what starts is that: the same as long as the same leads would change."""
    return f"{counted.mark}/{counted.will_change}/{counted.total}"


def what_changed(before: str, counted: Preview) -> str:
    """How the set differs from the one that was previewed, as a sentence; empty where it is the same."""
    if before == mark(counted):
        return ""
    told = before.split("/")
    was = int(told[1]) if len(told) == 3 and told[1].isdecimal() else None
    now = f"now {counted.will_change:,} of {counted.total:,} would change"
    if was is None or was == counted.will_change:
        return (
            f"Meanwhile the leads have changed: they are not the same any more ({now}). Please look again, then start."
        )
    more = counted.will_change - was
    by = f"{abs(more):,} {'more' if more > 0 else 'fewer'} than the {was:,} of the preview"
    return f"Meanwhile the leads have changed: {now}, {by}. Please look again, then start."


def _rest(counted: Preview, choices: Choices) -> list[str]:
    """What becomes of the others, each as a phrase; only what there is."""

    def told(number: int, one: str, many: str) -> list[str]:
        return [f"{intcomma(number)} {one if number == 1 else many}"] if number else []

    so = told(counted.already_so, "has it already", "have it already")
    if choices.anyway:
        so = told(counted.had, "has it already and gets it again", "have it already and get it again")
    return [
        *so,
        *told(counted.left_out, "left the list and is left out", "left the list themselves and are left out"),
        *told(counted.gone, "is deleted in Kartra", "are deleted in Kartra"),
    ]


def _cannot(kind: kinds.Kind, clean: dict[str, Any]) -> list[str]:
    """Why parts of it cannot be undone."""
    found = []
    for name, parameters in kind.single_steps(clean):
        step = kinds.get(name)
        if step.stands is None and name != "update_lead":
            why = undoing.CANNOT.get(name, "It cannot be taken back from outside Kartra.")
            found.append(f"{capfirst(step.sentence(parameters))}: {why}")
    return found


def opposite_runs(
    account: Account, leads: QuerySet[Lead], kind: kinds.Kind, clean: dict[str, Any]
) -> list[dict[str, Any]]:
    """Where open changes of the same things come from: [{"name", "run", "number"}], most first."""
    families = {kinds.get(name).family(parameters): name for name, parameters in kind.single_steps(clean)}
    rows = LeadChange.objects.filter(
        account=account, family__in=families, status__in=OPEN, lead__in=leads.order_by().values("pk")
    )
    for family, name in families.items():
        rows = rows.exclude(family=family, kind=name)
    counted = (
        rows.order_by().values("run", "run__name").annotate(number=Count("lead", distinct=True)).order_by("-number")
    )
    return [{"run": row["run"], "name": row["run__name"], "number": row["number"]} for row in counted[:5]]
