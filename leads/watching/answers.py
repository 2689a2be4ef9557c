"""Whether an automation in Kartra seems to answer a recipe: what it put on is taken off again by Kartra, or the reverse, for many of
those whom it was started for."""

import datetime as dt
from typing import Any

from django.db.models import Exists, OuterRef, Q

from leads import kinds
from leads.models import Activity, Source, Watch, WatchEntry, WatchRemark
from leads.models.remarks import remark
from leads.watching import loops

MANY = 5
SHARE = 0.2
"""So many, and this share of all, make a pause: one person may have changed their mind."""


def answer_of_kartra(watch: Watch, at: dt.datetime) -> dict[str, Any] | None:
    """Why the watch is to pause, as a remark; None where nothing was answered. One query, and one for each tie the recipe sets."""
    if watch.recipe is None:
        return None
    acted = WatchEntry.objects.filter(watch=watch, run__isnull=False, acted_at__gte=at - loops.WITHIN)
    number = acted.count()
    if number < MANY:
        return None
    for name, given in loops.single_steps(watch.recipe):
        kind = kinds.get_kind(name)
        if kind.tie is None or not kind.inverse:
            continue
        answered = acted.filter(Exists(_opposite(kind, str(given.get(kind.noun, ""))))).count()
        if answered >= MANY and answered >= number * SHARE:
            told = {"step": kind.sentence(given), "number": f"{answered:,}", "all": f"{number:,}"}
            return remark(WatchRemark.ANSWERED, **told)
    return None


def _opposite(kind: kinds.ChangeKind, name: str) -> Any:
    """Lines of the timeline by which the opposite happened after the recipe was started, by no change of ours: told by a message,
    or found by a read."""
    told = Q(kind=kinds.get_kind(kind.inverse).activity, **{f"details__{kind.noun}": name})
    read = Q(kind="changed_in_kartra", details__field=f"{kind.noun} {name}")
    lines = Activity.objects.filter(lead=OuterRef("lead"), at__gte=OuterRef("acted_at"), change=None)
    return lines.filter(told | read).exclude(source__in=[Source.STAFF, Source.PUSH, Source.IMPORT])
