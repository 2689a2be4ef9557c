"""Reads of one lead that somebody looks at: by a button, or by the page itself when our copy is older than ten minutes."""

import datetime as dt

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _, ngettext

from integrations.kartra.errors import KartraError
from integrations.models import NO_USE_ASKING, Connection
from integrations.notify import notify_worker
from integrations.read import refresh, transactions
from integrations.read.lead_answer import ReadResult
from integrations.sending import calls
from kartra_mirror.ui import filter_notes
from kartra_mirror.ui.throughput import connection_of
from leads import clock, mirror
from leads.models import Account, Lead

OLD = dt.timedelta(minutes=10)


def reads_itself(lead: Lead, connection: Connection | None) -> bool:
    """Whether the lead's page, when opened, has it read: our copy is old or an update is due, and Kartra can be asked."""
    if connection is None or lead.gone_at or connection.reads_stopped_at:
        return False
    if connection.stopped_by in NO_USE_ASKING:
        return False
    at = clock.now()
    if any(until is not None and until > at for until in (connection.hold_until, lead.read_not_before)):
        return False
    looked = [when for when in (lead.read_at, lead.absent_at) if when is not None]
    return not looked or lead.dirty_at is not None or max(looked) < at - OLD


def now(request: HttpRequest, lead: Lead) -> HttpResponse:
    """Read the lead, in the class of a person waiting. A form gets the page with a message; a script, which asks for JSON,
    {"changed": whether the page is to be drawn anew, "level": "success" …, "words"}."""
    as_json = "application/json" in request.headers.get("Accept", "")
    connection = connection_of(lead.account)
    if request.method != "POST" or connection is None:
        return HttpResponseRedirect(lead.get_absolute_url())
    level, words, changed = messages.ERROR, "", False
    found = lead
    try:
        result = refresh.read_lead(connection, lead=lead, made_by=request.user)
    except KartraError as error:
        words = calls.in_words(error)
    else:
        level, words, changed = _told(result)
        found = result.lead or lead
    if as_json:
        return JsonResponse({"changed": changed, "level": messages.DEFAULT_TAGS[level], "words": words})
    messages.add_message(request, level, words)
    return HttpResponseRedirect(found.get_absolute_url())


def _told(result: ReadResult) -> tuple[int, str, bool]:
    """How a read is told: level, words, and whether our copy is otherwise than before."""
    if result.gone:
        return messages.WARNING, _("Kartra says that this lead is deleted."), True
    if not result.found:
        return messages.WARNING, _("Kartra has no lead of this address."), True
    if not result.applied:
        return (
            messages.INFO,
            _("A change of ours went out moments ago; we update this lead again shortly."),
            False,
        )
    number = len(result.taken.differences) if result.taken else 0
    if not number:
        return messages.SUCCESS, _("Updated from Kartra just now. Nothing had changed."), False
    words = ngettext(
        "Updated from Kartra just now. %(number)s thing had changed in Kartra.",
        "Updated from Kartra just now. %(number)s things had changed in Kartra.",
        number,
    ) % {"number": f"{number:,}"}
    return messages.SUCCESS, words, True


def money_now(request: HttpRequest, lead: Lead) -> HttpResponse:
    """Read the lead's transactions and subscriptions from Kartra."""
    connection = connection_of(lead.account)
    if request.method == "POST" and connection is not None:
        try:
            done = transactions.read(connection, lead, made_by=request.user)
        except KartraError as error:
            messages.error(request, calls.in_words(error))
        else:
            told = {"transactions": f"{done.transactions:,}", "subscriptions": f"{done.subscriptions:,}"}
            words = _("Updated from Kartra: transactions %(transactions)s, subscriptions %(subscriptions)s.") % told
            if done.without_id:
                words += " " + ngettext(
                    "%(number)s was listed without its number: it is in the timeline as Kartra reported it.",
                    "%(number)s were listed without their numbers: they are in the timeline as Kartra reported them.",
                    len(done.without_id),
                ) % {"number": f"{len(done.without_id):,}"}
            messages.success(request, words)
    return HttpResponseRedirect(f"{lead.get_absolute_url()}?tab=money")


def sales_now(request: HttpRequest) -> HttpResponse:
    """Have the transactions read that a filter by sales misses, and go back to the list of this query."""
    if request.method == "POST":
        leads = filter_notes.without_sales(request.user).exclude(kartra_id=None).exclude(read_at=None)
        accounts = list(Account.objects.filter(pk__in=leads.order_by().values("account")))
        number = mirror.mark_all_orders_due(leads, clock.now())
        for connection in filter(None, map(connection_of, accounts)):
            notify_worker("refresh_leads", connection.pk)
        words = ngettext(
            "The transactions of %(number)s lead are on their way from Kartra. Open the list again to see them.",
            "The transactions of %(number)s leads are on their way from Kartra. Open the list again to see them.",
            number,
        )
        messages.info(request, words % {"number": f"{number:,}"})
    query = request.GET.urlencode()
    return HttpResponseRedirect(f"{reverse('admin:leads_lead_changelist')}?{query}".rstrip("?"))
