"""Lines of home about single changes: questions that wait for an answer, and what Kartra refused. One that is the only one of its
cause is told by its lead's name, with its own form behind it."""

from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Max
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _, ngettext

from integrations.push.settle import remedy
from leads import access, kinds
from leads.models import LeadChange, Reason

CAUSES_SHOWN = 5

DECISIONS = {
    Reason.CONFLICT: lambda n: ngettext(
        "change met another one of the same field: which one counts?",
        "changes met others of the same fields: which ones count?",
        n,
    ),
    Reason.OUTCOME: lambda n: ngettext("change whose result is not known", "changes whose results are not known", n),
    Reason.UNLISTED_CODE: lambda n: ngettext(
        "change that Kartra answered in a way it does not document",
        "changes that Kartra answered in a way it does not document",
        n,
    ),
    Reason.FIREWALL: lambda n: ngettext(
        "change that was sent twice and not done", "changes that were sent twice and not done", n
    ),
}


def line_of(
    level: str, words: str, *, number: int | None = None, why: str = "", url: str = "", do: str = "", takes: str = ""
) -> dict[str, Any]:
    """`takes`: the permission without which nothing can be done about it."""
    return {"level": level, "number": number, "words": words, "why": why, "url": url, "do": do, "takes": takes}


def questions(user: access.RequestUser) -> list[dict[str, Any]]:
    rows = access.only_mine(LeadChange.objects.questions(), user)
    numbers = list(rows.order_by("reason").values_list("reason").annotate(n=Count("pk"), last=Max("pk")))
    single = LeadChange.objects.select_related("lead", "requested_by").in_bulk([pk for _r, n, pk in numbers if n == 1])
    return [
        _question(single[last], user)
        if last in single
        else line_of(
            "warn",
            DECISIONS[Reason(reason)](number) if reason in DECISIONS else _("changes need your decision"),
            number=number,
            url=f"{reverse('admin:decisions')}?{urlencode({'reason': reason})}",
            takes=_takes(reason),
        )
        for reason, number, last in numbers
    ]


def _takes(reason: str, kind: str = "") -> str:
    """The permission for an answer: of two who changed the same, that for the change itself."""
    own = kinds.get_kind(kind).permission if kind else ""
    return own if reason == Reason.CONFLICT else "leads.decide_change"


def _question(change: LeadChange, user: access.RequestUser) -> dict[str, Any]:
    """The only one of its reason: by the lead's name, with its own page behind it."""
    own = kinds.get_kind(change.kind).permission
    takes = own if not user.has_perm(own) else _takes(change.reason, change.kind)
    return line_of(
        "warn",
        f"{change.lead}: {change}",
        why=" · ".join(filter(None, [capfirst(change.get_reason_display()), str(change.requested_by or "")])),
        url=reverse("admin:decision", args=[change.pk]),
        do=_("Decide"),
        takes=takes,
    )


def refusals(user: access.RequestUser) -> list[dict[str, Any]]:
    """What Kartra refused and nobody has dealt with yet, by cause, most frequent first."""
    rows = access.only_mine(LeadChange.objects.failed(), user)
    causes = list(
        rows.order_by()
        .values("kind", "code")
        .annotate(number=Count("pk"), last=Max("pk"))
        .order_by("-number", "kind", "code")[: CAUSES_SHOWN + 1]
    )
    last = LeadChange.objects.select_related("lead", "requested_by").in_bulk([cause["last"] for cause in causes])
    found = [
        _failure(last[cause["last"]])
        if cause["number"] == 1
        else line_of(
            "bad",
            ngettext("failed change: %(kind)s", "failed changes: %(kind)s", cause["number"])
            % {"kind": capfirst(kinds.get_kind(cause["kind"]).label)},
            number=cause["number"],
            why=_sentences(last[cause["last"]].words, remedy(cause["code"])),
            url=f"{reverse('admin:failures')}?{urlencode({'kind': cause['kind'], 'code': cause['code']})}",
            takes=kinds.get_kind(cause["kind"]).permission,
        )
        for cause in causes[:CAUSES_SHOWN]
    ]
    if len(causes) > CAUSES_SHOWN:
        words = _("failed changes in all, with these and other causes")
        found.append(line_of("bad", words, number=rows.count(), url=reverse("admin:failures")))
    return found


def _failure(change: LeadChange) -> dict[str, Any]:
    """The only one of its cause: by the lead's name, with its own form behind it."""
    kind = kinds.get_kind(change.kind)
    by = f" ({change.requested_by})" if change.requested_by else ""
    return line_of(
        "bad",
        _("%(lead)s: %(change)s failed") % {"lead": change.lead, "change": f"“{capfirst(str(change))}”"},
        why=f"{_sentences(change.words, remedy(change.code))}{by}",
        url=reverse("admin:failure", args=[change.pk]),
        do=_("Look") if kind.money else _("Correct"),
        takes=kind.permission,
    )


def _sentences(*parts: str) -> str:
    return " ".join(part if part.endswith(".") else f"{part}." for part in parts if part)
