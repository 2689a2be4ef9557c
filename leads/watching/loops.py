"""Recipes that feed each other: found before a watch starts, by what recipes set and segments ask for, and while it runs, by a
lead that comes in again after recipes had changed it."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from leads import kinds
from leads.bulk_sql import as_one
from leads.filters import CannotResolve, Selection
from leads.filters.selection import Fits, InSegments, NoneOf, from_json
from leads.models import (
    ChangeStatus,
    LeadChange,
    MailingList,
    Recipe,
    Segment,
    Sequence as KartraSequence,
    Tag,
    Watch,
    WatchEntry,
    WatchRemark,
)
from leads.models.remarks import remark
from leads.watching.pausing import pause

WITHIN = dt.timedelta(days=1)
MOST = 1000
"""So many entries of others are looked at to name who is in a circle."""
ANY = "*"
"""Stands for every name where a condition names none: "on any list"."""

Effect = tuple[str, str, bool]
"""What a recipe does, or a condition asks for: ("tag", "VIP", True) is that the lead has it."""

THINGS: dict[str, Any] = {"tag": Tag, "tag_all": Tag, "list": MailingList, "sequence": KartraSequence}
NOUNS = {"tag": "tag", "tag_all": "tag", "list": "list", "sequence": "sequence"}
OWN = {"score": "points", "country": "country", "source": "source"}
"""Conditions about the lead itself, and what changes them."""


def effects(recipe: Recipe) -> set[Effect]:
    """What the recipe makes so. Of what is no tie (points, fields) it may go either way."""
    found: set[Effect] = set()
    for name, given in single_steps(recipe):
        kind = kinds.get_kind(name)
        if kind.tie is not None:
            found.add((kind.noun, str(given.get(kind.noun, "")), kind.tie))
        elif kind.score_by is not None:
            found |= {("points", ANY, True), ("points", ANY, False)}
        elif kind.noun:
            found |= {(kind.noun, str(given.get(kind.noun, "")), way) for way in (True, False)}
        else:
            found |= {(field, ANY, way) for field in given for way in (True, False)}
    return found


def single_steps(recipe: Recipe) -> list[tuple[str, dict[str, Any]]]:
    """The single changes that the recipe consists of, as it is written."""
    return [step for name, given in recipe.steps for step in kinds.get_kind(name).single_steps(given)]


def wishes(segment: Segment) -> set[Effect]:
    """What lets a lead enter the segment, of what recipes can do; with the segments that it builds on."""
    found: set[tuple[str, str, bool]] = set()
    seen: set[tuple[int, bool]] = set()
    ahead: list[tuple[int, object, bool]] = [(segment.pk, segment.selection, True)]
    while ahead:
        pk, stored, way = ahead.pop()
        if (pk, way) in seen:
            continue
        seen.add((pk, way))
        try:
            leaves = list(_leaves(from_json(stored), way))
        except CannotResolve:
            continue
        for leaf, wanted in leaves:
            if isinstance(leaf, InSegments):
                below = Segment.objects.filter(pk__in=leaf.pks).values_list("pk", "selection")
                ahead += [(each, selection, wanted) for each, selection in below]
            elif isinstance(leaf, Fits):
                found |= set(_asked(leaf, wanted))
    return found


def _leaves(selection: Selection, way: bool) -> Iterator[tuple[Selection, bool]]:
    """The conditions, each with whether it is to hold."""
    if isinstance(selection, NoneOf):
        yield from _leaves(selection.left_out, not way)
    elif parts := selection.parts():
        for part in parts:
            yield from _leaves(part, way)
    else:
        yield selection, way


def _asked(leaf: Fits, way: bool) -> Iterator[Effect]:
    given = leaf.wanted
    if leaf.condition in NOUNS:
        noun = NOUNS[leaf.condition]
        ids = [int(text) for text in given.get(leaf.condition, ()) if text.isdecimal()]
        names = list(THINGS[leaf.condition].objects.filter(pk__in=ids).values_list("name", flat=True)) or [ANY]
        either = leaf.condition == "sequence" or "left" in given.get("list_state", ())
        for name in names:
            yield noun, name, way
            if either:  # it asks for a step or a state, which may come by going in or by going out
                yield noun, name, not way
    elif leaf.condition in OWN:
        yield OWN[leaf.condition], ANY, True
    elif leaf.condition == "custom":
        for name in given.get("custom", ()):
            yield f"custom.{name}", ANY, True
    elif leaf.condition == "calendar":
        yield "calendar", ANY, True


def feeds(effects: Iterable[Effect], wishes: Iterable[Effect]) -> bool:
    """Whether what a recipe makes so lets a lead enter."""
    asked = set(wishes)
    return any(each in asked or (each[0], ANY, each[2]) in asked for each in effects)


def chain_of(watch: Watch) -> list[Segment]:
    """The segments, in the order in which a lead would go round, if the watch with its recipe closes a circle: the first is its
    own. Empty where there is none. Some queries for each watch of the account that has a recipe."""
    if watch.recipe is None:
        return []
    rows = Watch.objects.filter(segment__account=watch.segment.account_id, recipe__isnull=False)
    others = list(rows.exclude(segment=watch.segment_id).select_related("segment", "recipe"))
    every = {watch.segment_id: watch, **{each.segment_id: each for each in others}}
    done = {pk: effects(each.recipe) for pk, each in every.items() if each.recipe is not None}
    asked = {pk: wishes(each.segment) for pk, each in every.items()}
    after = {pk: [to for to in every if feeds(done[pk], asked[to])] for pk in every}
    return [every[pk].segment for pk in _way_back(watch.segment_id, after)]


def _way_back(start: int, after: Mapping[int, Sequence[int]]) -> list[int]:
    """The shortest way from the start to the start."""
    ways, seen = [[start]], set[int]()
    while ways:
        way = ways.pop(0)
        for to in after[way[-1]]:
            if to == start:
                return way
            if to not in seen:
                seen.add(to)
                ways.append([*way, to])
    return []


def in_words(chain: Sequence[Segment]) -> str:
    """ "A → B → A": the segments of a circle by name."""
    return " → ".join(_("“%(name)s”") % {"name": each.name} for each in [*chain, chain[0]])


def stop_rounds(watch: Watch, again: Sequence[int], at: dt.datetime) -> None:
    """Pause the watches whose recipes led one of these leads round: it entered here, this recipe changed it, then other
    watches' recipes did, and now it enters again, all within a day. That is the end of the first round."""
    if watch.recipe_id is None:
        return

    done = LeadChange.objects.filter(run=OuterRef("run"), lead=OuterRef("lead"), status=ChangeStatus.ACCEPTED)
    lately = WatchEntry.objects.filter(Exists(done), run__isnull=False, acted_at__gte=at - WITHIN)
    own = lately.filter(watch=watch, lead=OuterRef("lead"), acted_at__lte=OuterRef("acted_at"))
    others = lately.filter(Exists(own), lead__in=as_one(again)).exclude(watch=watch)
    keys = list(dict.fromkeys(others.order_by("acted_at", "pk").values_list("watch", flat=True)[:MOST]))
    if not keys:
        return
    by_key = Watch.objects.select_related("segment").in_bulk(keys)
    chain = [watch, *(by_key[pk] for pk in keys)]
    words = in_words([each.segment for each in chain])
    for each in chain:
        pause(each, remark(WatchRemark.ROUNDS, chain=words), at)
