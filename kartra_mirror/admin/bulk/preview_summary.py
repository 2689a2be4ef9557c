"""What a bulk action would do, as one plain sentence with its parts."""

import math
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import Count, QuerySet
from django.utils.text import capfirst
from django.utils.translation import gettext as _, ngettext_lazy

from integrations.models import Connection
from integrations.translate import WIRE_FORMATS
from kartra_mirror.admin.bulk import preview_names
from kartra_mirror.ui import throughput
from leads import changes, kinds
from leads.changes import undo
from leads.changes.create_many import NOBODY_MISSING, Missing, with_missing
from leads.changes.preview import Choices, Preview
from leads.kinds.already_words import GIVEN, PARTS, Already
from leads.labels import NEW_CONTACTS
from leads.models import OPEN, Account, ChangeStatus, Lead, LeadChange

READ_FEW = 500
"""So few doubtful leads are read first unless somebody says otherwise: half a minute."""

TRY = 10
"""How many leads a bulk action is tried on first."""


def of(
    account: Account,
    leads: QuerySet[Lead],
    kind: kinds.ChangeKind,
    clean: dict[str, Any],
    choices: Choices,
    missing: Missing = NOBODY_MISSING,
) -> dict[str, Any]:
    """The preview as the page shows it. Reads only, in a number of queries that does not grow with the leads."""
    of_leads = changes.preview_change(account, leads, kind, clean, choices)
    counted = with_missing(of_leads, missing)
    connection = throughput.connection_of(account)
    why_not = throughput.why_nothing_is_sent(connection)
    ahead = LeadChange.objects.filter(account=account, status=ChangeStatus.WAITING).values("lead").distinct().count()
    speed = throughput.speed_of(connection)
    singles = [kinds.get_kind(name) for name, _given in kind.single_steps(clean)]
    words = (
        PARTS if len(counted.steps) > 1 else kinds.already_words_of([part.name for part, _given in kind.parts(clean)])
    )
    return {
        "counted": counted,
        **preview_names.of(account, leads, kind, clean, choices, vars(of_leads)),
        "bar": _bar(counted),
        "refused": changes.why_not(account, leads, kind, clean),
        "sentence": capfirst(kind.sentence(clean)),
        "already": words,
        "rest": _rest(counted, choices, words or GIVEN),
        "takes": "" if why_not else throughput.about(throughput.seconds_for(counted.calls + ahead, speed)),
        "speed": throughput.in_figures(speed) if math.isfinite(speed) else "",
        "reading_takes": throughput.about(
            throughput.seconds_for(counted.doubtful, throughput.speed_of(connection, writes=False))
        )
        if counted.doubtful and not why_not
        else "",
        "reads_by_default": counted.doubtful <= READ_FEW,
        "promised_h": f"{settings.REFRESH_WITHIN_H:g}",
        "ahead": ahead,
        "mark": mark(counted),
        "can_be_undone": undo.can_be_undone(kind, clean),
        "cannot_be_undone": _cannot(kind, clean),
        "warnings": [
            *([str(NEW_CONTACTS), str(kinds.CREATE.why_never_undone)] if missing.number else []),
            *(warning for _kind, given in kind.parts(clean) for warning in kinds.warnings(given, account)),
            *_safety(connection, singles),
        ],
        "opposite": opposite_runs(account, leads, kind, clean) if counted.opposite_waiting else [],
        "mails": any(single.sends_mails for single in singles),
        "unchecked": any(single.unchecked for single in singles),
        "can_be_tried": of_leads.will_change > TRY,
        "why_not": why_not,
    }


def _bar(counted: Preview) -> list[dict[str, Any]]:
    """The parts of all that are chosen, from the left: [{"look", "at", "width"}], in percent."""
    found, at = [], 0.0
    out = counted.left_out + counted.gone + counted.absent + counted.never_touched
    for look, number in (("good", counted.will_change), ("none", counted.already_so), ("warn", out)):
        width = number * 100 / counted.total if counted.total else 0
        found.append({"look": look, "at": at, "width": width})
        at += width
    return found


