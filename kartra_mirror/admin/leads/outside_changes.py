"""Changed in Kartra without us: by day and field, and the single changes of one of them."""

import datetime as dt
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _, gettext_lazy

from leads import access, clock
from leads.models import Account, Activity, Source
from leads.models.activity import ALONE, field_words

PERIODS = {"7": gettext_lazy("7 days"), "30": gettext_lazy("30 days"), "90": gettext_lazy("90 days")}
SOURCES = {
    Source.REFRESH: gettext_lazy("found by an update from Kartra"),
    Source.IMPORT: gettext_lazy("by an import"),
    Source.WEBHOOK: gettext_lazy("by a message from Kartra"),
}
GROUPS = 200
SHOWN = 100


def page(request: HttpRequest, context: dict[str, Any]) -> TemplateResponse:
    """GET only. `days`, `source` and `account` narrow; `what` and `day` open the single changes."""
    if not request.user.has_perm("leads.view_activity"):
        raise PermissionDenied
    accounts = list(access.only_mine(Account.objects.all(), request.user))
    asked = {name: request.GET.get(name, "") for name in ("days", "source", "account", "what", "day")}
    asked["days"] = asked["days"] if asked["days"] in PERIODS else "7"
    since = timezone.localtime(clock.now()).replace(hour=0, minute=0, second=0, microsecond=0)
    since -= dt.timedelta(days=int(asked["days"]) - 1)
    rows: Any = access.only_mine(Activity.objects.without_us(), request.user)
    if asked["source"] in SOURCES:
        rows = rows.filter(source=asked["source"])
    if asked["account"].isdecimal():
        rows = rows.filter(account=int(asked["account"][:18]))
    groups = list(rows.by_field_and_day(since)[: GROUPS + 1])
    kept = {name: asked[name] for name in ("days", "source", "account") if asked[name]}
    for group in groups:
        group["words"] = _words(group["what"])
        group["url"] = "?" + urlencode({**kept, "what": group["what"], "day": group["day"]}) + "#single"
    shown = {
        **context,
        "title": _("Changed in Kartra without us"),
        "groups": groups[:GROUPS],
        "more": len(groups) > GROUPS,
        "total": sum(group["changes"] for group in groups[:GROUPS]),
        "periods": PERIODS,
        "sources": {source.value: words for source, words in SOURCES.items()},
        "accounts": accounts if len(accounts) > 1 else [],
        "asked": asked,
        **(_single(rows, asked["what"], asked["day"]) if asked["what"] else {}),
    }
    return TemplateResponse(request, "admin/leads/outside_changes.html", shown)


def _words(what: str | None) -> str:
    """A field's name for people: "preferred time zone", "custom field shirt_size"; a thing is named as it is."""
    name = what or "?"
    if name.startswith("custom."):
        return _("custom field %(name)s") % {"name": name.removeprefix("custom.")}
    return _(name) if name in ALONE.values() else field_words(name)


def _single(rows: Any, what: str, day: str) -> dict[str, Any]:
    """The single changes of one field, of one day."""
    try:
        on = parse_date(day)
    except ValueError:
        on = None
    if on is None:
        return {}
    begins = timezone.make_aware(dt.datetime.combine(on, dt.time.min))
    of_day = rows.filter(what=what, at__gte=begins, at__lt=begins + dt.timedelta(days=1))
    single = list(of_day.select_related("lead").order_by("-at", "-pk")[: SHOWN + 1])
    return {"single": single[:SHOWN], "single_more": len(single) > SHOWN, "on": on, "words": _words(what)}
