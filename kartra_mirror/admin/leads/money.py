"""Transactions and subscriptions in the admin, and the pages that ask before money moves or a plan changes.

Each states amount, person and product, and wants the amount or id typed; what was asked for is one change of one lead.
"""

import datetime as dt
import re
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _, gettext_lazy

from integrations.sending import switch
from kartra_mirror.admin.leads.lead_create import say_recorded
from kartra_mirror.admin.leads.one_lead import ask
from kartra_mirror.ui import kartra_lookup
from kartra_mirror.ui.admin_bases import ReadOnlyAdmin
from kartra_mirror.ui.throughput import connection_of
from kartra_mirror.ui.unfold_adapter import KeptValuesFilter, RangeDateTimeFilter, RelatedDropdownFilter, style
from leads import changes, kinds, orders
from leads.kinds.refunds import REFUNDABLE, WHOLE, given_back, left_of
from leads.models import OPEN, LeadChange, RecurringSubscription, Transaction

ACCESS = gettext_lazy("Access to memberships stays. Remove it in Kartra if you want that.")


class RefundForm(forms.Form):
    """How much, typed twice; and whether the plan behind the sale ends too."""

    what = forms.ChoiceField(
        label=gettext_lazy("How much"),
        choices=[("whole", gettext_lazy("the whole amount")), ("part", gettext_lazy("a part of it"))],
        widget=forms.RadioSelect(),
    )
    amount = forms.DecimalField(
        label=gettext_lazy("Amount, if a part"),
        required=False,
        min_value=Decimal("0.01"),
        max_digits=12,
        decimal_places=2,
    )
    typed = forms.CharField(
        label=gettext_lazy("Type the amount once more"),
        max_length=20,
        help_text=gettext_lazy(
            "The amount to refund, such as 20.00. If we do not know the whole amount, type the transaction's id."
        ),
    )
    cancel_plan = forms.BooleanField(
        label=gettext_lazy("Cancel the recurring subscription too"), required=False, help_text=ACCESS
    )
    why = forms.CharField(label=gettext_lazy("Note (seen by your team)"), required=False, max_length=500)

    def __init__(self, sale: Transaction, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sale, self.left = sale, left_of(sale)
        if self.left is not None and self.left != sale.full_amount:
            words = _("the remaining %(amount)s") % {"amount": orders.in_words(self.left, sale.currency)}
            self.fields["what"].choices = [("whole", words), ("part", _("a part of it"))]  # type: ignore[attr-defined]
        if sale.subscription is None:
            del self.fields["cancel_plan"]
        style(self)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        if cleaned["what"] == "part" and cleaned["amount"] is None:
            raise forms.ValidationError(_("Give the amount, or choose all of it."))
        wanted = cleaned["amount"] if cleaned["what"] == "part" else self.left
        expected = f"{wanted:.2f}" if wanted is not None else self.sale.kartra_id
        typed = cleaned["typed"].strip()
        typed = (
            typed.replace(",", "") if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d\d?)?", typed) else typed.replace(",", ".")
        )
        try:
            same = typed == expected or (wanted is not None and Decimal(typed) == wanted)
        except ArithmeticError:
            same = False
        if not same:
            self.add_error("typed", _("That is not %(expected)s. Nothing was refunded.") % {"expected": expected})
        return cleaned

    @property
    def given(self) -> dict[str, Any]:
        amount = WHOLE if self.cleaned_data["what"] == "whole" else f"{self.cleaned_data['amount']:.2f}"
        return {"transaction": self.sale.kartra_id, "amount": amount}


