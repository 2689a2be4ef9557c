"""Names that moved: tags, lists and sequences that Kartra does not show any more, and what of ours still names them.

A renamed tag looks like one that went: a filter that leaves it out then leaves out nobody.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _, ngettext

from leads import kinds
from leads.filters import NOT
from leads.filters.choosing import WHOLE
from leads.filters.groups import every
from leads.filters.segments import built_on, known_conditions
from leads.models import (
    OPEN,
    Activity,
    LeadChange,
    LeadTag,
    ListSubscription,
    MailingList,
    Segment,
    Sequence as KartraSequence,
    SequenceEnrollment,
    Tag,
)

AROUND = dt.timedelta(days=7)
"""The catalogue is read once a day: what left a name may have left it some days before it was seen to be gone."""
NEW_SHOWN = 3
MOST_DEEP = 4


@dataclass(frozen=True)
class Catalogue:
    """What a noun is in our tables: filters and parameters that name it, families of changes about it, and how leads hold it."""

    model: Any
    filters: tuple[str, ...]
    parameters: tuple[str, ...]
    family: str
    held: Any
    lost: tuple[str, str]

    def holders(self, thing: Any) -> int:
        """How many leads of our copy have it."""
        rows = self.held(thing)
        return int(rows.values("lead").distinct().count())


CATALOGUES = (
    Catalogue(
        Tag,
        ("tag", "tag_all"),
        ("tag", "remove_tag"),
        "tag",
        lambda tag: LeadTag.objects.filter(tag=tag),
        ("tag_removed", "tag"),
    ),
    Catalogue(
        MailingList,
        ("list",),
        ("list", "leave_list"),
        "list",
        lambda row: ListSubscription.objects.filter(mailing_list=row, active=True),
        ("list_left", "list"),
    ),
    Catalogue(
        KartraSequence,
        ("sequence",),
        ("sequence", "leave_sequence"),
        "sequence",
        lambda row: SequenceEnrollment.objects.filter(sequence=row),
        ("sequence_left", "sequence"),
    ),
)


def in_conditions(conditions: Mapping[str, Sequence[str]], accounts: frozenset[int] | None = None) -> list[str]:
    """A sentence for each name in a filter, and in the segments it builds on, that Kartra does not show any more. `accounts`:
    whose names may be said."""
    found: dict[tuple[type, int], tuple[Any, Catalogue, bool]] = {}
    for wanted in _all_of(conditions):
        for each in CATALOGUES:
            for name in each.filters:
                for prefix in ("", NOT):
                    pks = [int(value) for value in wanted.get(f"{prefix}{name}", ()) if WHOLE.fullmatch(value)]
                    for thing in _missing(each.model.objects.filter(pk__in=pks), accounts) if pks else ():
                        left_out = bool(prefix) or found.get((each.model, thing.pk), (None, None, False))[2]
                        found[each.model, thing.pk] = (thing, each, left_out)
    return [_of_filter(*found[key]) for key in sorted(found, key=lambda key: (key[0].__name__, key[1]))]


def _all_of(conditions: Mapping[str, Sequence[str]]) -> Iterable[Mapping[str, Sequence[str]]]:
    """The conditions, and those of the segments they build on, level by level."""
    ahead: list[Mapping[str, Sequence[str]]] = [conditions]
    seen: set[int] = set()
    for _level in range(MOST_DEEP):
        for each in ahead:
            yield from every(each)
        pks = set().union(*(built_on(each) for each in ahead)) - seen
        seen |= pks
        stored = Segment.objects.filter(pk__in=pks).values_list("selection", flat=True) if pks else ()
        ahead = [known_conditions(each) for each in stored]


def _missing(things: QuerySet[Any], accounts: frozenset[int] | None) -> QuerySet[Any]:
    gone = things.exclude(missing_since=None)
    return gone if accounts is None else gone.filter(account__in=accounts)


def _of_filter(thing: Any, catalogue: Catalogue, left_out: bool) -> str:
    number = catalogue.holders(thing)
    told = {**_told(thing), "number": f"{number:,}"}
    if left_out:
        words = ngettext(
            "%(noun)s “%(name)s” is no longer in Kartra since %(since)s. It is left out here, and only %(number)s lead of our copy "
            "has it still.",
            "%(noun)s “%(name)s” is no longer in Kartra since %(since)s. It is left out here, and only %(number)s leads of our copy "
            "have it still.",
            number,
        )
        if not number:
            words = _(
                "%(noun)s “%(name)s” is no longer in Kartra since %(since)s. It is left out here, but no lead of our copy has it "
                "any more: nobody is left out by it."
            )
    else:
        words = ngettext(
            "%(noun)s “%(name)s” is no longer in Kartra since %(since)s. %(number)s lead of our copy has it still.",
            "%(noun)s “%(name)s” is no longer in Kartra since %(since)s. %(number)s leads of our copy have it still.",
            number,
        )
    return " ".join(filter(None, [words % told, _lost(thing, catalogue), _new_names(thing)]))


def _told(thing: Any) -> dict[str, str]:
    return {
        "noun": _("The %(noun)s") % {"noun": thing._meta.verbose_name},
        "name": str(thing),
        "since": date_format(timezone.localtime(thing.missing_since), "j M Y H:i"),
    }


def _lost(thing: Any, catalogue: Catalogue) -> str:
    """How many leads lost it around that time, as messages and reads told."""
    kind, key = catalogue.lost
    told = Q(kind=kind, **{f"details__{key}": thing.name}) | Q(
        kind="changed_in_kartra", details__field=f"{key} {thing.name}"
    )
    rows = Activity.objects.filter(told, account=thing.account_id, at__gte=thing.missing_since - AROUND)
    number = rows.order_by().values("lead").distinct().count()
    words = ngettext("%(number)s lead lost it around that time.", "%(number)s leads lost it around that time.", number)
    return words % {"number": f"{number:,}"} if number else ""


def _new_names(thing: Any) -> str:
    """What came into the catalogue at that time: one of them may be its new name."""
    new = type(thing)._default_manager.filter(
        account=thing.account_id, missing_since=None, first_seen_at__gte=thing.missing_since - AROUND
    )
    rows = list(new.order_by("-first_seen_at", "name")[: NEW_SHOWN + 1])
    if not rows or len(rows) > NEW_SHOWN:  # of a catalogue that is new itself nothing is to be told
        return ""
    return _("New in Kartra since about then: %(names)s.") % {"names": ", ".join(f"“{row}”" for row in rows)}


def in_change(account_id: int, kind: kinds.ChangeKind, parameters: Mapping[str, Any]) -> list[str]:
    """A sentence for each name in what was asked for that Kartra does not show any more."""
    found = []
    for name, given in kind.single_steps(parameters):
        for each in CATALOGUES:
            names = [str(given[parameter]) for parameter in each.parameters if given.get(parameter)]
            for thing in each.model.objects.filter(account=account_id, name__in=names).exclude(missing_since=None):
                open_changes = LeadChange.objects.filter(account=account_id, kind=name, status__in=OPEN)
                found.append(_of_changes(thing, open_changes.filter(family=f"{each.family}:{thing.name}")))
    return found


def waiting(account_ids: Iterable[int] | None = None) -> list[tuple[Any, int]]:
    """Tags, lists and sequences that are gone from Kartra and that queued changes name, with how many changes."""
    found = []
    for each in CATALOGUES:
        things = each.model.objects.exclude(missing_since=None)
        if account_ids is not None:
            things = things.filter(account__in=list(account_ids))
        by_family = {(thing.account_id, f"{each.family}:{thing.name}"): thing for thing in things[:500]}
        if not by_family:
            continue
        rows = LeadChange.objects.filter(status="waiting", family__in={family for _, family in by_family})
        numbers = rows.order_by("account", "family").values_list("account", "family").annotate(number=Count("pk"))
        found += [
            (by_family[account, family], number)
            for account, family, number in numbers
            if (account, family) in by_family
        ]
    return found


def _of_changes(thing: Any, rows: QuerySet[LeadChange]) -> str:
    return of_waiting(thing, rows.count())


def of_waiting(thing: Any, number: int) -> str:
    """What is to be known before queued changes that name it are sent."""
    words = ngettext(
        "%(noun)s “%(name)s” is no longer in Kartra since %(since)s, and %(number)s queued change names it.",
        "%(noun)s “%(name)s” is no longer in Kartra since %(since)s, and %(number)s queued changes name it.",
        number,
    )
    return " ".join(filter(None, [words % {**_told(thing), "number": f"{number:,}"}, _new_names(thing)]))
