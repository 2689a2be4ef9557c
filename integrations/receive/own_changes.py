"""Our own changes coming back: which of them a message may be the echo of, and which it proves.

Nothing depends on an echo arriving.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Q

from integrations.kartra.profile import LeadProfile
from integrations.models import Attempt, Channel, Delivery, DeliveryStatus, Proof, Seen, sighting
from integrations.push.settle import ChangeOutcome, apply_outcome, settle_times
from integrations.receive.context import EventContext
from integrations.translate.profile import facts_of
from leads import kinds, mirror, transitions
from leads.kinds.writable_fields import of_profile
from leads.mirror import LeadFacts
from leads.models import ChangeRemark, ChangeStatus, Lead, LeadChange, normal_email
from leads.models.remarks import remark

ECHO_WITHIN_S = 600.0
"""So long after we were told that a change is done its echo is still expected."""

ON_ITS_WAY = (ChangeStatus.SENDING, ChangeStatus.UNKNOWN)

Fits = Callable[[dict[str, Any]], bool]


def anything(parameters: dict[str, Any]) -> bool:
    """Whatever a change asked for, it fits."""
    return True


@dataclass(frozen=True)
class OwnChanges:
    """The changes of ours to a lead that are in flight, unclear, or were confirmed shortly before the message came or since."""

    changes: tuple[LeadChange, ...]
    received_at: dt.datetime

    @classmethod
    def of(cls, lead: Lead | None, received_at: dt.datetime) -> "OwnChanges":
        return cls.of_many([] if lead is None else [lead], received_at)

    @classmethod
    def of_many(cls, leads: Sequence[Lead], received_at: dt.datetime) -> "OwnChanges":
        """Those of several leads, for messages that came at `received_at` or later."""
        if not leads:
            return cls((), received_at)
        since = received_at - dt.timedelta(seconds=ECHO_WITHIN_S)
        recent = Q(status__in=ON_ITS_WAY) | Q(status=ChangeStatus.ACCEPTED, settled_at__gt=since)
        return cls(tuple(LeadChange.objects.filter(recent, lead__in=leads).order_by("pk")), received_at)

    def of_one(self, lead: Lead, received_at: dt.datetime) -> "OwnChanges":
        """Those of one of these leads, for a message that came then."""
        since = received_at - dt.timedelta(seconds=ECHO_WITHIN_S)
        own = (change for change in self.changes if change.lead_id == lead.pk)
        return OwnChanges(
            tuple(each for each in own if each.settled_at is None or each.settled_at > since), received_at
        )

    def on_its_way(self, kind: str, family: str, fits: Fits = anything) -> LeadChange | None:
        """A change of ours to the very same that is in flight or unclear: the message is most likely its echo."""
        fitting = (c for c in self.changes if (c.kind, c.family) == (kind, family) and fits(c.parameters))
        return next((c for c in fitting if c.status in ON_ITS_WAY), None)

    def known_better(self, kind: str, family: str, fits: Fits = anything) -> bool:
        """Whether a confirmed change of ours to the opposite makes the message old news: it was confirmed after the
        message came, or the message may be the late echo of one that it has undone since, unclear ones included."""
        accepted = [c for c in self.changes if c.status == ChangeStatus.ACCEPTED]
        done = [c for c in accepted if c.family == family and fits(c.parameters)]
        if not done or done[-1].kind == kind:
            return False
        settled_at = done[-1].settled_at
        undone = [c for c in self.changes if c.pk < done[-1].pk and c.family == family and fits(c.parameters)]
        return (settled_at is not None and settled_at > self.received_at) or any(c.kind == kind for c in undone)

    def without_ours(self, facts: LeadFacts, lead: Lead | None) -> tuple[LeadFacts, bool]:
        """The facts of a message without the fields that a change of ours is writing, or has just written: the message
        may have been made before or after. And whether one of them holds what neither we nor our copy know of."""
        mine = {}
        settled = self.received_at - dt.timedelta(seconds=settle_times()[0])
        for change in self.changes:
            recent = change.settled_at is None or change.settled_at > settled
            kind = kinds.get_kind(change.kind)
            if recent and (kind.creates or kind.edits):
                mine.update(of_profile(change.parameters))
            elif recent and kind.score_by is not None:
                mine["score"] = kind.score_by(change.parameters)
        if not mine or lead is None:
            return facts, False
        fields = {name: value for name, value in facts.fields.items() if name not in mine}
        custom = facts.custom_values and {k: v for k, v in facts.custom_values.items() if f"custom.{k}" not in mine}
        odd = any(_is_odd(lead, name, facts.fields[name], mine[name]) for name in facts.fields if name in mine)
        return LeadFacts(kartra_id=facts.kartra_id, fields=fields, custom_values=custom, extra=facts.extra), odd


def facts_to_take(
    profile: LeadProfile, lead: Lead | None, mine: OwnChanges, context: EventContext
) -> tuple[LeadFacts, bool, bool]:
    """What of a message's profile is written: whether something of it is odd, and whether it has another address than we know."""
    facts, odd = mine.without_ours(facts_of(profile, context.account, authority=False), lead)
    if lead is not None and is_old(lead, context):
        facts, odd = LeadFacts(kartra_id=facts.kartra_id, fields=_address_alone(facts)), False
    facts, moved = _without_other_address(facts, lead)
    return facts, odd, moved


