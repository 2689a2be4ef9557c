"""Events of the outbound API: the lead's profile, and what each action says of the lead.

State is written at once and read back if that changed something. What a read shows is never taken from an old message.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from integrations.kartra import notices
from integrations.kartra.bodies import Unreadable
from integrations.kartra.notices import Notice
from integrations.kartra.words import Trouble
from integrations.models import Delivery, DeliveryRemark, DeliveryStatus
from integrations.receive import payments
from integrations.receive.context import Applied, EventContext
from integrations.receive.own_changes import OwnChanges, confirm_change, facts_to_take, is_old, look_soon
from integrations.translate import KIND_OF_EVENT
from integrations.translate.profile import plain, utc_in
from leads import mirror
from leads.fields import NOT_READ
from leads.kinds import calendars
from leads.mirror import MembershipFact
from leads.models import Activity, Lead, MailingList, Sequence, Source, Tag
from leads.models.remarks import Remark, remark

LONG_AGO = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
"""Fields that a read tells too: a difference in one of the others cannot be settled by reading."""


@dataclass
class EventEffect:
    """What an event said beside the profile: what it changed, and whether a read has to settle it."""

    changed: list[Remark | str] = field(default_factory=list)
    read: bool = False
    unknown: Remark = field(default_factory=dict)
    """Why what it said could not be taken in, though it could be read."""


NAMELESS = {
    "tag": Trouble.NAMES_NO_TAG,
    "list": Trouble.NAMES_NO_LIST,
    "sequence": Trouble.NAMES_NO_SEQUENCE,
}

THINGS: dict[str, Any] = {"tag": Tag, "list": MailingList, "sequence": Sequence}

Handler = Callable[[Notice, Lead, OwnChanges, EventContext], EventEffect]


def apply_notice(notice: Notice, context: EventContext) -> Applied:
    """One event: its profile, its fact, one line in the timeline where it is neither."""
    known = notice.action in notices.EVENTS
    applied = Applied(DeliveryStatus.APPLIED if known else DeliveryStatus.RECORDED, action=notice.action)
    if not known:
        applied.reason = remark(DeliveryRemark.UNKNOWN_EVENT, action=notice.action)
    if notice.lead is None:
        if known:
            raise Unreadable(Trouble.NAMES_NO_LEAD)
        return applied
    before = mirror.find(context.account, kartra_id=notice.lead.id, email=notice.lead.email)
    was_gone = before is not None and before.gone_at is not None
    mine = OwnChanges.of(before, context.received_at)
    if before is None:
        context.newcomers.check(context.delivery)
    facts, odd, moved = facts_to_take(notice.lead, before, mine, context)
    told_at = LONG_AGO if notice.lead.deleted else context.received_at  # then it lifts no mark
    taken = mirror.apply_facts(
        context.account, facts, source=Source.WEBHOOK, at=context.at, lead=before, told_at=told_at, cause=context.cause
    )
    lead = applied.lead = taken.lead
    if taken.created:
        context.newcomers.note(context.delivery)
        applied.changed.append(remark(DeliveryRemark.NEW))
    else:
        applied.changed += [difference.field for difference in taken.differences]
    if moved and not context.late:
        applied.changed.append(remark(DeliveryRemark.OTHER_ADDRESS))
        mirror.look_now(lead, context.at)
    back = was_gone and lead.gone_at is None
    due = (
        taken.created
        or (odd and not context.late)
        or back
        or any(each.field not in NOT_READ for each in taken.differences)
    )
    handler = HANDLERS.get(notice.action, _line)
    told = handler(notice, lead, mine, context)
    applied.changed += told.changed
    if due or told.read:
        mirror.mark_dirty(lead, context.at)
    if told.unknown:
        applied.status, applied.reason = DeliveryStatus.RECORDED, told.unknown
    if notice.lead.deleted and not was_gone and not (before is not None and is_old(before, context)):
        mirror.mark_said_deleted(lead, context.at)
        applied.changed.append(remark(DeliveryRemark.SAID_DELETED))
    return applied


def _known_better(kind: str, family: str, lead: Lead, mine: OwnChanges, context: EventContext) -> bool:
    """Whether newer words on this tag, list, … are known than the message has. First come, it is only our own confirmed
    changes that count; applied again, also a read and a later message."""
    if mine.known_better(kind, family):
        return True
    if not context.late:
        return False
    if lead.read_at is not None and lead.read_at > context.received_at:
        return True
    later = Delivery.objects.filter(lead=lead, family=family, pk__gt=context.delivery.pk)
    return later.filter(status=DeliveryStatus.APPLIED).exists()


# --- what each action says


def _line(notice: Notice, lead: Lead, mine: OwnChanges, context: EventContext) -> EventEffect:
    """Nothing that is kept as state: one line in the timeline."""
    Activity.objects.get_or_create(
        account=context.account,
        lead=lead,
        kind=notice.action[:64],
        source=Source.WEBHOOK,
        delivery=context.delivery,
        defaults={"at": context.at, "details": plain(dict(notice.details))},
    )
    return EventEffect()


@dataclass(frozen=True)
class StateEvent:
    """An event that says how a tag, list or sequence of the lead is now. The kind of ours that has the same end is proven by it
    (`proves`), or it is reason to look. `state` as in `mirror.TieFact`; `changes` says what changed."""

    noun: str
    state: Any
    changes: DeliveryRemark
    proves: bool = True

    def write(self, lead: Lead, name: str, **told: Any) -> bool:
        by_noun: dict[str, Any] = {"tag": mirror.set_tag, "list": mirror.set_list}
        changed: bool = by_noun.get(self.noun, mirror.note_sequence_event)(lead, name, self.state, **told)
        return changed


def _state(event: StateEvent) -> Handler:
    def handle(notice: Notice, lead: Lead, mine: OwnChanges, context: EventContext) -> EventEffect:
        kind = KIND_OF_EVENT[notice.action]
        id, name = notices.named(notice, event.noun)
        name = name[:500] or mirror.name_of(THINGS[event.noun], lead.account_id, id)
        if not name and id:
            return EventEffect(read=True, unknown=remark(DeliveryRemark.NAMED_BY_ID, id=id))
        if not name:
            raise Unreadable(NAMELESS[event.noun])
        family = context.delivery.family = f"{event.noun}:{name}"
        if _known_better(kind, family, lead, mine, context):
            return EventEffect(read=not context.late)
        change = mine.on_its_way(kind, family)
        changed = event.write(
            lead,
            name,
            source=Source.WEBHOOK,
            at=context.at,
            change=change,
            cause=context.cause,
            kartra_id="" if context.late else id,
        )
        told = EventEffect([remark(event.changes, name=name)] if changed else [], read=changed and change is None)
        if change is not None:
            if event.proves:
                confirm_change(lead, kind, family, context)
            else:
                look_soon(lead, kind, family, context)
        return told

    return handle


def _completion(notice: Notice, lead: Lead, mine: OwnChanges, context: EventContext) -> EventEffect:
    """The end of a sequence: what Kartra calls that state is not documented, so a read tells it."""
    if not notices.named(notice, "sequence")[1]:
        raise Unreadable(Trouble.NAMES_NO_SEQUENCE)
    _line(notice, lead, mine, context)
    return EventEffect(read=not context.late)


def _membership(active: bool) -> Handler:
    def handle(notice: Notice, lead: Lead, mine: OwnChanges, context: EventContext) -> EventEffect:
        told = notices.membership(notice)
        names = (told.membership_name[:500] or told.membership_id, told.level_name[:500] or told.level_id)
        if not names[0]:
            raise Unreadable(Trouble.NAMES_NO_MEMBERSHIP)
        family = context.delivery.family = f"membership:{names[0]}: {names[1]}"[:520]
        if _known_better("", family, lead, mine, context):
            return EventEffect()
        fact = MembershipFact(
            told.membership_name[:500], told.level_name[:500], active, told.membership_id, told.level_id
        )
        changed = mirror.set_membership(lead, fact, source=Source.WEBHOOK, at=context.at, cause=context.cause)
        given = DeliveryRemark.ACCESS_GIVEN if active else DeliveryRemark.ACCESS_TAKEN
        told_of = remark(given, name=": ".join(filter(None, names)))
        return EventEffect([told_of] if changed else [], read=changed)

    return handle


def _booking(notice: Notice, lead: Lead, mine: OwnChanges, context: EventContext) -> EventEffect:
    """A booking is made, cancelled or over. No read shows bookings, so none is asked for."""
    booking = notices.booking(notice)
    if not booking.calendar or not booking.class_name:
        raise Unreadable(Trouble.NAMES_NO_CLASS)
    starts_at = [utc_in(text, booking.zone, lead.account) for text in booking.starts]
    names = (lead, booking.calendar[:500], booking.class_name[:500])
    how: dict[str, Any] = {
        "at": context.at,
        "source": Source.WEBHOOK,
        "cause": context.cause,
        "booking_id": booking.id,
        "starts_at": starts_at[0] if starts_at else None,
    }

    def of_class(given: dict[str, Any]) -> bool:
        return (given["calendar"], given["class"]) == (booking.calendar, booking.class_name)

    def of_time(given: dict[str, Any]) -> bool:
        return of_class(given) and calendars.starts_at(lead.account, given) in (None, *starts_at)

    if notice.action != "calendar_subscribe":
        over = notice.action == "calendar_complete"
        change = None if over else mine.on_its_way(calendars.CANCEL_CALENDAR.name, "calendar", of_class)
        status = mirror.COMPLETED if over else mirror.CANCELLED
        ended = mirror.end_booking(*names, **how, change=change, status=status)
        ending = DeliveryRemark.BOOKING_OVER if over else DeliveryRemark.BOOKING_CANCELLED
        return EventEffect([remark(ending)] if ended else [])
    proven = confirm_change(
        lead,
        calendars.SUBSCRIBE_CALENDAR.name,
        "calendar",
        context,
        fits=lambda given: bool(given.get("date")) and of_time(given),
    )
    late = context.late or mine.known_better(calendars.SUBSCRIBE_CALENDAR.name, "calendar", of_class)
    change = mine.on_its_way(calendars.SUBSCRIBE_CALENDAR.name, "calendar", of_time)
    made = mirror.set_booking(*names, **how, change=change, minutes=booking.minutes, late=late)
    return EventEffect([remark(DeliveryRemark.BOOKING_MADE)] if made or proven else [])


def _payment(notice: Notice, lead: Lead, mine: OwnChanges, context: EventContext) -> EventEffect:
    changed = payments.apply_event(notice, lead, context)
    return EventEffect(changed, read=bool(changed))


STATES = {
    "assign_tag": StateEvent("tag", True, DeliveryRemark.TAG_ON),
    "unassign_tag": StateEvent("tag", False, DeliveryRemark.TAG_OFF),
    "list_subscription": StateEvent("list", True, DeliveryRemark.LIST_JOINED),
    "list_unsubscription": StateEvent("list", False, DeliveryRemark.LIST_LEFT),
    "sequence_subscription": StateEvent("sequence", "active", DeliveryRemark.SEQUENCE_ENTERED, proves=False),
    "sequence_unsubscription": StateEvent("sequence", "unsubscribed", DeliveryRemark.SEQUENCE_LEFT),
}
HANDLERS: dict[str, Handler] = {
    **{action: _state(event) for action, event in STATES.items()},
    "sequence_completion": _completion,
    "membership_granted": _membership(True),
    "membership_revoked": _membership(False),
    "calendar_subscribe": _booking,
    "calendar_cancel": _booking,
    "calendar_complete": _booking,
    **dict.fromkeys(notices.PAYMENTS, _payment),
}
"""Events that say more than one line in the timeline."""
