"""Exporting chosen leads in the admin: the list's address goes along and says which, the answer is the file."""

import csv
import io
import logging
import tempfile
import zipfile
from pathlib import PurePath
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _, gettext_lazy, ngettext

from kartra_mirror.ui.downloads import csv_response
from kartra_mirror.ui.selection import leads_of, of_list, of_ticks
from kartra_mirror.ui.unfold_adapter import style
from leads import exporting
from leads.access import signed_in
from leads.filters import CannotResolve
from leads.models import Account, Lead

logger = logging.getLogger(__name__)

IDS = "_ids"
FORMS = (
    ("mirror", gettext_lazy("Everything our copy knows, to read or to import here again")),
    ("kartra", gettext_lazy("What Kartra's own import takes (files of under 20,000 rows)")),
)


@admin.action(description=gettext_lazy("Export as a file…"), permissions=["export"])
def export(modeladmin: Any, request: HttpRequest, queryset: QuerySet[Lead]) -> HttpResponse:
    """The drop-down action: on to the page that asks in which form."""
    query = request.GET.copy()
    if request.POST.get("select_across") != "1":
        query[IDS] = ",".join(pk for pk in request.POST.getlist(ACTION_CHECKBOX_NAME) if pk.isdecimal())
    return HttpResponseRedirect(f"{reverse('admin:leads_lead_export')}?{query.urlencode()}")


class ExportForm(forms.Form):
    form = forms.ChoiceField(label=gettext_lazy("In which form"), choices=FORMS, initial="mirror")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        style(self)


def page(request: HttpRequest, context: dict[str, Any]) -> Any:
    """Ask in which form; the answer to that is the file. Who exported how many is written down."""
    if not request.user.has_perm("leads.export_lead"):
        raise PermissionDenied
    query = request.GET.copy()
    ids = query.pop(IDS, None)
    listed = query.urlencode()
    back = f"{reverse('admin:leads_lead_changelist')}?{listed}".rstrip("?")
    try:
        leads = leads_of(of_list(query) if ids is None else of_ticks(ids[-1].split(",")), [request.user])
    except CannotResolve as problem:
        messages.warning(request, str(problem))
        return HttpResponseRedirect(back)
    accounts = list(Account.objects.filter(leads__in=leads).distinct().order_by("name")[:2])
    if len(accounts) != 1:
        words = (
            _("These leads are of more than one account. Filter by one account first, then choose again.")
            if accounts
            else _("No leads are chosen, so there is nothing to export.")
        )
        messages.warning(request, words)
        return HttpResponseRedirect(back)
    form = ExportForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return _file(request, accounts[0], leads, form.cleaned_data["form"], listed)
    shown = {
        "title": _("Export leads as a file"),
        "form": form,
        "chosen": leads.count(),
        "account": accounts[0],
        "back": back,
    }
    return TemplateResponse(request, "admin/data/export.html", {**context, "opts": Lead._meta, **shown})


def _file(request: HttpRequest, account: Account, leads: QuerySet[Lead], form: str, query: str) -> Any:
    pks = exporting.frozen(leads)
    name = f"leads-{timezone.localdate():%Y-%m-%d}.csv"
    words = _("%(form)s, filtered by %(query)s") if query else "%(form)s"
    write_down(request, account, len(pks), words % {"form": dict(FORMS)[form], "query": query})
    if form == "mirror":
        return csv_response(exporting.mirror_lines(account, pks), name)
    return for_kartra(request, exporting.KartraFiles(account, exporting.told(pks)), name)


def for_kartra(request: HttpRequest, made: exporting.KartraFiles, name: str) -> FileResponse:
    """The files that Kartra's own import takes; what is not in them is said on the next page."""
    answer = _packed(made, name)
    for remark in made.remarks():
        messages.warning(request, _("Exported for Kartra: %(remark)s") % {"remark": remark})
    return answer


def _packed(made: exporting.KartraFiles, name: str) -> FileResponse:
    """One file as it is; more of them in a ZIP."""
    packed: Any = tempfile.SpooledTemporaryFile(max_size=1 << 22)  # noqa: SIM115  (closed by the answer)
    count, first = 0, b""
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bundle:
        for count, lines in enumerate(made.files(), start=1):
            text = io.StringIO(newline="")
            csv.writer(text).writerows(lines)
            body = text.getvalue().encode("utf-8-sig")
            first = body if count == 1 else b""
            path = PurePath(name)
            bundle.writestr(f"{path.stem}-{count}{path.suffix}", body)
    if count == 1:
        packed.close()
        return FileResponse(
            io.BytesIO(first), as_attachment=True, filename=name, content_type="text/csv; charset=utf-8"
        )
    packed.seek(0)
    return FileResponse(packed, as_attachment=True, filename=f"{PurePath(name).stem}.zip")


def write_down(request: HttpRequest, account: Account, number: int, what: str) -> None:
    """Leads that leave the house are no small thing: who, when, how many, which and in which form."""
    told = {"number": f"{number:,}", "account": account, "what": what}
    which = ngettext("%(number)s lead of %(account)s", "%(number)s leads of %(account)s", number) % told
    words = ngettext(
        "Exported %(number)s lead of %(account)s: %(what)s.",
        "Exported %(number)s leads of %(account)s: %(what)s.",
        number,
    )
    LogEntry.objects.create(
        user=signed_in(request.user),
        content_type=ContentType.objects.get_for_model(Lead),
        object_id=None,
        object_repr=which[:200],
        action_flag=CHANGE,
        change_message=(words % told)[:2000],
    )
    logger.info("User %s exported %s leads of account %s.", request.user.pk, number, account.pk)
