"""Changes that a person must decide about: conflicts found, and the answers."""

import copy
import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from leads import clock, transitions
from leads.access import Author, user_of
from leads.changes import runs
from leads.kinds.profile import gives
from leads.kinds.writable_fields import CUSTOM
from leads.mirror import lock_leads
from leads.models import Activity, Answer, ChangeRemark, ChangeStatus, Lead, LeadChange, Reason, Source
from leads.models.remarks import Remarks, remark
from leads.signals import announce

ANSWERS = {"happened": Answer.HAPPENED, "again": Answer.AGAIN, "give-up": Answer.GIVE_UP}
ABOUT_A_CONFLICT = {"give-up": Answer.KEEP_THEIRS, "again": Answer.SEND_OURS}


class CannotDecide(ValueError):
    """There is nothing to decide, or not so. The text is a sentence for the person who asked."""


def value_now(lead: Lead, name: str) -> Any:
    """What our copy holds of a field, as a change would write it: option ids for custom choices."""
    if not name.startswith(CUSTOM):
        return getattr(lead, name)
    value = lead.custom_values.get(name.removeprefix(CUSTOM), "")
    return [str(option[0]) for option in value] if isinstance(value, list) else value


def same(one: Any, other: Any) -> bool:
    """Whether two values of a field are the same: one chosen option stands as a list or alone."""
    lists = [[str(v) for v in (value if isinstance(value, list) else [value]) if v] for value in (one, other)]
    return lists[0] == lists[1]


def conflicts_of(lead: Lead, change: LeadChange, before: Iterable[LeadChange] = ()) -> list[str]:
    """Fields that hold neither what the person saw nor what is wanted: somebody changed them in Kartra meanwhile. `before`:
    changes that go out ahead of it in the same call; what they set is overtaken, not in conflict."""
    ahead = {name for each in before if each.family == change.family for name in each.parameters}
    return [
        name
        for name, accepted in change.baseline.items()
        if name in change.parameters
        and name not in ahead
        and not same(value_now(lead, name), change.parameters[name])
        and not any(same(value_now(lead, name), value) for value in accepted)
    ]


def hold(lead: Lead, change: LeadChange, fields: list[str]) -> None:
    """Leave a conflicting change to a person."""
    told = [remark(ChangeRemark.FIELD_IS_NOW, field=name, value=_value(lead, name)) for name in fields]
    transitions.settle(change, ChangeStatus.UNDECIDED, at=clock.now(), reason=Reason.CONFLICT, remark=told)
    if change.run_id:
        transitions.finish_run_if_over(change.run_id)


def _value(lead: Lead, name: str) -> Remarks:
    """What our copy holds of a field, chosen options by their words."""
    own = name.removeprefix(CUSTOM)
    value = lead.custom_values.get(own, "") if name.startswith(CUSTOM) else getattr(lead, name)
    told = ", ".join(str(option[-1]) for option in value) if isinstance(value, list) else str(value)
    return told or remark(ChangeRemark.EMPTY)


def answers_to(change: LeadChange) -> dict[str, Any]:
    """The answers that a person may give about an undecided change, in words: of a conflict, which value is to be."""
    return {name: answer.label for name, answer in _answers(change).items()}


def _answers(change: LeadChange) -> dict[str, Answer]:
    return ABOUT_A_CONFLICT if change.reason == Reason.CONFLICT else ANSWERS


def dropped(lead: Lead, change: LeadChange) -> str:
    """Of a conflict: what "keep theirs" gives up besides, in fields that nobody else changed; empty where there is none."""
    rest = _besides(lead, change)
    return _kind(change).sentence(rest) if rest else ""


def _besides(lead: Lead, change: LeadChange) -> dict[str, Any]:
    """The fields that are given up besides, and what they were to be."""
    if change.reason != Reason.CONFLICT:
        return {}
    ours = {name: change.parameters[name] for name in change.baseline if name in change.parameters}
    conflicts = conflicts_of(lead, change)
    return {n: value for n, value in ours.items() if n not in conflicts and not same(value_now(lead, n), value)}


def asked_together(change: LeadChange) -> list[LeadChange]:
    """The other changes whose question this one's answer decides, in the order in which they were sent."""
    return list(change.decides.filter(status=ChangeStatus.UNDECIDED).select_related("requested_by").order_by("pk"))


