"""Whom a bulk action would change and whom it leaves out, by name: the first few of each group, with what changes; and all of them."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.core.paginator import Page
from django.db.models import Prefetch, Q, QuerySet, prefetch_related_objects
from django.utils.text import capfirst
from django.utils.translation import gettext as _, gettext_lazy, ngettext

from kartra_mirror.ui.pagination import CappedPaginator
from leads import kinds
from leads.changes.members import members_of, never_among
from leads.changes.preview import Choices, Step, already_so, classify_members, left_out, steps_of, will_change
from leads.kind import called
from leads.kinds.sequences import ACTIVE
from leads.kinds.writable_fields import CUSTOM
from leads.models import Account, CustomField, Lead, LeadTag, ListSubscription, SequenceEnrollment

SHOWN = 10
ON_A_PAGE = 200
LOOKED_AT = 2000
TIES_SHOWN = 3
NAMED_BY = ("first_name", "middle_name", "last_name", "email", "kartra_id")
WILL, NEVER = "will_change", "never_touched"
WORDS: dict[str, Any] = {
    WILL: gettext_lazy("will change"),
    "already_so": gettext_lazy("no change needed"),
    "left_out": gettext_lazy("left the list themselves"),
    "absent": gettext_lazy("not in Kartra"),
    "gone": gettext_lazy("deleted in Kartra"),
    NEVER: gettext_lazy("always left out of bulk actions"),
}
"""The groups, and what is so of the leads in each."""
TIES: dict[str, tuple[str, str, QuerySet[Any]]] = {
    "tag": ("leadtags", "tag", LeadTag.objects.order_by("tag__name")),
    "list": ("listsubscriptions", "mailing_list", ListSubscription.objects.filter(active=True)),
    "sequence": ("sequenceenrollments", "sequence", SequenceEnrollment.objects.filter(status=ACTIVE)),
}
"""How the names that a lead has of a noun are found."""


def of(
    account: Account,
    leads: QuerySet[Lead],
    kind: kinds.ChangeKind,
    clean: dict[str, Any],
    choices: Choices,
    numbers: dict[str, int],
) -> dict[str, Any]:
    """{"names": [Lead], each with `now` and `then`; "left_out": [{"group", "number", "words", "names", "more"}]}; `numbers`: how
    many there are, by group. A query for each group that is not empty."""
    steps = steps_of(kind, clean)
    members = members_of(account, leads)
    some, every_one = (classify_members(account, each, steps) for each in (members.filter(_newest(members)), members))
    found = []
    names: list[Lead] = []
    for group, condition in _conditions(steps, choices).items():
        if not (number := numbers.get(group, 0)):
            continue
        first = _first(some, every_one, condition, number, _columns(steps) if group == WILL else ())
        if group == WILL:
            names = _told(account, first, steps, choices)
        else:
            more = max(number - len(first), 0)
            found.append({"group": group, "number": number, "words": WORDS[group], "names": first, "more": more})
    if number := numbers.get(NEVER, 0):
        first = list(never_among(account, leads).only(*NAMED_BY).order_by("-pk")[:SHOWN])
        told = {"group": NEVER, "number": number, "words": WORDS[NEVER], "names": first}
        found.append({**told, "more": max(number - len(first), 0)})
    return {"names": names, "left_out": found}


def page_of_group(
    account: Account,
    leads: QuerySet[Lead],
    kind: kinds.ChangeKind,
    clean: dict[str, Any],
    choices: Choices,
    group: str,
    number: str | None,
) -> Page[Lead]:
    """All of a group, a page at a time."""
    steps = steps_of(kind, clean)
    if group == NEVER:
        members = never_among(account, leads)
    else:
        members = classify_members(account, leads, steps).filter(_conditions(steps, choices)[group])
    return CappedPaginator(members.only(*NAMED_BY).order_by("-pk"), ON_A_PAGE).get_page(number)


def _conditions(steps: Sequence[Step], choices: Choices) -> dict[str, Q]:
    """Which of the classified members are in a group."""
    change = will_change(steps, choices)
    every = range(len(steps))
    had = _all(already_so(number, choices) for number in every)
    left = _any(left_out(number, choices) for number in every)
    here = Q(gone_at=None, absent=False)
    return {
        WILL: change,
        "already_so": here & ~change & had & ~left,
        "left_out": here & ~change & left,
        "absent": Q(absent=True),
        "gone": Q(gone_at__isnull=False),
    }


def _newest(members: QuerySet[Lead]) -> Q:
    """The newest of the members, where there are more. Ten of a group are found among them but for rare ones, and to judge a
    million so as to name ten takes seconds."""
    border = members.order_by("-pk").values_list("pk", flat=True)[LOOKED_AT : LOOKED_AT + 1].first()
    return Q() if border is None else Q(pk__gt=border)


def _first(
    some: QuerySet[Lead], every_one: QuerySet[Lead], condition: Q, number: int, columns: Iterable[str]
) -> list[Lead]:
    """The newest SHOWN of a group of this size, looked for among all only where they are not among some."""
    for members in (some, every_one):
        names = list(members.filter(condition).only(*NAMED_BY, *columns).order_by("-pk")[:SHOWN])
        if len(names) >= min(number, SHOWN):
            break
    return names


def _columns(steps: Sequence[Step]) -> set[str]:
    """What of a lead tells how it is before these steps."""
    fields = {name for kind, given in steps if kind.edits for name in given}
    own = {name for name in fields if not name.startswith(CUSTOM)} | ({"custom_values"} if len(fields) else set())
    return own | ({"score"} if any(kind.score_by for kind, _given in steps) else set())


def _told(account: Account, leads: list[Lead], steps: Sequence[Step], choices: Choices) -> list[Lead]:
    """The leads, each with `now` (how it is in what is to change) and `then` ([{"look", "words"}], what the steps make of it)."""
    nouns = {kind.noun for kind, _given in steps if kind.tie is not None and kind.noun in TIES}
    for noun in nouns:
        related, thing, rows = TIES[noun]
        prefetch_related_objects(leads, Prefetch(related, rows.select_related(thing)))
    options = _options(account, steps)
    for lead in leads:
        now: dict[str, str] = {}
        then = []
        for number, (kind, given) in enumerate(steps):
            now |= _now(lead, kind, given)
            if not _is_idle(lead, number, choices):
                then += _then(lead, kind, given, options)
        lead.now = list(now.values())  # type: ignore[attr-defined]
        lead.then = then  # type: ignore[attr-defined]
    return leads


def _is_idle(lead: Any, number: int, choices: Choices) -> bool:
    """Whether the step leaves this lead as it is."""
    left = getattr(lead, f"left_{number}") and not choices.include_left
    return bool(left or (getattr(lead, f"had_{number}") and not choices.force))


def _now(lead: Lead, kind: kinds.ChangeKind, given: dict[str, Any]) -> dict[str, str]:
    if kind.tie is not None and kind.noun in TIES:
        related, thing, _rows = TIES[kind.noun]
        names = [str(getattr(row, thing)) for row in getattr(lead, related).all()]
        more = [f"+{len(names) - TIES_SHOWN}"] if len(names) > TIES_SHOWN else []
        return {kind.noun: ", ".join([*names[:TIES_SHOWN], *more]) or "—"}
    if kind.edits:
        return {name: f"{capfirst(called(name))}: {_value(lead, name) or '—'}" for name in given}
    return {"score": _points(lead.score or 0)} if kind.score_by else {}


def _value(lead: Lead, name: str) -> str:
    value = lead.custom_values.get(name.removeprefix(CUSTOM)) if name.startswith(CUSTOM) else getattr(lead, name)
    return ", ".join(str(words) for _id, words in value) if isinstance(value, list) else str(value or "")


def _then(
    lead: Lead, kind: kinds.ChangeKind, given: dict[str, Any], options: dict[str, dict[str, str]]
) -> list[dict[str, str]]:
    if kind.tie is not None and kind.noun in TIES:
        sign, look = ("+ ", "gain") if kind.tie else ("", "loss")
        return [{"look": look, "words": f"{sign}{given[kind.noun]}"}]
    if kind.edits:
        return [{"look": "gain", "words": _wanted(name, value, options.get(name, {}))} for name, value in given.items()]
    if kind.score_by:
        return [{"look": "gain", "words": _points((lead.score or 0) + kind.score_by(given))}]
    return [{"look": "gain", "words": capfirst(kind.sentence(given))}]


def _wanted(name: str, value: Any, options: dict[str, str]) -> str:
    texts = [options.get(str(each), str(each)) for each in (value if isinstance(value, list) else [value])]
    return f"{capfirst(called(name))}: {', '.join(filter(None, texts)) or _('empty')}"


def _options(account: Account, steps: Sequence[Step]) -> dict[str, dict[str, str]]:
    """The words of the options of the custom fields that are to change, by their ids."""
    names = [
        name.removeprefix(CUSTOM) for kind, given in steps if kind.edits for name in given if name.startswith(CUSTOM)
    ]
    fields = CustomField.objects.filter(account=account, identifier__in=names) if names else []
    return {f"{CUSTOM}{each.identifier}": {str(pk): str(words) for pk, words in each.options} for each in fields}


def _points(score: int) -> str:
    return ngettext("%(n)s point", "%(n)s points", score) % {"n": f"{score:,}"}


def _any(conditions: Iterable[Q]) -> Q:
    found = Q(pk__in=[])
    for each in conditions:
        found |= each
    return found


def _all(conditions: Iterable[Q]) -> Q:
    found = Q()
    for each in conditions:
        found &= each
    return found
