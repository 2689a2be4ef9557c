"""What nobody can know: each such change with its evidence, and the answers a person may give."""

import datetime as dt
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _, gettext_lazy

from integrations.push.settle import remedy
from leads import access, kinds, labels
from leads.changes import conflicts
from leads.labels import STATUS_WORDS
from leads.models import ChangeStatus, LeadChange, Reason

PER_PAGE = 50

WHAT_TO_DO = {
    Reason.OUTCOME: gettext_lazy(
        "Look at the lead in Kartra. If it is done there, say so; if not, have it sent again."
    ),
    Reason.REPEATED: gettext_lazy(
        "It was sent more than once, and each time Kartra did not show it. Look at the lead in Kartra, then decide."
    ),
    Reason.UNLISTED_CODE: gettext_lazy(
        "Kartra gave a reason that it does not document. Look at the lead in Kartra, then decide."
    ),
    Reason.CONFLICT: gettext_lazy("The same field was changed after you looked. Keep what Kartra holds, or send ours."),
}


FOLLOWS = {
    ("happened", False): gettext_lazy("We mark it done. Nothing is sent."),
    ("again", False): gettext_lazy("We send it once more, now."),
    ("give-up", False): gettext_lazy("We leave it. Nothing is sent, nothing is changed."),
    ("again", True): gettext_lazy("We send what was asked for. What Kartra holds now is overwritten."),
    ("give-up", True): gettext_lazy("What Kartra holds stays. Nothing of it is sent."),
}
"""What each answer leads to, by whether two people changed the same."""


def _question(change: LeadChange) -> str:
    if change.status != ChangeStatus.UNDECIDED:
        return capfirst(str(change))
    if change.reason == Reason.CONFLICT:
        return _("Which one counts: %(change)s?") % {"change": change}
    return _("Did this happen: %(change)s?") % {"change": change}


def advice(change: LeadChange) -> Any:
    """What to do about a change that needs a decision. Who typed no text is not told to change one."""
    if change.reason == Reason.FIREWALL and kinds.warnings(change.parameters):
        return _(
            "It was sent twice without a clear answer, and was not done. Kartra's firewall may refuse the "
            "text: change it and ask again, or give it up."
        )
    if change.reason == Reason.FIREWALL:
        return _(
            "It was sent twice without a clear answer, and was not done. Look at the lead in Kartra, then send "
            "it again or give "
            "it up."
        )
    return WHAT_TO_DO.get(Reason(change.reason), "") if change.reason else ""


def page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """All that waits for a decision, oldest first; of one `reason`, if asked for."""
    if not request.user.has_perm("leads.view_leadchange"):
        raise PermissionDenied
    rows = access.only_mine(LeadChange.objects.questions(), request.user)
    rows = rows.select_related("lead", "run", "requested_by").prefetch_related("decides")
    reason = request.GET.get("reason", "")
    if reason:
        rows = rows.filter(reason=reason)
    shown = Paginator(rows.order_by("pk"), PER_PAGE).get_page(request.GET.get("page"))
    return TemplateResponse(
        request,
        "admin/queue/decisions.html",
        {**context, "title": _("Needs your decision"), "shown": shown, "reason": reason},
    )


def one(request: HttpRequest, pk: int, context: dict[str, Any]) -> HttpResponse:
    """One change with its evidence. A POST decides."""
    rows = access.only_mine(LeadChange.objects.filter(pk=pk), request.user)
    change = rows.select_related("lead__account", "run", "requested_by").first()
    if not request.user.has_perm("leads.view_leadchange"):
        raise PermissionDenied
    if change is None:
        raise Http404
    wanted = [kinds.get_kind(change.kind).permission]
    wanted += [] if change.reason == Reason.CONFLICT else ["leads.decide_change"]
    lacks = next((each for each in wanted if not request.user.has_perm(each)), "")
    may = not lacks
    if request.method == "POST":
        if not may:
            raise PermissionDenied
        return _decide(request, change)
    return TemplateResponse(
        request,
        "admin/queue/decision.html",
        {
            **context,
            "title": str(change),
            "change": change,
            "may": may,
            "who": access.who_may(lacks) if lacks else "",
            "question": _question(change),
            "answers": [
                {"name": name, "words": words, "follows": FOLLOWS[name, change.reason == Reason.CONFLICT]}
                for name, words in conflicts.answers_to(change).items()
            ],
            "dropped": conflicts.dropped(change.lead, change),
            "advice": advice(change),
            "remedy": remedy(change.code),
            "attempts": _attempts(change),
            "held": _held(change),
            "undecided": change.status == ChangeStatus.UNDECIDED,
            "together": conflicts.asked_together(change),
            "next": _next(request, change),
        },
    )


def _next(request: HttpRequest, change: LeadChange) -> int | None:
    """The decision after this one, from the last on to the first; None where there is no other."""
    others = access.only_mine(LeadChange.objects.questions().exclude(pk=change.pk), request.user).order_by("pk")
    keys = others.values_list("pk", flat=True)
    return keys.filter(pk__gt=change.pk).first() or keys.first()


def _decide(request: HttpRequest, change: LeadChange) -> HttpResponse:
    here = HttpResponseRedirect(reverse("admin:decision", args=[change.pk]))
    why = request.POST.get("why", "").strip()[:500]
    if not why:
        messages.error(request, _("Nothing was decided. Say why: it is written into the lead's timeline."))
        return here
    try:
        decided = conflicts.decide(change, request.POST.get("answer", ""), by=request.user, why=why)
    except conflicts.CannotDecide as problem:
        messages.error(request, str(problem))
        return here
    messages.success(request, told(decided))
    return HttpResponseRedirect(reverse("admin:decisions"))


def told(decided: LeadChange) -> str:
    """What became of a change by a person's answer."""
    return f"{capfirst(str(decided))}: {STATUS_WORDS[decided.status]}. {decided.words}"


def _held(change: LeadChange) -> int:
    """How many later changes wait for this one."""
    later = LeadChange.objects.filter(lead=change.lead_id, family=change.family, pk__gt=change.pk)
    return later.filter(status=ChangeStatus.WAITING).count()


def _attempts(change: LeadChange) -> list[dict[str, Any]]:
    """Each try: when it was sent, what was known before, what Kartra answered, and what was seen afterwards."""
    found = []
    for attempt in change.attempts.select_related("call").order_by("pk"):
        found.append(
            {
                "attempt": attempt,
                "call": attempt.call,
                "before": labels.known_before(attempt.before),
                "seen": [
                    {
                        "at": dt.datetime.fromisoformat(entry["at"]) if entry.get("at") else None,
                        "what": labels.what_was_seen(entry),
                        "rest": labels.also_seen(entry),
                    }
                    for entry in attempt.evidence
                ],
            }
        )
    return found
