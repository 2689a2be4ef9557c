"""Failed changes: what Kartra refused, by cause, with the remedy; tried again, taken as CSV, or closed with a reason."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _, ngettext

from integrations.push.settle import remedy
from kartra_mirror.ui.downloads import csv_response
from leads import access, changes, kinds
from leads.changes import correct, retry
from leads.csv_cells import shield
from leads.labels import NEW_CONTACTS
from leads.models import Account, ChangeStatus, LeadChange


def page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """The groups. A POST tries one of them again, or closes it."""
    user = request.user
    if not user.has_perm("leads.view_leadchange"):
        raise PermissionDenied
    if request.method == "POST":
        return _do(request)
    failed = _failed(user)
    only = {name: request.GET[name] for name in ("kind", "code") if name in request.GET}
    found = retry.groups(failed.filter(**only), user)
    decides = user.has_perm(correct.DECIDE)
    beyond = {_lacks(user, group) for group in found} | {"" if decides else correct.DECIDE}
    groups = access.groups_with(*filter(None, beyond))
    accounts = Account.objects.in_bulk({group.account_id for group in found})
    shown = []
    for group in found:
        kind, takes = kinds.get_kind(group.kind), _lacks(user, group)
        told = {
            "group": group,
            "account": accounts[group.account_id],
            "remedy": remedy(group.code),
            "query": _query(group),
            "one_by_one": _one_by_one(group),
            "notice": NEW_CONTACTS if kind.creates else "",
            "may_retry": not kind.money and not takes,
            "who_retries": access.words_of_groups(groups[takes]) if takes and not kind.money else "",
            "dismissed": group.number if decides else group.own,
            "who_dismisses": "" if decides or group.own else access.words_of_groups(groups[correct.DECIDE]),
        }
        shown.append(told)
    total = sum(group.number for group in found)
    return TemplateResponse(
        request,
        "admin/queue/failures.html",
        {
            **context,
            "title": _("Failed changes"),
            "groups": shown,
            "total": total,
            "may_export": user.has_perm(access.EXPORT),
            "only": only,
        },
    )


def as_csv(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """The members of one group as a file."""
    if not (request.user.has_perm("leads.view_leadchange") and request.user.has_perm(access.EXPORT)):
        raise PermissionDenied
    members = _members(request.user, request.GET).select_related("lead").order_by("pk")
    _write_down(request, members.count())
    return csv_response(_lines(members), "failed-changes.csv")


def _write_down(request: HttpRequest, number: int) -> None:
    """Who took how many, of which account, kind and code."""
    kind = kinds.get_kind(request.GET["kind"])
    told = {"n": f"{number:,}", "account": Account.objects.get(pk=request.GET["account"]), "kind": kind.label}
    words = ngettext(
        "Downloaded %(n)s failed change of %(account)s: %(kind)s",
        "Downloaded %(n)s failed changes of %(account)s: %(kind)s",
        number,
    )
    LogEntry.objects.create(
        user=access.signed_in(request.user),
        content_type=ContentType.objects.get_for_model(LeadChange),
        object_repr=str(_("Failed changes")),
        action_flag=CHANGE,
        change_message=f"{words % told} {request.GET.get('code', '')}".strip()[:2000],
    )


def _lines(members: Any) -> Iterator[list[str]]:
    yield ["lead id", "email", "what", "code", "Kartra's words", "when"]
    for change in members.iterator(chunk_size=2000):
        row = [change.lead.kartra_id or "", change.lead.email, str(change), change.code, change.words]
        yield [*(shield(cell) for cell in row), f"{change.settled_at:%Y-%m-%d %H:%M}"]


def _lacks(user: access.RequestUser, group: retry.Group) -> str:
    """The permission that the person lacks to try the group again; "" where it is all there."""
    wanted = [kinds.get_kind(group.kind).permission, *([access.BULK] if group.number > 1 else [])]
    return next((each for each in wanted if not user.has_perm(each)), "")


def _query(group: retry.Group) -> dict[str, Any]:
    return {"account": group.account_id, "kind": group.kind, "family": group.family, "code": group.code}


def _one_by_one(group: retry.Group) -> str:
    """The list of requested changes with the members of the group, each with its form behind it."""
    narrowed = {
        "status__exact": ChangeStatus.REJECTED,
        "kind": group.kind,
        "code": group.code,
        "about": group.family.partition(":")[2],
        "account__id__exact": group.account_id,
    }
    given = {name: value for name, value in narrowed.items() if value}
    return f"{reverse('admin:leads_leadchange_changelist')}?{urlencode(given)}"


def _failed(user: access.RequestUser) -> Any:
    """What failed in the person's accounts."""
    return access.only_mine(LeadChange.objects.failed(), user)


def _members(user: access.RequestUser, given: Any) -> Any:
    if not str(given.get("account", "")).isdecimal() or given.get("kind") not in kinds.ALL:
        raise Http404
    if not access.works_in(user, int(str(given["account"])[:18])):
        raise Http404
    return _failed(user).filter(
        account=int(given["account"]), kind=given["kind"], family=given.get("family", ""), code=given.get("code", "")
    )


def _do(request: HttpRequest) -> HttpResponse:
    user = request.user
    members = _members(user, request.POST)
    back = HttpResponseRedirect(reverse("admin:failures"))
    why = request.POST.get("why", "").strip()[:500]
    if request.POST.get("do") == "close":
        members = correct.may_dismiss(members, user)
        if not (user.has_perm(correct.DECIDE) or members.exists()):
            raise PermissionDenied
        if not why:
            messages.error(request, _("Nothing was dismissed. Give a reason, so that your colleagues know."))
            return back
        number = retry.close(members, by=user, why=why)
        words = ngettext("%(number)s failed change was dismissed.", "%(number)s failed changes were dismissed.", number)
        messages.success(request, words % {"number": f"{number:,}"})
        return back
    if not user.has_perm(kinds.get_kind(request.POST["kind"]).permission):
        raise PermissionDenied
    try:
        run = retry.retry(Account.objects.get(pk=request.POST["account"]), members, by=user, why=why)
    except changes.CannotRecord as problem:
        messages.error(request, str(problem))
        return back
    return HttpResponseRedirect(run.get_absolute_url())
