"""A watch is made, changed, paused, resumed and ended, by people; and whether its owner may do what its recipe does."""

import datetime as dt
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils.translation import gettext as _

from leads import access, kinds
from leads.access import Author
from leads.models import Recipe, Segment, SegmentMember, Watch, WatchEntry, WatchRemark, WatchState
from leads.models.remarks import remark, sentence_of
from leads.watching import loops
from leads.watching.pausing import pause


class CannotWatch(ValueError):
    """The segment cannot be watched like this. The text is a sentence for people."""


def may_run(user: Author, recipe: Recipe) -> bool:
    """Whether the person may start this recipe in bulk in its account."""
    person = access.user_of(user)
    if person is None or not person.is_active or not access.works_in(person, recipe.account_id):
        return False
    try:
        needed = {each for name, given in recipe.steps for each in kinds.permissions(kinds.get_kind(name), given)}
    except kinds.UnknownKind:
        return False
    return person.has_perms([access.BULK, *needed])


def why_owner_may_not(watch: Watch) -> dict[str, Any] | None:
    """Why the recipe cannot be started with the rights that the owner has now, as a remark; None where it can."""
    if watch.recipe is None or watch.owner_id is None:
        return remark(WatchRemark.NO_OWNER)
    owner = get_user_model().objects.get(pk=watch.owner_id)  # rights are asked for anew, not remembered
    if not owner.is_active:
        return remark(WatchRemark.OWNER_AWAY, person=str(owner))
    if not may_run(owner, watch.recipe):
        return remark(WatchRemark.OWNER_MAY_NOT, person=str(owner))
    watch.owner = owner
    return None


def set_watch(
    segment: Segment,
    *,
    owner: Author,
    recipe: Recipe | None = None,
    daily_ceiling: int | None = None,
    by_notice: bool = False,
    by_mail: bool = False,
    by_alert: bool = False,
) -> Watch:
    """Watch the segment like this from now on, `owner` answering for it; one that stood still goes on. Who waits, waits on, unless
    there is no recipe any more. Raises CannotWatch where its recipe would feed itself by way of others, or the owner may not start
    it."""
    if recipe is not None and recipe.account_id != segment.account_id:
        raise CannotWatch(_("The recipe is another account's."))
    if recipe is not None and not may_run(owner, recipe):
        raise CannotWatch(_("You may not start this recipe in bulk. Choose another one, or ask a manager."))
    told: dict[str, Any] = {
        "by_notice": by_notice,
        "by_mail": by_mail,
        "by_alert": by_alert,
        "daily_ceiling": daily_ceiling,
    }
    told |= {"recipe": recipe, "starts": recipe is not None}
    on: dict[str, Any] = {"state": WatchState.ON, "paused_at": None, "paused_remark": {}, "pause_told_at": None}
    with transaction.atomic():
        Segment.objects.select_for_update(no_key=True).filter(account=segment.account_id).order_by("pk").first()
        _check_loop(segment, recipe)
        watch, _made = Watch.objects.update_or_create(
            segment=segment, defaults={"owner": access.user_of(owner), **told, **on}
        )
        if recipe is None:
            WatchEntry.objects.filter(watch=watch, waits=True).update(waits=False)
    return watch


def _check_loop(segment: Segment, recipe: Recipe | None) -> None:
    if chain := loops.chain_of(Watch(segment=segment, recipe=recipe)):
        raise CannotWatch(sentence_of(remark(WatchRemark.LOOP, chain=loops.in_words(chain))))


def pause_by(watch: Watch, by: Author, at: dt.datetime) -> bool:
    """Pause it for a person. Who enters meanwhile waits. True if it was on."""
    return pause(watch, remark(WatchRemark.BY_PERSON, person=str(by)), at, told=True)


def resume(watch: Watch, by: Author) -> None:
    """Let it go on, `by` answering for it from now on. Raises CannotWatch as `set_watch` does."""
    if watch.starts and watch.recipe is None:
        raise CannotWatch(sentence_of(remark(WatchRemark.NO_RECIPE)))
    told = {name: getattr(watch, name) for name in ("by_notice", "by_mail", "by_alert", "daily_ceiling")}
    set_watch(watch.segment, owner=by, recipe=watch.recipe, **told)


def leave_out_waiting(watch: Watch) -> int:
    """Those who wait are not acted on, now or later. How many."""
    return WatchEntry.objects.filter(watch=watch, waits=True).update(waits=False)


def stop_watching(watch: Watch) -> None:
    """End it, and forget who was in the segment and who entered. Nobody in the mirror is touched."""
    with transaction.atomic():
        segment_id = watch.segment_id
        watch.delete()
        SegmentMember.objects.filter(segment=segment_id).delete()
