"""Whom a bulk action would change and whom it leaves out, by name: the first few of each group."""

from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from leads import kinds
from leads.changes.preview import Choices, already_so, classify_members, left_out, steps_of, will_change
from leads.models import Account, Lead

SHOWN = 10


def of(
    account: Account,
    leads: QuerySet[Lead],
    kind: kinds.ChangeKind,
    clean: dict[str, Any],
    choices: Choices,
    numbers: dict[str, int],
) -> dict[str, Any]:
    """{"names": [Lead], "left_out": [{"number", "words", "names", "more"}]}; `numbers`: how many there are, by group. A query for
    each group that is not empty."""
    steps = steps_of(kind, clean)
    members = classify_members(account, leads, steps).only("first_name", "last_name", "email", "kartra_id")
    change = will_change(steps, choices)
    every = range(len(steps))
    had, left = (
        _all(already_so(number, choices) for number in every),
        _any(left_out(number, choices) for number in every),
    )
    here = Q(gone_at=None, absent=False)
    groups = {
        "already_so": (here & ~change & had & ~left, _("no change needed")),
        "left_out": (here & ~change & left, _("left the list themselves")),
        "absent": (Q(absent=True), _("not in Kartra")),
        "gone": (Q(gone_at__isnull=False), _("deleted in Kartra")),
    }
    found = []
    for name, (condition, words) in groups.items():
        if number := numbers.get(name, 0):
            names = list(members.filter(condition).order_by("-pk")[:SHOWN])
            found.append({"number": number, "words": words, "names": names, "more": max(number - len(names), 0)})
    names = list(members.filter(change).order_by("-pk")[:SHOWN]) if numbers.get("will_change") else []
    return {"names": names, "left_out": found}


def _any(conditions: Any) -> Q:
    found = Q(pk__in=[])
    for each in conditions:
        found |= each
    return found


def _all(conditions: Any) -> Q:
    found = Q()
    for each in conditions:
        found &= each
    return found
