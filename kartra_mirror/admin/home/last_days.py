"""The card on home that shows the last 14 days: what we sent, or what came from Kartra. Loaded after the page, counted once in
a minute for each person."""

import datetime as dt
from typing import Any

from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.db.models.functions import TruncDate
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _, gettext_lazy, ngettext

from integrations.models import Delivery
from kartra_mirror.ui import charts
from kartra_mirror.ui.throughput import connections_of
from leads import access, clock
from leads.models import Account, ChangeStatus, LeadChange

DAYS = 14
KEPT_S = 60
ENDED = (ChangeStatus.ACCEPTED, ChangeStatus.REJECTED)
OURS, KARTRAS = "ours", "kartra"
TABS = ((OURS, gettext_lazy("Sent by us")), (KARTRAS, gettext_lazy("From Kartra")))
NEEDED = {OURS: "leads.view_leadchange", KARTRAS: "integrations.view_delivery"}

Numbers = list[tuple[int, int]]
"""For each day, the earliest first: (done, failed), or (messages, 0)."""


def tabs_of(user: access.RequestUser) -> list[tuple[str, Any]]:
    """What this person may see of it."""
    return [(name, words) for name, words in TABS if user.has_perm(NEEDED[name])]


def view(request: HttpRequest) -> HttpResponse:
    tabs = tabs_of(request.user)
    if not tabs:
        raise PermissionDenied
    shown = request.GET.get("of", "")
    shown = shown if shown in dict(tabs) else tabs[0][0]
    today = timezone.localdate(clock.now())
    days = [today - dt.timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    key = f"last-days-{request.user.pk}-{shown}-{today}-{timezone.get_current_timezone_name()}"
    numbers: Numbers = cache.get_or_set(key, lambda: _count(request, shown, days), KEPT_S) or []
    title = str(dict(TABS)[shown])
    return TemplateResponse(
        request,
        "admin/home/last_days.html",
        {
            "tabs": tabs,
            "shown": shown,
            "first": days[0],
            "svg": charts.per_day(title, days, [done + failed for done, failed in numbers]),
            "words": _in_words(shown, numbers),
        },
    )


def _count(request: HttpRequest, shown: str, days: list[dt.date]) -> Numbers:
    since = timezone.make_aware(dt.datetime.combine(days[0], dt.time.min))
    rows: QuerySet[Any]
    if shown == OURS:
        accounts = list(access.only_mine(Account.objects.order_by(), request.user).values_list("pk", flat=True))
        rows, at = (
            LeadChange.objects.filter(account__in=accounts, status__in=ENDED, settled_at__gte=since),
            "settled_at",
        )
    else:
        rows, at = Delivery.objects.filter(endpoint__connection__in=connections_of(request.user)), "received_at"
        rows = rows.filter(received_at__gte=since)
    by_day = rows.order_by().annotate(day=TruncDate(at)).values_list("day", "status").annotate(n=Count("pk"))
    found: dict[dt.date, list[int]] = {}
    for day, status, number in by_day:
        counts = found.setdefault(day, [0, 0])
        counts[status == ChangeStatus.REJECTED and shown == OURS] += number
    return [(found[day][0], found[day][1]) if day in found else (0, 0) for day in days]


def _in_words(shown: str, numbers: Numbers) -> str:
    done, failed = (sum(column) for column in zip(*numbers, strict=True))
    if shown == KARTRAS:
        return ngettext("%(n)s message", "%(n)s messages", done) % {"n": f"{done:,}"}
    words = ngettext("%(n)s change", "%(n)s changes", done + failed) % {"n": f"{done + failed:,}"}
    return f"{words} · {_('%(n)s failed') % {'n': f'{failed:,}'}}" if failed else words
