"""Starts the recipe of a watch for those who entered: a bulk action with the rights that the owner has at this moment."""

import datetime as dt
import logging

from django.db import transaction
from django.utils import timezone

from leads import changes, kinds
from leads.bulk_sql import as_one
from leads.changes.members import members_of
from leads.lock_conflicts import done_again
from leads.models import BulkRun, Lead, Watch, WatchEntry, WatchRemark
from leads.models.remarks import remark
from leads.schedules.recipes import version_of
from leads.watching import answers, loops
from leads.watching.pausing import pause
from leads.watching.setting import why_owner_may_not

logger = logging.getLogger(__name__)

AT_ONCE = 5000
"""The most leads of one bulk action: it is recorded, and noted who it is for, in one transaction."""


def day_of(at: dt.datetime) -> dt.datetime:
    """When the day of this moment began, in TIME_ZONE: the day that a ceiling is for."""
    there = timezone.localtime(at, timezone.get_default_timezone())
    return there.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


def room(watch: Watch, at: dt.datetime) -> int | None:
    """For how many more leads the recipe may be started today; None: any number."""
    if watch.daily_ceiling is None:
        return None
    done = WatchEntry.objects.filter(watch=watch, acted_at__gte=day_of(at)).count()
    return max(watch.daily_ceiling - done, 0)


def act(watch: Watch, at: dt.datetime) -> BulkRun | None:
    """Start the recipe for those who wait, as far as today's ceiling goes; None where nobody waits or nothing may be started.

    Who it is started for and the bulk action are written together or not at all, behind the watch's lock: a process that dies in
    between leaves them waiting, and of two at once one starts it. What cannot be started pauses the watch with the reason."""
    if not watch.starts or not watch.is_on or not WatchEntry.objects.filter(watch=watch, waits=True).exists():
        return None
    if watch.recipe is None:
        pause(watch, remark(WatchRemark.NO_RECIPE), at)
        return None
    if chain := loops.chain_of(watch):
        pause(watch, remark(WatchRemark.LOOP, chain=loops.in_words(chain)), at)
        return None
    if why := why_owner_may_not(watch) or answers.answer_of_kartra(watch, at):
        pause(watch, why, at)
        return None
    try:
        return _start(watch, at)
    except (kinds.BadParameters, kinds.UnknownKind, changes.CannotRecord) as problem:
        pause(watch, remark(WatchRemark.REFUSED, why=str(problem)), at)
        return None


@done_again
def _start(watch: Watch, at: dt.datetime) -> BulkRun | None:
    with transaction.atomic():
        held = Watch.objects.select_for_update(no_key=True).filter(pk=watch.pk).first()
        if held is None or not held.is_on or held.recipe_id != watch.recipe_id or watch.recipe is None:
            return None
        most = room(held, at)
        waiting = WatchEntry.objects.filter(watch=watch, waits=True).order_by("pk")
        number = AT_ONCE if most is None else min(most, AT_ONCE)
        entries = dict(waiting.values_list("pk", "lead")[:number])
        if not entries:
            return None
        entries = _without_those_never_touched(watch, entries)
        if not entries:
            return None
        kind, clean = kinds.recipe_kind(watch.recipe)
        run = changes.record_run(
            watch.segment.account,
            Lead.objects.filter(pk__in=as_one(sorted(entries.values()))),
            kind,
            clean,
            by=watch.owner,
            choices=changes.Choices(read_first=True),
            name=f"{watch.recipe.name} · {watch.segment.name}"[:200],
            recipe_version=version_of(watch.recipe),
        )
        WatchEntry.objects.filter(pk__in=as_one(sorted(entries))).update(waits=False, run=run, acted_at=at)
    logger.info("Watch %s started bulk action %s for %s leads.", watch.pk, run.pk, len(entries))
    return run


def _without_those_never_touched(watch: Watch, entries: dict[int, int]) -> dict[int, int]:
    """The entries, {entry: lead}, without leads that no bulk action of the account touches; those wait no more."""
    leads = Lead.objects.filter(pk__in=as_one(sorted(entries.values())))
    may = set(members_of(watch.segment.account, leads).values_list("pk", flat=True))
    if out := sorted(entry for entry, lead in entries.items() if lead not in may):
        WatchEntry.objects.filter(pk__in=as_one(out)).update(waits=False)
    return {entry: lead for entry, lead in entries.items() if lead in may}
