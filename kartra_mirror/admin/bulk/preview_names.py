"""Whom a bulk action would change and whom it leaves out, by name: the first few of each group."""

from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from leads import kinds
from leads.changes.preview import (
    Choices,
    already_so,
    classify_members,
    left_out,
    members_of,
    steps_of,
    will_change,
)
from leads.models import Account, Lead

SHOWN = 10
LOOKED_AT = 2000
NAMED_BY = ("first_name", "last_name", "email", "kartra_id")


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
    looked_at = _newest(members_of(account, leads)), None
    some, every_one = (classify_members(account, leads, steps, among=among) for among in looked_at)
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
            names = _first(some, every_one, condition, number)
            found.append({"number": number, "words": words, "names": names, "more": max(number - len(names), 0)})
    will = numbers.get("will_change", 0)
    return {"names": _first(some, every_one, change, will) if will else [], "left_out": found}


def _newest(members: QuerySet[Lead]) -> Q | None:
    """The newest of the members, where there are more. Ten of a group are found among them but for rare ones, and to judge a
    million so as to name ten takes seconds."""
    border = members.order_by("-pk").values_list("pk", flat=True)[LOOKED_AT : LOOKED_AT + 1].first()
    return None if border is None else Q(pk__gt=border)


def _first(some: QuerySet[Lead], every_one: QuerySet[Lead], condition: Q, number: int) -> list[Lead]:
    """The newest SHOWN of a group of this size, looked for among all only where they are not among some."""
    for members in (some, every_one):
        names = list(members.filter(condition).only(*NAMED_BY).order_by("-pk")[:SHOWN])
        if len(names) >= min(number, SHOWN):
            break
    return names


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