class PlanForm(forms.Form):
    """The kind's own fields; the plan's id typed; why."""

    def __init__(self, kind: kinds.ChangeKind, plan: RecurringSubscription, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind, self.plan = kind, plan
        own = {n: f for n, f in kind.fields(plan.account).items() if n not in ("subscription", "named_by")}
        self.fields.update(own)
        self.fields["typed"] = forms.CharField(
            label=_("Type the subscription's id"), max_length=32, help_text=_("It is %(id)s.") % {"id": plan.kartra_id}
        )
        self.fields["why"] = forms.CharField(label=_("Note (seen by your team)"), required=False, max_length=500)
        style(self)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        if cleaned["typed"].strip() != self.plan.kartra_id:
            self.add_error("typed", _("That is not %(id)s. Nothing was changed.") % {"id": self.plan.kartra_id})
            return cleaned
        own = {name: value for name, value in cleaned.items() if name not in ("typed", "why")}
        given = {"subscription": self.plan.kartra_id, **self.kind.given_in_form(own)}
        try:
            self.given = self.kind.clean(self.plan.account, given)
        except kinds.BadParameters as problem:
            raise forms.ValidationError(str(problem)) from None
        return cleaned


class _MoneyAdmin(ReadOnlyAdmin):
    """What lists of money share: the way from a row to the page that asks."""

    def _row(self, request: HttpRequest, pk: int, kind: kinds.ChangeKind) -> Any:
        if not request.user.has_perm(kind.permission):
            raise PermissionDenied
        row = self.model.objects.select_related("account", "lead", "product").filter(pk=pk).first()
        if row is None:
            raise Http404
        return row

    def _ask(self, request: HttpRequest, row: Any, kind: kinds.ChangeKind, form: Any, **more: Any) -> HttpResponse:
        connection = connection_of(row.account)
        family = kind.family({"transaction": row.kartra_id, "subscription": row.kartra_id})
        context = {
            **self.admin_site.each_context(request),
            "title": kind.label,
            "opts": self.opts,
            "row": row,
            "kind": kind,
            "form": form,
            "by_script": ask.from_script(request),
            "in_words": {
                name: orders.in_words(amount, row.currency)
                for name, amount in {"refunded": None, **more, "paid": row.full_amount, "left": form.left}.items()
                if isinstance(amount, Decimal)
            }
            if isinstance(row, Transaction)
            else {},
            "before": LeadChange.objects.filter(account=row.account, family=family, status__in=OPEN).first(),
            "why_not": switch.why_not_sending(connection)
            if connection
            else _("This account is not connected to Kartra yet."),
            **more,
        }
        own = "money_form" if context["by_script"] else "money"
        return TemplateResponse(request, f"admin/leads/{own}.html", context)

    def _recorded(self, request: HttpRequest, row: Any, recorded: list[LeadChange]) -> HttpResponse:
        """Back to the lead; where its page asked, it is there already and tells the outcome itself."""
        if ask.from_script(request):
            return ask.done()
        say_recorded(request, row.account, recorded)
        return HttpResponseRedirect(f"{row.lead.get_absolute_url()}?tab=money")

    def _refused(self, request: HttpRequest, row: Any, words: str) -> HttpResponse:
        self.message_user(request, words, messages.ERROR)
        return HttpResponseRedirect(row.lead.get_absolute_url() if row.lead else "../../")


@admin.register(Transaction)
class TransactionAdmin(_MoneyAdmin):
    list_display = ["kartra_id", "type", "lead", "product", "full_amount", "currency", "at", "confirmed"]
    list_filter = [
        ("account", RelatedDropdownFilter),
        ("type", KeptValuesFilter),
        ("product", RelatedDropdownFilter),
        ("at", RangeDateTimeFilter),
        "reported",
    ]
    search_fields = ["=kartra_id", "=lead__kartra_id", "lead__email"]
    list_select_related = ["lead", "product", "account"]
    change_list_template = "admin/leads/transaction_list.html"

    @admin.display(description=gettext_lazy("confirmed"), boolean=True, ordering="reported")
    def confirmed(self, row: Transaction) -> bool:
        return not row.reported

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("find/", view(self.find_view), name="leads_transaction_find"),
            path("<int:pk>/refund/", view(self.refund_view), name="leads_transaction_refund"),
            *super().get_urls(),
        ]

    def find_view(self, request: HttpRequest) -> HttpResponse:
        """Ask Kartra whether it has a transaction."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return kartra_lookup.transaction_page(request, self.admin_site.each_context(request))

    def refund_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Refund a sale, in whole or part; with it, if wanted, end the plan behind it."""
        kind, ending = kinds.REFUND, kinds.CANCEL
        sale = self._row(request, pk, kind)
        if sale.lead is None or sale.type.lower() not in REFUNDABLE:
            return self._refused(request, sale, _("Only a sale or rebill of a lead that we know can be refunded."))
        form = RefundForm(sale, request.POST or None)
        if not request.user.has_perm(ending.permission):
            form.fields.pop("cancel_plan", None)
        if request.method == "POST" and form.is_valid():
            why = form.cleaned_data["why"]
            try:
                with transaction.atomic():
                    recorded = changes.record_changes(sale.lead, kind, form.given, by=request.user, why=why)
                    if form.cleaned_data.get("cancel_plan"):
                        given = {"subscription": sale.subscription.kartra_id}
                        recorded += changes.record_changes(sale.lead, ending, given, by=request.user, why=why)
            except (changes.CannotRecord, kinds.BadParameters) as problem:
                form.add_error(None, str(problem))
            else:
                return self._recorded(request, sale, recorded)
        return self._ask(request, sale, kind, form, refunded=given_back(sale))


@admin.register(RecurringSubscription)
class RecurringSubscriptionAdmin(_MoneyAdmin):
    list_display = ["kartra_id", "status", "lead", "product", "next_amount", "next_at", "started_at"]
    list_filter = [("account", RelatedDropdownFilter), ("status", KeptValuesFilter), ("product", RelatedDropdownFilter)]
    search_fields = ["=kartra_id", "=lead__kartra_id", "lead__email"]
    list_select_related = ["lead", "product", "account"]

    @admin.display(description=gettext_lazy("next payment amount"), ordering="next_payment_amount", empty_value="—")
    def next_amount(self, plan: RecurringSubscription) -> Decimal | None:
        return plan.next_payment_amount if plan.is_charged else None

    @admin.display(description=gettext_lazy("next payment at"), ordering="next_payment_at", empty_value="—")
    def next_at(self, plan: RecurringSubscription) -> dt.datetime | None:
        return plan.next_payment_at if plan.is_charged else None

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/ask/<slug:kind>/", view(self.ask_view), name="leads_recurringsubscription_ask"),
            *super().get_urls(),
        ]

    def ask_view(self, request: HttpRequest, pk: int, kind: str) -> HttpResponse:
        """Cancel, pause, unpause or change a payment plan."""
        asked = kinds.ALL.get(kind)
        if asked is None or asked.noun != "subscription":
            raise Http404
        plan = self._row(request, pk, asked)
        if plan.lead is None:
            return self._refused(
                request,
                plan,
                _("We do not know whose subscription this is. Update the lead's transactions from Kartra first."),
            )
        form = PlanForm(asked, plan, request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                recorded = changes.record_changes(
                    plan.lead, asked, form.given, by=request.user, why=form.cleaned_data["why"]
                )
            except (changes.CannotRecord, kinds.BadParameters) as problem:
                form.add_error(None, str(problem))
            else:
                return self._recorded(request, plan, recorded)
        return self._ask(request, plan, asked, form, access=ACCESS if asked is kinds.CANCEL else "")
