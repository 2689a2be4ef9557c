"""Leads > Add: create a lead in Kartra, with everything it is to have, in as few calls as the rules allow."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _, ngettext

from integrations.sending import switch
from kartra_mirror.admin.bulk.draft_forms import DraftForm
from kartra_mirror.ui.lead_fields import check_steps, groups, show_what_may_be_asked
from kartra_mirror.ui.throughput import connection_of
from leads import access, changes, kinds, mirror
from leads.labels import NEW_CONTACTS
from leads.models import Account, Lead


def page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Ask for the lead's fields; a POST records the changes and goes to the lead's page."""
    reachable = Account.objects.filter(connection__isnull=False).order_by("name")
    accounts = list(access.only_mine(reachable, request.user))
    chosen = request.GET.get("account", "")
    account = next((each for each in accounts if str(each.pk) == chosen), accounts[0] if accounts else None)
    if account is None:
        messages.warning(request, _("No Kartra account is connected yet. Connect one first."))
        return HttpResponseRedirect("../")
    kind = kinds.CREATE
    form = DraftForm(kind, account, request.POST or None)
    warned: list[str] = []
    known: Lead | None = None
    if request.method == "POST" and form.is_valid():
        check_steps(request, kind, form.parameters)
        warned = kinds.warnings(form.parameters, account)
        if not warned or request.POST.get("confirmed") == "1":
            try:
                recorded = changes.create_lead(
                    account, form.parameters, by=request.user, why=form.cleaned_data.get("why", "")
                )
                say_recorded(request, account, recorded)
                return HttpResponseRedirect(recorded[0].lead.get_absolute_url())
            except (changes.CannotRecord, kinds.BadParameters) as problem:
                form.add_error(None, str(problem))
                known = mirror.find(account, email=form.parameters["email"])
    show_what_may_be_asked(form, request.user)
    page_context = {
        **context,
        "title": _("Create a lead in Kartra"),
        "opts": Lead._meta,
        "form": form,
        "groups": groups(form),
        "account": account,
        "accounts": accounts,
        "warned": warned,
        "known": known,
        "new_contacts": NEW_CONTACTS,
    }
    return TemplateResponse(request, "admin/leads/lead_create.html", page_context)


def say_recorded(request: HttpRequest, account: Account, recorded: list[Any]) -> None:
    """What was asked for, and whether it goes out now."""
    connection = connection_of(account)
    why_not = switch.why_not_sending(connection) if connection else _("This account is not connected to Kartra yet.")
    number = len(recorded)
    words = ngettext(
        "%(number)s change requested; it goes to Kartra now.",
        "%(number)s changes requested; they go to Kartra now.",
        number,
    )
    if why_not:
        words = ngettext("%(number)s change requested. %(why)s", "%(number)s changes requested. %(why)s", number)
    told = words % {"number": f"{number:,}", "why": why_not}
    (messages.warning if why_not else messages.success)(request, told)
