"""What became of what somebody has just asked for, as sentences to read aloud to the person on the phone."""

import datetime as dt
from dataclasses import dataclass

from django.utils import timezone
from django.utils.formats import time_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from integrations.models import Proof
from integrations.push.settle import remedy
from integrations.sending import switch
from kartra_mirror.frame.parts import look
from kartra_mirror.ui.throughput import connection_of
from leads import clock, kinds
from leads.access import RequestUser, user_of
from leads.labels import overtaken_words
from leads.models import Activity, ChangeStatus, Lead, LeadChange, Reason

JUST_NOW = dt.timedelta(minutes=30)
SAID = 5


@dataclass(frozen=True)
class Sentence:
    """What became of one change. `status` is the change's own, and `look` the colour of it."""

    change: LeadChange
    status: str
    words: str
    may_cancel: bool = False

    @property
    def look(self) -> str:
        return look(self.status)

    @property
    def picture(self) -> str:
        return {"good": "check", "bad": "x", "warn": "q", "wait": "clock"}.get(self.look, "minus")


def just_now(lead: Lead, user: RequestUser) -> list[Sentence]:
    """The outcomes of this person's last requests about the lead, at most SAID, those of the last JUST_NOW."""
    rows = lead.changes.filter(requested_by=user_of(user), requested_at__gt=clock.now() - JUST_NOW, run=None)
    found = list(rows.order_by("-pk")[:SAID])
    if not found:
        return []
    connection = connection_of(lead.account)
    why_not = switch.why_not_sending(connection) if connection is not None else ""
    for change in found:
        change.lead = lead
    return [Sentence(change, change.status, sentence(change, why_not), _may_cancel(change, user)) for change in found]


def _may_cancel(change: LeadChange, user: RequestUser) -> bool:
    return change.status == ChangeStatus.WAITING and user.has_perm(kinds.get_kind(change.kind).permission)


def sentence(change: LeadChange, why_not: str = "") -> str:
    """One change's outcome. `why_not`: why nothing is sent just now, if so."""
    name, what = str(change.lead), capfirst(str(change))
    told = {"what": what, "lead": name}
    match change.status:
        case ChangeStatus.ACCEPTED:
            at = time_format(timezone.localtime(change.settled_at), "H:i")
            done = kinds.get_kind(change.kind).done_message(name, change.parameters) or f"{what}."
            return _("%(done)s Kartra confirmed it at %(at)s.") % {"done": done, "at": at}
        case ChangeStatus.REJECTED:
            refused = _("Kartra refused “%(what)s” for %(lead)s: %(why)s.") % {
                **told,
                "why": change.words.rstrip(".") or change.code or _("it gave no reason"),
            }
            return f"{refused} {remedy(change.code)}".strip()
        case ChangeStatus.SKIPPED:
            return _skipped(change, told)
        case ChangeStatus.CANCELLED:
            return _cancelled(change, told)
        case ChangeStatus.SUPERSEDED:
            words = _("“%(what)s” for %(lead)s was %(overtaken)s.")
            return words % {**told, "overtaken": overtaken_words(change)}
        case ChangeStatus.UNDECIDED:
            return _undecided(change, told)
        case ChangeStatus.UNKNOWN:
            return (
                _("Kartra gave no clear answer to “%(what)s” for %(lead)s. We are checking whether it was done.") % told
            )
        case ChangeStatus.SENDING:
            return _("“%(what)s” for %(lead)s is being sent to Kartra.") % told
    if why_not:
        return _("“%(what)s” for %(lead)s is kept and not sent yet. %(why)s") % {**told, "why": why_not}
    return _("“%(what)s” for %(lead)s is next to be sent to Kartra.") % told


def _skipped(change: LeadChange, told: dict[str, str]) -> str:
    if change.reason == Reason.ALREADY_SO:
        return _("No change needed: “%(what)s” was already true for %(lead)s.") % told
    if change.reason == Reason.GONE:
        return _("“%(what)s” was not sent: %(lead)s is deleted in Kartra.") % told
    if change.reason == Reason.ABSENT:
        return _("“%(what)s” was not sent: Kartra has no lead of the address of %(lead)s.") % told
    return _("“%(what)s” was not sent: %(lead)s was left out.") % told


def _cancelled(change: LeadChange, told: dict[str, str]) -> str:
    proofs = set(change.attempts.values_list("proof", flat=True))
    if Proof.UNDECIDED in proofs:
        return _("“%(what)s” for %(lead)s was given up. We do not know whether Kartra did it.") % told
    if proofs:
        return _("“%(what)s” for %(lead)s was given up; nothing was changed in Kartra.") % told
    words = _("“%(what)s” for %(lead)s was cancelled before it was sent; nothing was changed in Kartra.") % told
    return f"{words} {change.words}".strip()


def changed_here_by(change: LeadChange) -> str:
    """The colleague whose change of the same field, made here, was the last before this one met it; "" where it was not one
    of ours."""
    fields = [*change.baseline, *(f"custom.{name}" for name in change.baseline)]
    lines = Activity.objects.filter(lead=change.lead_id, details__field__in=fields).select_related(
        "change__requested_by"
    )
    last = lines.filter(kind__in=["field_changed", "changed_in_kartra"]).order_by("-at", "-pk").first()
    return str(last.change.requested_by or "") if last is not None and last.change is not None else ""


def _undecided(change: LeadChange, told: dict[str, str]) -> str:
    told = {**told, "now": change.words, "code": change.code}
    if change.reason == Reason.CONFLICT and change.attempts.filter(proof=Proof.UNDECIDED).exists():
        return _(
            "“%(what)s” was sent for %(lead)s and its answer was lost; the same thing was changed in Kartra meanwhile: "
            "%(now)s. Somebody has to decide which one counts."
        ) % {**told, "now": change.words.rstrip(".")}
    if change.reason == Reason.CONFLICT:
        words = _(
            "“%(what)s” was not sent for %(lead)s, because it was changed meanwhile: %(now)s. Somebody has to "
            "decide which one counts."
        )
        if colleague := changed_here_by(change):
            told["person"] = colleague
            words = _(
                "“%(what)s” was not sent for %(lead)s, because %(person)s changed it here meanwhile: %(now)s. "
                "Somebody has to decide which one counts."
            )
        return words % told
    if change.reason == Reason.FIREWALL:
        words = _("“%(what)s” was sent for %(lead)s twice and was not done. It needs a decision.")
        if kinds.warnings(change.parameters):
            words = _(
                "“%(what)s” was sent for %(lead)s twice and was not done; Kartra's firewall may refuse the "
                "text. It needs a "
                "decision."
            )
        return words % told
    if change.reason == Reason.REPEATED:
        return (
            _("“%(what)s” was sent for %(lead)s more than once, and each time it was not done. It needs a decision.")
            % told
        )
    if change.reason == Reason.UNLISTED_CODE:
        return (
            _(
                "Kartra answered “%(what)s” for %(lead)s with a code that it does not document (%(code)s), so "
                "nobody can say "
                "yet whether it was done. It needs a decision."
            )
            % told
        )
    return _("We do not know whether “%(what)s” was done for %(lead)s. It needs a decision.") % told
