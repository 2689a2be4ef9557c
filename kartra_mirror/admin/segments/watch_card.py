"""What a segment's page says of being watched: who is told, what is started, how many came this week, how fresh that is."""

import datetime as dt
from typing import Any

from django.db.models import Count, Q
from django.utils.translation import gettext as _, ngettext

from integrations.watching import entering
from leads import access, clock, watching
from leads.models import Segment, Watch, WatchEntry

SHOWN = 20
WEEK = dt.timedelta(days=7)


def watch_of(segment: Segment) -> Watch | None:
    return Watch.objects.select_related("owner", "recipe", "segment__account").filter(segment=segment).first()


def may_see(user: access.RequestUser) -> bool:
    return bool(user.has_perm("leads.view_segment") and user.has_perm("leads.view_lead"))


def may_set(user: access.RequestUser, watch: Watch | None) -> bool:
    """Whether the person may set it up, or, where it is a colleague's, change it."""
    if watch is None or watch.owner_id in (None, user.pk):
        return bool(user.has_perm("leads.add_watch"))
    return bool(user.has_perm("leads.change_watch"))


def card(user: access.RequestUser, segment: Segment) -> dict[str, Any] | None:
    """{"watch", "told", "does", "week", "waiting", "holds", "may_set"}; None where the person may not see who enters. Two queries,
    and three where somebody waits."""
    if not may_see(user):
        return None
    watch = watch_of(segment)
    if watch is None:
        return {"watch": None, "may_set": may_set(user, None)}
    rows = WatchEntry.objects.filter(watch=watch)
    numbers = rows.aggregate(
        week=Count("pk", filter=Q(at__gte=clock.now() - WEEK)), waiting=Count("pk", filter=Q(waits=True))
    )
    return {
        "watch": watch,
        "told": _told(watch),
        "does": _does(watch),
        **numbers,
        "holds": _holds(watch) if numbers["waiting"] and watch.is_on else "",
        "may_set": may_set(user, watch),
    }


def overview(user: access.RequestUser) -> list[dict[str, Any]]:
    """[{"watch", "told", "does", "week"}], the segments that this person sees watched. One query; none where they may not see who
    enters."""
    if not may_see(user):
        return []
    this_week = Count("entries", filter=Q(entries__at__gte=clock.now() - WEEK))
    rows = access.only_mine(Watch.objects.select_related("segment", "owner", "recipe"), user)
    shown = rows.annotate(week=this_week).order_by("segment__name")[:SHOWN]
    return [{"watch": each, "told": _told(each), "does": _does(each), "week": each.week} for each in shown]


def _holds(watch: Watch) -> str:
    """Why those who wait do so, as a sentence; empty where it will be started in a moment."""
    if why := entering.holds(watch):
        return why
    if watching.room(watch, clock.now()) == 0:
        return _("Today's limit is reached. It goes on tomorrow.")
    return ""


def _told(watch: Watch) -> str:
    """ "tell Ada Lind: home page, mail"."""
    if watch.owner is None:
        return _("nobody gets a message")
    ways = [
        words
        for is_told, words in (
            (watch.by_notice, _("home page")),
            (watch.by_mail, _("mail")),
            (watch.by_alert, _("alert")),
        )
        if is_told
    ]
    person = watch.owner.get_full_name() or watch.owner.get_username()
    return (
        _("tell %(person)s: %(ways)s") % {"person": person, "ways": ", ".join(ways)}
        if ways
        else _("nobody gets a message")
    )


def _does(watch: Watch) -> str:
    """ "recipe Welcome buyers, once per person · at most 100 a day"; empty without a recipe."""
    if watch.recipe is None:
        return ""
    words = _("recipe %(recipe)s, once per person") % {"recipe": watch.recipe.name}
    if watch.daily_ceiling is None:
        return words
    most = ngettext("at most %(n)s lead a day", "at most %(n)s leads a day", watch.daily_ceiling)
    return f"{words} · {most % {'n': f'{watch.daily_ceiling:,}'}}"
