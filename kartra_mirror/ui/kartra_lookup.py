"""Find in Kartra: whether Kartra has a lead or a transaction. Nothing is kept in our copy unless somebody says so."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _, gettext_lazy

from integrations.kartra.errors import KartraError
from integrations.models import Cause, Connection
from integrations.read import lead_lookup, refresh, transactions
from integrations.sending import calls
from integrations.sending.calls import Priority
from kartra_mirror.ui.unfold_adapter import only_own_choices, style
from leads import forgotten, mirror
from leads.models import GoneReason, Lead, Transaction
from leads.models.remarks import sentence_of
from leads.models.row_remark import lookalike
from leads.texts import clean_email

ASKED_BY = gettext_lazy("To ask Kartra, type a whole email address or a Kartra id.")


def can_be_asked(named: str) -> bool:
    """Whether this names a lead to Kartra: an email address, or an id."""
    named = named.strip()
    return "@" in named.strip("@") or (named.isascii() and named.isdigit() and len(named) <= 32)


class FindForm(forms.Form):
    """What to look for, and in which account."""

    connection = forms.ModelChoiceField(
        Connection.objects.select_related("account"), label=gettext_lazy("Account"), empty_label=None
    )

    def __init__(self, label: str, help_text: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["named"] = forms.CharField(label=label, max_length=320, help_text=help_text)
        style(self)


def lead_page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Ask about an email or id; the answer says yes or no and offers to keep the lead in our copy."""
    form = only_own_choices(FindForm(_("Email or Kartra id"), "", _given(request)), request.user)
    shown: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        connection, named = form.cleaned_data["connection"], clean_email(form.cleaned_data["named"])
        if (words := sentence_of(lookalike(named))) or not can_be_asked(named):
            form.add_error("named", words or ASKED_BY)
            return _answer(request, context, form, _("Find a lead in Kartra"), shown)
        by: dict[str, Any] = {"email": named} if "@" in named else {"kartra_id": named}
        try:
            if request.POST.get("do") == "keep":
                try:
                    result = refresh.read_lead(connection, made_by=request.user, **by)
                except forgotten.LeftOut as problem:
                    problem.note()
                    messages.warning(request, str(problem))
                    return HttpResponseRedirect(request.path)
                if result.lead is not None and result.found:
                    messages.success(request, _("The lead is in our copy now."))
                    return HttpResponseRedirect(result.lead.get_absolute_url())
            known = mirror.find(connection.account, **by)
            asked = lead_lookup.ask(
                connection,
                kartra_id=by.get("kartra_id", ""),
                email=by.get("email", ""),
                cause=Cause.PULL,
                priority=Priority.PERSON,
                made_by=request.user,
            )
        except KartraError as error:
            messages.error(request, calls.in_words(error))
        else:
            shown = _lead_answer(asked, named, known)
    return _answer(request, context, form, _("Find a lead in Kartra"), shown)


def _lead_answer(asked: lead_lookup.Asked, named: str, known: Any) -> dict[str, Any]:
    profile = asked.profile
    if profile is None:
        words = _("No: Kartra has no lead %(named)s.")
        if asked.gone == GoneReason.DELETED:
            words = _("No: Kartra has no lead %(named)s. It was deleted there.")
        return {"found": False, "words": words % {"named": named}, "known": known}
    fields = profile.fields
    name = " ".join(part for part in (fields.get("first_name"), fields.get("last_name")) if part)
    facts = [
        (_("Kartra id"), profile.id),
        (_("Email"), profile.email),
        (_("Name"), name),
        (_("Joined"), fields.get("date_joined")),
    ]
    facts += [(_("Tags"), ", ".join(profile.tags or ())), (_("Country"), fields.get("country"))]
    return {
        "found": True,
        "words": _("Yes: Kartra has lead %(id)s.") % {"id": profile.id},
        "known": known,
        "facts": [(label, value) for label, value in facts if value],
    }


def transaction_page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Ask about a transaction's id."""
    form = only_own_choices(
        FindForm(_("Transaction id"), _("The number Kartra gave it."), _given(request)), request.user
    )
    shown: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        connection, named = form.cleaned_data["connection"], form.cleaned_data["named"].strip()
        keep = request.POST.get("do") == "keep"
        try:
            row = transactions.read_transaction(connection, named, store=keep, made_by=request.user)
        except KartraError as error:
            messages.error(request, calls.in_words(error))
        else:
            if row is not None and keep:
                messages.success(request, _("The transaction is in our copy now."))
                return HttpResponseRedirect(f"../{row.pk}/change/")
            shown = _transaction_answer(row, named, connection)
    return _answer(request, context, form, _("Find a transaction in Kartra"), shown, Transaction)


def _transaction_answer(row: Transaction | None, named: str, connection: Connection) -> dict[str, Any]:
    if row is None:
        return {"found": False, "words": _("No: Kartra has no transaction %(named)s.") % {"named": named}}
    known = Transaction.objects.filter(account=connection.account_id, kartra_id=row.kartra_id).first()
    facts = [
        (_("Type"), row.type),
        (_("Amount"), row.full_amount),
        (_("Product"), row.raw.get("product_name")),
        (_("Lead"), row.lead),
    ]
    return {
        "found": True,
        "words": _("Yes: Kartra has transaction %(id)s.") % {"id": row.kartra_id},
        "known": known,
        "facts": [(label, value) for label, value in facts if value],
    }


def _given(request: HttpRequest) -> Any:
    if request.method == "POST":
        return request.POST
    return None


def _answer(
    request: HttpRequest, context: dict[str, Any], form: FindForm, title: str, shown: dict[str, Any], model: Any = Lead
) -> HttpResponse:
    if not form.is_bound and request.GET.get("q"):
        form.initial = {"named": request.GET["q"][:320]}
    page = {**context, "title": title, "form": form, "answer": shown, "opts": model._meta}
    return TemplateResponse(request, "admin/ui/kartra_lookup.html", page)
