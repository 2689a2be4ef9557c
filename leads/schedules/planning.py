"""What a time of a schedule would do now, and whether it may: judged each time anew, with the rights that people have then.

Starts nothing and writes nothing.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q, QuerySet

from leads import access, changes, filters, kinds
from leads.changes.create_many import NOBODY_MISSING, Missing, missing_of
from leads.changes.preview import Choices, members_of
from leads.filters.selection import from_json
from leads.models import (
    Account,
    ChangeStatus,
    Lead,
    LeadChange,
    Recipe,
    RecipeVersion,
    Schedule,
    ScheduleRemark as Why,
)
from leads.models.remarks import Remark, remark
from leads.schedules import recipes

RESUBSCRIBE = "leads.resubscribe_list"
LEAST_DIFFERENCE = 10
"""So few leads more or fewer than the last time hold nothing, however large their share."""


class Holds(Exception):
    """It is not to be started as it stands; a person is asked. `members`: how many leads it is about, where that is known."""

    def __init__(self, why: Remark, members: int | None = None) -> None:
        super().__init__(why)
        self.why, self.members = why, members


@dataclass(frozen=True)
class Reach:
    """Whether Kartra is reached. `not_sending`: why nothing is sent to it, as a sentence, "" while it is; `reads` whether leads can
    be read; `read` has some of them read soon."""

    not_sending: str = ""
    reads: bool = True
    read: Callable[[QuerySet[Lead]], None] = field(default=lambda leads: None)


@dataclass(frozen=True)
class Plan:
    """What it does to whom: `leads` without those it has changed before, and `missing` people who are created first; `members`: how
    many were selected, all of these among them."""

    kind: kinds.ChangeKind
    clean: dict[str, Any]
    leads: QuerySet[Lead]
    members: int
    choices: Choices
    recipe_version: RecipeVersion | None
    missing: Missing = NOBODY_MISSING

    @property
    def size(self) -> int:
        """How many it is about now."""
        return self.leads.count() + self.missing.number


def what_of(schedule: Schedule) -> tuple[kinds.ChangeKind, dict[str, Any]]:
    """What is to be done. Raises Holds where it cannot be meant any more."""
    recipe = schedule.recipe or Recipe(account=schedule.account, steps=schedule.steps)
    try:
        return kinds.recipe_kind(recipe)
    except (kinds.BadParameters, kinds.UnknownKind) as problem:
        raise Holds(remark(Why.REFUSED, words=getattr(problem, "words", str(problem)))) from None


def selected_by(schedule: Schedule) -> QuerySet[Lead]:
    """The leads that are selected, as they are now. Raises Holds."""
    try:
        selection = from_json(schedule.selection)
        return members_of(schedule.account, filters.resolve(selection, frozenset({schedule.account_id})))
    except filters.CannotResolve as problem:
        raise Holds(remark(Why.REFUSED, words=str(problem))) from None


def missing_in(schedule: Schedule) -> Missing:
    """The people of its list whom Kartra does not have, where they are to be created. Raises Holds."""
    if not schedule.creates_missing:
        return NOBODY_MISSING
    if schedule.people_list is None:
        raise Holds(remark(Why.NO_LIST))
    try:
        return missing_of(schedule.people_list)
    except changes.CannotRecord as problem:
        raise Holds(remark(Why.REFUSED, words=str(problem))) from None


def selected_now(schedule: Schedule) -> int:
    """How many are selected, people to be created among them. Raises Holds."""
    return selected_by(schedule).count() + missing_in(schedule).number


def not_touched(schedule: Schedule, leads: QuerySet[Lead]) -> QuerySet[Lead]:
    """Those that no bulk action of this schedule was about; what was cancelled before it was sent does not count."""
    touched = LeadChange.objects.filter(lead=OuterRef("pk"), run__occurrence__schedule=schedule)
    return leads.filter(~Exists(touched.exclude(status=ChangeStatus.CANCELLED)))


def choices_of(schedule: Schedule) -> Choices:
    """What is so already by an old copy is read before it is believed: nobody looks at the numbers first."""
    kept = schedule.choices
    return Choices(force=bool(kept.get("force")), include_left=bool(kept.get("include_left")), read_first=True)


def may(person: User | None, schedule: Schedule, kind: kinds.ChangeKind, clean: dict[str, Any]) -> bool:
    """Whether this person may do such a thing in this account, however many leads it is about."""
    if person is None or not person.is_active:
        return False
    needed = {access.BULK, *kinds.permissions(kind, clean)}
    if schedule.creates_missing:
        needed.add(kinds.CREATE.permission)
    if schedule.choices.get("include_left"):
        needed.add(RESUBSCRIBE)
    return all(map(person.has_perm, needed)) and access.works_in(person, schedule.account_id)


def plan_of(schedule: Schedule) -> Plan:
    """What it would do now, whoever asks. Raises Holds where that cannot be told."""
    kind, clean = what_of(schedule)
    selected, missing = selected_by(schedule), missing_in(schedule)
    return Plan(
        kind=kind,
        clean=clean,
        leads=not_touched(schedule, selected) if schedule.only_new else selected,
        members=selected.count() + missing.number,
        missing=missing,
        choices=choices_of(schedule),
        recipe_version=recipes.version_of(schedule.recipe) if schedule.recipe else None,
    )


def check_owner(schedule: Schedule, plan: Plan) -> None:
    """Raises Holds where the owner is gone, may not do it, may not start it alone, or has not seen what the recipe says now."""
    owner = schedule.owner
    if owner is None or not owner.is_active:
        raise Holds(remark(Why.NO_OWNER), plan.members)
    if not may(owner, schedule, plan.kind, plan.clean):
        raise Holds(remark(Why.MAY_NOT, person=str(owner)), plan.members)
    if (
        (version := plan.recipe_version)
        and schedule.seen_version != version.version
        and version.created_by_id != owner.pk
    ):
        who = str(version.created_by or "…")
        raise Holds(remark(Why.RECIPE_CHANGED, recipe=str(schedule.recipe), person=who), plan.members)
    try:
        access.check_run(owner, plan.size)
    except access.NotAllowed as problem:
        raise Holds(remark(Why.TOO_MANY, person=str(owner), words=str(problem)), plan.members) from None


def check_difference(schedule: Schedule, members: int) -> None:
    """Raises Holds where many more, or fewer, leads are selected than the last time."""
    was = schedule.last_members
    if was is None or abs(members - was) <= LEAST_DIFFERENCE:
        return
    percent = abs(members - was) * 100 // was if was else 100
    if was and abs(members - was) * 100 <= schedule.largest_difference * was:
        return
    which = remark(Why.MORE if members > was else Why.FEWER)
    numbers = {"percent": f"{percent:,}", "now": f"{members:,}", "was": f"{was:,}"}
    raise Holds(remark(Why.DIFFERS, which=which, **numbers), members)


def check_preview(account: Account, plan: Plan) -> None:
    """Raises Holds where the preview would refuse it."""
    if words := changes.why_not(account, plan.leads, plan.kind, plan.clean):
        raise Holds(remark(Why.REFUSED, words=words), plan.members)


def not_fresh(plan: Plan, due_at: dt.datetime) -> QuerySet[Lead]:
    """The leads of whom what we know was older than it may become, or due for an update, when the time came. What has changed
    since then is read in its turn."""
    old = Q(read_at=None) | Q(read_at__lt=due_at - dt.timedelta(hours=settings.REFRESH_WITHIN_H))
    here = Q(gone_at=None) & (Q(absent_at=None) | Q(kartra_id__isnull=False))
    return plan.leads.filter(here, old | Q(dirty_at__lte=due_at))