def is_old(lead: Lead, context: EventContext) -> bool:
    """Whether the profile in the message is older than what is known: the lead was read since, or, for one applied again,
    a later event told its profile."""
    if lead.read_at is not None and lead.read_at > context.received_at:
        return True
    if not context.late:
        return False
    later = Delivery.objects.filter(lead=lead, pk__gt=context.delivery.pk, channel=Channel.OUTBOUND)
    return later.filter(status__in=[DeliveryStatus.APPLIED, DeliveryStatus.RECORDED]).exists()


def _without_other_address(facts: LeadFacts, lead: Lead | None) -> tuple[LeadFacts, bool]:
    """The facts without an address that is not the one we know, and whether they had one: anybody may have sent the message, so
    only a read changes it."""
    told = normal_email(facts.email)
    if lead is None or not lead.email_key or not told or told == lead.email_key:
        return facts, False
    return replace(facts, fields={name: value for name, value in facts.fields.items() if name != "email"}), True


def _address_alone(facts: LeadFacts) -> dict[str, Any]:
    """Of one without an id the address is how it is found; nothing else of an old profile is taken."""
    return {} if facts.kartra_id or not facts.email else {"email": facts.email}


def _is_odd(lead: Lead, name: str, told: Any, wish: Any) -> bool:
    known = getattr(lead, name)
    if name == "score":
        return told is not None and known is not None and told not in (known, known - wish, known + wish)
    return bool(told) and told not in (known, wish)


def confirm_change(
    lead: Lead,
    kind: str,
    family: str,
    context: EventContext,
    *,
    fits: Fits = anything,
) -> bool:
    """The message shows that an unclear change of ours was done: the oldest that fits, and was sent before the message
    came, is settled. True if there was one."""
    for attempt in _unclear(lead, kind, family, context):
        if fits(attempt.change.parameters):
            outcome = ChangeOutcome(
                ChangeStatus.ACCEPTED, Proof.DONE, code=attempt.code, remark=remark(ChangeRemark.MESSAGE_SHOWS)
            )
            apply_outcome(attempt.change, attempt, outcome, context.at, evidence=_evidence(context))
            if attempt.change.run_id:
                transitions.finish_run_if_over(attempt.change.run_id)
            return True
    return False


def look_soon(lead: Lead, kind: str, family: str, context: EventContext) -> None:
    """The message is evidence for an unclear change of ours, but no proof: it is time to look."""
    for attempt in _unclear(lead, kind, family, context):
        attempt.evidence = [*attempt.evidence, _evidence(context)]
        attempt.verify_at = context.at
        attempt.save(update_fields=["evidence", "verify_at"])


def _unclear(lead: Lead, kind: str, family: str, context: EventContext) -> list[Attempt]:
    unclear = Attempt.objects.unclear().filter(change__lead=lead, change__kind=kind, change__family=family)
    sent_before = unclear.filter(Q(call__sent_at=None) | Q(call__sent_at__lte=context.received_at))
    mirror.lock_leads([lead.pk])
    held = sent_before.select_for_update(of=("self",)) if sent_before.exists() else sent_before
    return list(held.select_related("change__lead__account", "call").order_by("pk"))


def _evidence(context: EventContext) -> dict[str, Any]:
    return sighting(context.at, Seen.EVENT_CAME, delivery=context.delivery.pk)