def _safety(connection: Connection | None, singles: Sequence[kinds.ChangeKind]) -> list[str]:
    """That the safety field would help here, where there is none yet."""
    bearing = any(WIRE_FORMATS[single.name].bears_receipt for single in singles)
    if connection is None or connection.receipt_field or not bearing:
        return []
    if any(single.known_before == "score" for single in singles):
        return [
            _(
                "If Kartra's answer is lost, we may have to ask you whether it was done. The safety field in "
                "Kartra would show us, and points would need no check of each lead: an engineer adds it on the "
                "page of the Kartra account."
            )
        ]
    return [
        _(
            "If Kartra's answer is lost, we may have to ask you whether it was done. The safety field in "
            "Kartra would show us: an engineer adds it on the page of the Kartra account."
        )
    ]


def mark(counted: Preview) -> str:
    """What was previewed, so that what starts is that: the same as long as the same would be done to the same leads."""
    return f"{counted.mark}/{counted.will_change}/{counted.total}"


def what_changed(before: str, counted: Preview) -> str:
    """How the set differs from the one that was previewed, as a sentence; empty where it is the same."""
    if before == mark(counted):
        return ""
    told = before.split("/")
    was = int(told[1]) if len(told) == 3 and told[1].isdecimal() else None
    told_now = {"will": f"{counted.will_change:,}", "all": f"{counted.total:,}"}
    if was is None or was == counted.will_change:
        return (
            _(
                "This is no longer what you previewed (now %(will)s of %(all)s would change). "
                "Please look again, then start."
            )
            % told_now
        )
    words = _(
        "The leads have changed: now %(will)s of %(all)s would change, %(by)s fewer than the %(was)s of the "
        "preview. Please look again, then start."
    )
    if counted.will_change > was:
        words = _(
            "The leads have changed: now %(will)s of %(all)s would change, %(by)s more than the %(was)s of the "
            "preview. Please look again, then start."
        )
    return words % {**told_now, "by": f"{abs(counted.will_change - was):,}", "was": f"{was:,}"}


def _rest(counted: Preview, choices: Choices, words: Already) -> list[dict[str, str]]:
    """What becomes of the others, each as a phrase and in the look of its part of the bar; only what there is."""
    out = ngettext_lazy(
        "%(number)s left the list and is left out", "%(number)s left the list themselves and are left out", "n"
    )
    deleted = ngettext_lazy("%(number)s is deleted in Kartra", "%(number)s are deleted in Kartra", "n")
    absent = ngettext_lazy("%(number)s is not in Kartra", "%(number)s are not in Kartra", "n")
    never = ngettext_lazy("%(number)s is always left out", "%(number)s are always left out", "n")
    so = (counted.had, words.again, "good") if choices.force else (counted.already_so, words.so, "none")
    others = (
        (counted.left_out, out, "warn"),
        (counted.gone, deleted, "warn"),
        (counted.absent, absent, "warn"),
        (counted.never_touched, never, "warn"),
    )
    return [
        {"look": look, "words": told % {"n": number, "number": intcomma(number)}}
        for number, told, look in (so, *others)
        if number
    ]


def _cannot(kind: kinds.ChangeKind, clean: dict[str, Any]) -> list[str]:
    """Why parts of it cannot be undone."""
    found = []
    for name, parameters in kind.single_steps(clean):
        step = kinds.get_kind(name)
        if not step.can_be_undone:
            found.append(f"{capfirst(step.sentence(parameters))}: {step.why_never_undone}")
    return found


def opposite_runs(
    account: Account, leads: QuerySet[Lead], kind: kinds.ChangeKind, clean: dict[str, Any]
) -> list[dict[str, Any]]:
    """Where open changes of the same things come from: [{"name", "run", "number"}], most first."""
    families = {kinds.get_kind(name).family(parameters): name for name, parameters in kind.single_steps(clean)}
    rows = LeadChange.objects.filter(
        account=account, family__in=families, status__in=OPEN, lead__in=leads.order_by().values("pk")
    )
    for family, name in families.items():
        rows = rows.exclude(family=family, kind=name)
    counted = (
        rows.order_by().values("run", "run__name").annotate(number=Count("lead", distinct=True)).order_by("-number")
    )
    return [{"run": row["run"], "name": row["run__name"], "number": row["number"]} for row in counted[:5]]
