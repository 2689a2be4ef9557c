"""Lines of home about watched segments: who entered those that the reader answers for, and which stand still by themselves."""

import datetime as dt
from typing import Any

from django.db.models import Count, F, Q
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.translation import gettext as _, ngettext

from kartra_mirror.admin.home.todo_changes import CAUSES_SHOWN, line_of
from leads import access
from leads.models import Watch, WatchRemark, WatchState

LATELY = dt.timedelta(days=1)


def lines(user: access.RequestUser, now: dt.datetime) -> list[dict[str, Any]]:
    """Two queries."""
    if not (user.has_perm("leads.view_segment") and user.has_perm("leads.view_lead")):
        return []
    watches = access.only_mine(Watch.objects.select_related("segment"), user)
    return [*_paused(watches), *_entered(watches, user, now)]


def _paused(watches: Any) -> list[dict[str, Any]]:
    by_itself = watches.filter(state=WatchState.PAUSED).exclude(paused_remark__what=WatchRemark.BY_PERSON)
    words = _("“%(segment)s” is watched no more: whoever enters waits")
    return [
        line_of("warn", words % {"segment": watch.segment.name}, why=watch.why_paused, url=_url(watch), do=_("Look"))
        for watch in by_itself.order_by("-paused_at")[:CAUSES_SHOWN]
    ]


def _entered(watches: Any, user: access.RequestUser, now: dt.datetime) -> list[dict[str, Any]]:
    since = Q(entries__at__gt=Coalesce(F("seen_at"), F("created_at")), entries__at__gte=now - LATELY)
    own = watches.filter(owner=user.pk, by_notice=True).annotate(number=Count("entries", filter=since))
    found = []
    for watch in own.filter(number__gt=0).order_by("-number")[:CAUSES_SHOWN]:
        words = ngettext(
            "lead entered %(segment)s since yesterday", "leads entered %(segment)s since yesterday", watch.number
        )
        told = words % {"segment": watch.segment.name}
        found.append(line_of("", told, number=watch.number, url=_url(watch), do=_("See who")))
    return found


def _url(watch: Watch) -> str:
    return reverse("admin:leads_segment_watch", args=[watch.segment_id])
