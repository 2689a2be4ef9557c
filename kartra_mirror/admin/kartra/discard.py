"""Discarding what came by an address since a moment: what that is about is shown first, and how far it is."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.db.models import Count, F, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _, gettext_lazy, ngettext

from integrations import clock
from integrations.models import DeliveryStatus, Discard, WebhookEndpoint, WebhookHour
from integrations.notify import notify_worker
from integrations.receive import discard
from kartra_mirror.ui.unfold_adapter import style

DAY = dt.timedelta(hours=24)


class SinceForm(forms.Form):
    """Since when somebody else may have had the address."""

    since = forms.DateTimeField(
        label=gettext_lazy("Since"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text=gettext_lazy("In your time zone. Everything that came by the address since then is discarded."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        style(self)

    def clean_since(self) -> dt.datetime:
        since: dt.datetime = self.cleaned_data["since"]
        if since > clock.now():
            raise forms.ValidationError(_("This time is still to come."))
        return since


def page(request: HttpRequest, endpoint: WebhookEndpoint, context: dict[str, Any], log: Any) -> HttpResponse:
    """GET with `since` shows what would be discarded; POST has it done by the worker, and `log` notes who asked."""
    form = SinceForm(request.POST or (request.GET if "since" in request.GET else None))
    numbers = discard.about(endpoint, form.cleaned_data["since"]) if form.is_bound and form.is_valid() else None
    if request.method == "POST" and numbers is not None:
        order = discard.order(endpoint, form.cleaned_data["since"], by=request.user)
        if order is None:
            messages.info(request, _("Nothing was discarded: no message came since then."))
            return HttpResponseRedirect(endpoint.get_absolute_url())
        transaction.on_commit(lambda: notify_worker("apply_deliveries"), robust=True)
        number = numbers["messages"]
        words = ngettext(
            "%(number)s message is being discarded, and what it changed is undone. This page shows the progress.",
            "%(number)s messages are being discarded, and what they changed is undone. This page shows the progress.",
            number,
        )
        when = date_format(localtime(order.since, dt.UTC), "j M Y H:i")
        log(request, endpoint, _("Discarded what came since %(when)s UTC.") % {"when": when})
        messages.success(request, words % {"number": f"{number:,}"})
        return HttpResponseRedirect(endpoint.get_absolute_url())
    shown = {
        **context,
        "title": _("Discard messages"),
        "endpoint": endpoint,
        "form": form,
        "numbers": numbers,
        "list": reverse("admin:integrations_delivery_changelist"),
    }
    return TemplateResponse(request, "admin/kartra/discard.html", shown)


def orders(endpoint: WebhookEndpoint) -> list[str]:
    """What was ordered of an address, the last first, and how far it is: a sentence each."""
    left = Count("deliveries", filter=Q(deliveries__status=DeliveryStatus.DISCARDING))
    rows = endpoint.discards.annotate(number=Count("deliveries"), left=left).select_related("asked_by")
    return [_order_words(order, order.number, order.left) for order in rows]


def _order_words(order: Discard, number: int, left: int) -> str:
    when, since = (date_format(localtime(at), "j M Y H:i") for at in (order.asked_at, order.since))
    words = ngettext(
        "%(when)s: %(number)s message since %(since)s discarded by %(who)s.",
        "%(when)s: %(number)s messages since %(since)s discarded by %(who)s.",
        number,
    ) % {"when": when, "since": since, "number": f"{number:,}", "who": order.asked_by or _("somebody who is gone")}
    if order.doubted:
        doubted = ngettext(
            "This change was taken as done because of such a message; look in Kartra: %(changes)s.",
            "These changes were taken as done because of such messages; look in Kartra: %(changes)s.",
            len(order.doubted),
        )
        words = f"{words} {doubted % {'changes': ', '.join(map(str, order.doubted[:50]))}}"
    if not left:
        return words
    still = ngettext("%(left)s is still to undo.", "%(left)s are still to undo.", left)
    return f"{words} {still % {'left': f'{left:,}'}}"


def came(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """What came by an address within a day: messages, bytes, refused, and people new to us."""
    rows = WebhookHour.objects.filter(endpoint=endpoint, hour__gt=clock.now() - DAY)
    found: dict[str, Any] = rows.aggregate(
        messages=Sum("messages"), bytes=Sum("bytes"), refused=Sum("refused"), new=Sum("new_leads")
    )
    return {name: number or 0 for name, number in found.items()}


def refused_lately(endpoints: QuerySet[WebhookEndpoint], now: dt.datetime) -> list[dict[str, Any]]:
    """Addresses at which messages were refused within a day: [{"endpoint", "name", "connection", "number"}]."""
    rows = WebhookHour.objects.filter(endpoint__in=endpoints, hour__gt=now - DAY, refused__gt=0).order_by()
    counted = rows.values("endpoint", name=F("endpoint__name"), connection=F("endpoint__connection__account__name"))
    return [dict(row) for row in counted.annotate(number=Sum("refused")).order_by("-number")]