def decide(change: LeadChange, answer: str, *, by: Author = None, why: str = "") -> LeadChange:
    """A person's answer about an undecided change: `happened`, `again` (for a conflict: send ours) or `give-up` (keep
    theirs). It holds for all that travelled with it about the same thing, in order, and is written into the timeline. Raises
    CannotDecide."""
    if answer not in ANSWERS:
        raise CannotDecide(_("The answers are: %(answers)s.") % {"answers": ", ".join(ANSWERS)})
    with transaction.atomic():
        lock_leads([change.lead_id])  # before all else, as every writer does
        asked = LeadChange.objects.filter(Q(pk=change.pk) | Q(decides=change.pk)).order_by("-pk")
        head = asked.first() or change
        rows = LeadChange.objects.filter(Q(pk=head.pk) | Q(decided_with=head.pk)).order_by("pk")
        held = list(rows.select_for_update(of=("self",)).select_related("lead__account"))
        last = held[-1]
        if last.status != ChangeStatus.UNDECIDED:
            raise CannotDecide(
                _("This change needs no decision: it is %(status)s.") % {"status": last.get_status_display()}
            )
        if last.reason == Reason.CONFLICT and answer == "happened":
            raise CannotDecide(_("Kartra holds something else: keep theirs (give-up) or send ours (again)."))
        at = clock.now()
        what = [{"kind": each.kind, "parameters": each.parameters} for each in held]
        told = {"what": what, "answer": remark(_answers(last)[answer]), "why": why[:500], "by": str(user_of(by) or "")}
        {"happened": _it_happened, "again": _send_again, "give-up": _give_up}[answer](held, at)
        Activity.objects.create(
            account_id=last.account_id,
            lead=last.lead,
            kind="decided",
            at=at,
            source=Source.STAFF,
            change=last,
            details=told,
        )
    for run_id in {each.run_id for each in held if each.run_id}:
        transitions.finish_run_if_over(run_id)
    return next(each for each in held if each.pk == change.pk)


def _it_happened(held: list[LeadChange], at: dt.datetime) -> None:
    """The last is so. What came before it is overtaken; of edits, those that gave no field that stands."""
    last = held[-1]
    fields = gives([each.parameters for each in held]) if last.family == "profile" else []
    for place, each in enumerate(held):
        gave = fields[place] if fields else None
        if each is not last and not (gave or _kind(each).creates):
            transitions.settle(each, ChangeStatus.SUPERSEDED, at=at, superseded_by=last.pk)
            continue
        transitions.settle(each, ChangeStatus.ACCEPTED, at=at, code=each.code, remark=remark(ChangeRemark.HAPPENED))
        effect = copy.copy(each)
        if gave is not None:
            effect.parameters = {name: value for name, value in each.parameters.items() if name in gave}
        _kind(each).effect(effect, at)


def _send_again(held: list[LeadChange], at: dt.datetime) -> None:
    for each in held:
        each.baseline = {name: [value_now(each.lead, name)] for name in each.baseline}
        last = each is held[-1] and each.reason != Reason.CONFLICT
        each.force = each.force or (last and _looks_so(each))
        each.save(update_fields=["baseline", "force"])
        transitions.settle(each, ChangeStatus.WAITING, at=at, remark=remark(ChangeRemark.ASKED_AGAIN), not_done=0)
        if each.run_id:
            runs.reopen(each.run_id)
    announce(held[-1].account_id)


def _looks_so(change: LeadChange) -> bool:
    """Whether it is so already by our copy: then it is sent all the same, because somebody who looked wants it sent."""
    already = _kind(change).already_so_q
    if already is None:
        return False
    return bool(Lead.objects.filter(already(change.account, change.parameters), pk=change.lead_id).exists())


def _give_up(held: list[LeadChange], at: dt.datetime) -> None:
    for each in held:
        kept = each.reason == Reason.CONFLICT
        told = remark(ChangeRemark.KEPT_THEIRS) if kept else remark(ChangeRemark.GIVEN_UP)
        if besides := _besides(each.lead, each):
            given_up = {"kind": each.kind, "parameters": besides}
            told["also"] = remark(ChangeRemark.NOT_SENT_EITHER, change=given_up)
        transitions.settle(each, ChangeStatus.CANCELLED, at=at, code=each.code, remark=told)


def _kind(change: LeadChange) -> Any:
    from leads import kinds

    return kinds.get_kind(change.kind)
