"""How many of all leads our copy knows, where a person entered Kartra's own total. Kartra's API does not tell it."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from kartra_mirror.ui.unfold_adapter import style
from leads import access, clock
from leads.models import Account

KEPT_S = 60


def totals(user: access.RequestUser) -> list[Account]:
    """The person's accounts, each with `known`: its leads that Kartra has, as far as we know. One query."""
    absent = Q(leads__absent_at__isnull=False, leads__kartra_id=None)
    return list(_mine(user).annotate(known=Count("leads", filter=Q(leads__gone_at=None) & ~absent)))


def sentences(user: access.RequestUser) -> list[str]:
    """ "59,870 of 60,214 known" for each of the person's accounts whose total was entered; counted once in a minute, for it
    stands on a page that is opened all the time."""
    entered = list(_mine(user).exclude(contacts_in_kartra=None))
    if not entered:
        return []
    for account in entered:
        number = cache.get_or_set(f"known-leads-{account.pk}", partial(_known, account), KEPT_S)
        account.known = number  # type: ignore[attr-defined]
    many = _mine(user).count() > 1
    return [f"{account}: {in_words(account)}" if many else in_words(account) for account in entered]


def _known(account: Account) -> int:
    return account.leads.filter(gone_at=None).exclude(absent_at__isnull=False, kartra_id=None).count()


def _mine(user: access.RequestUser) -> QuerySet[Account]:
    return access.only_mine(Account.objects.all(), user)


def in_words(account: Account) -> str:
    known: int = account.known  # type: ignore[attr-defined]
    if account.contacts_in_kartra is None:
        return _("%(known)s known") % {"known": f"{known:,}"}
    return _("%(known)s of %(all)s known") % {"known": f"{known:,}", "all": f"{account.contacts_in_kartra:,}"}


class TotalForm(forms.ModelForm):
    class Meta:
        model = Account
        fields = ["contacts_in_kartra"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        style(self)


def page(request: HttpRequest, account_id: int, context: dict[str, Any]) -> HttpResponse:
    """Enter the total that Kartra shows."""
    if not request.user.has_perm("leads.change_account"):
        raise PermissionDenied
    account = _mine(request.user).filter(pk=account_id).first()
    if account is None:
        raise Http404
    form = TotalForm(request.POST or None, instance=account)
    if request.method == "POST" and form.is_valid():
        account.contacts_counted_at = clock.now() if account.contacts_in_kartra is not None else None
        account.save(update_fields=["contacts_in_kartra", "contacts_counted_at"])
        messages.success(request, _("Kartra's total of %(account)s is kept.") % {"account": account})
        return HttpResponseRedirect(reverse("admin:leads_import_changelist"))
    words = _("How many contacts does Kartra show on its own Leads page? Leave it empty if you do not know.")
    shown = {
        "title": _("Kartra's total of %(account)s") % {"account": account},
        "words": words,
        "form": form,
        "button": _("Keep"),
        "opts": Account._meta,
    }
    return TemplateResponse(request, "admin/ui/form.html", {**context, **shown, "answer": None})
