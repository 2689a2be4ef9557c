"""Applies many events at once: those of the common kinds, about a lead that is known by its id or plainly new.

What each says is as `events` says it, and their order stays. Whatever is odd about a message ends the set before it: it is applied
alone.
"""

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.kartra import notices
from integrations.kartra.notices import Notice
from integrations.kartra.profile import LeadProfile
from integrations.models import Delivery, DeliveryRemark, DeliveryStatus
from integrations.receive.context import Applied, EventContext
from integrations.receive.events import HANDLERS, STATES, THINGS
from integrations.receive.newcomers import Held, Newcomers
from integrations.receive.own_changes import OwnChanges, facts_to_take
from integrations.translate import KIND_OF_EVENT
from integrations.translate.profile import plain
from leads import mirror
from leads.bulk_sql import update_each
from leads.forgotten import forgotten_among
from leads.mirror import LeadMessage, TieFact
from leads.models import Account, Lead, Source, normal_email
from leads.models.remarks import Remark, remark

FEWEST = 3
"""Of so few it takes longer to look everything up at once."""


@dataclass(frozen=True)
class PlainEvent:
    """One of a set: what it writes, and what it is about."""

    context: EventContext
    notice: Notice
    message: LeadMessage
    family: str = ""

    @property
    def delivery(self) -> Delivery:
        return self.context.delivery


def common_ones(read: Sequence[tuple[Delivery, Any]]) -> list[tuple[Delivery, Notice]]:
    """The first of these up to one that is of another kind, by what each says itself."""
    return list(itertools.takewhile(lambda each: _is_plain(*each), read))


def first_of(
    run: Sequence[tuple[Delivery, Notice]], account: Account, at: dt.datetime, newcomers: Newcomers
) -> list[PlainEvent]:
    """The first of these up to one that is odd. `newcomers` knows of those among them that are new."""
    known, found = _Known.of(account, run), []
    for delivery, notice in run:
        context = EventContext(delivery, account, at, newcomers=newcomers)
        event = known.plain_event(notice, notice.lead, context)
        if event is None:
            break
        found.append(event)
    return found


def _is_plain(delivery: Delivery, message: Any) -> bool:
    if not isinstance(message, Notice) or delivery.is_replay or not delivery.body:
        return False
    lead = message.lead
    common = message.action in STATES or message.action not in HANDLERS
    return common and lead is not None and bool(lead.id) and not lead.deleted


@dataclass
class _Known:
    """What our copy says of all that these messages tell of."""

    account: Account
    leads: dict[str, Lead]
    """By Kartra's id."""
    addresses: dict[str, set[str | None]]
    """The ids of all leads that have an address now."""
    changes: OwnChanges
    things: Mapping[str, "_Things"]
    left_out: set[int]
    held: set[str]
    """The ids of leads that others write just now."""
    ties: set[tuple[str, str, int]] = field(default_factory=set)
    """Those of which an earlier message of the set tells."""

    @classmethod
    def of(cls, account: Account, run: Sequence[tuple[Delivery, Notice]]) -> "_Known":
        told = {delivery.pk: (notice.lead.id, notice.lead.email) for delivery, notice in run if notice.lead}
        keys = {normal_email(email) for _id, email in told.values()} - {""}
        rows = Lead.objects.filter(account=account).order_by()
        pks = dict(rows.filter(kartra_id__in={id for id, _email in told.values()}).values_list("pk", "kartra_id"))
        ids = set(pks.values())
        free = Lead.objects.in_bulk(
            mirror.lock_free_leads(sorted(pks))
        )  # one may have become known since others were locked
        leads = {str(lead.kartra_id): lead for lead in free.values()}
        addresses: dict[str, set[str | None]] = {}
        for key, id in rows.filter(email_key__in=keys).values_list("email_key", "kartra_id"):
            addresses.setdefault(key, set()).add(id)
        for lead in leads.values():
            lead.account = account
        new = {pk: person for pk, person in told.items() if person[0] not in ids}
        return cls(
            account,
            leads,
            addresses,
            OwnChanges.of_many(list(leads.values()), min(delivery.received_at for delivery, _notice in run)),
            _Things.of_all(account, [notice for _delivery, notice in run]),
            forgotten_among(account, new, note=False) if new else set(),
            {str(id) for pk, id in pks.items() if pk not in free},
        )

    def plain_event(self, notice: Notice, profile: Any, context: EventContext) -> PlainEvent | None:
        """What this message writes; None if anything about it is odd."""
        if profile.id in self.held:
            return None
        before = self.leads.get(profile.id)
        is_new = before is None or before.pk is None
        if self._is_odd(before, profile, context.delivery):
            return None
        mine = OwnChanges((), context.received_at)
        if before is not None and not is_new:
            mine = self.changes.of_one(before, context.received_at)
        facts, odd, _moved = facts_to_take(profile, before, mine, context)
        tie, line, family, better = None, None, "", False
        if event := STATES.get(notice.action):
            id, name = notices.named(notice, event.noun)
            thing = self.things[event.noun].plain(id, name)
            family, kind = f"{event.noun}:{name}", KIND_OF_EVENT[notice.action]
            if thing is None or mine.on_its_way(kind, family) or (event.noun, profile.id, thing.pk) in self.ties:
                return None
            better = mine.known_better(kind, family)
            if not better:
                tie = TieFact(event.noun, thing, name, event.state)
                self.ties.add((event.noun, profile.id, thing.pk))
        else:
            line = (notice.action[:64], plain(dict(notice.details)))
        if before is None:
            try:
                context.newcomers.check(context.delivery)
            except Held:
                return None
            before = Lead(account=self.account, known_from=Source.WEBHOOK)
            self.leads[profile.id] = before
            context.newcomers.note(context.delivery)
        message = LeadMessage(before, facts, context.cause, tie=tie, line=line, read=odd or better)
        return PlainEvent(context, notice, message, family)

    def _is_odd(self, lead: Lead | None, profile: LeadProfile, delivery: Delivery) -> bool:
        """Whether this profile is more than one of a lead that is there, at the address that we know, or of a new one."""
        key = normal_email(profile.email)
        if lead is None:
            if delivery.pk in self.left_out or key in self.addresses:
                return True
            self.addresses.setdefault(key, set()).add(profile.id)
            return False
        if lead.gone_at or lead.absent_at:
            return True
        return bool(key) and (key != normal_email(lead.email) or None in self.addresses.get(key, ()))


@dataclass
class _Things:
    """The tags, lists or sequences that messages name, as our copy has them."""

    by_name: dict[str, Any] = field(default_factory=dict)
    by_id: dict[str, Any] = field(default_factory=dict)
    """Of several of one id the first."""

    @classmethod
    def of_all(cls, account: Account, told: Sequence[Notice]) -> dict[str, "_Things"]:
        found = {}
        for noun, model in THINGS.items():
            named = {
                notices.named(each, noun) for each in told if each.action in STATES and STATES[each.action].noun == noun
            }
            things = found[noun] = cls()
            for row in _rows(model, account, named) if named else ():
                things.by_name[row.name] = row
                things.by_id.setdefault(row.kartra_id, row)
        return found

    def plain(self, id: str, name: str) -> Any:
        """The thing of this name, if it has this id, or none was told; else None."""
        thing = self.by_name.get(name) if name and len(name) <= 500 else None
        if thing is None or not id:
            return thing
        return thing if self.by_id.get(id) is thing else None


def _rows(model: Any, account: Account, named: set[tuple[str, str]]) -> Iterator[Any]:
    rows = model.objects.filter(account=account).order_by()
    of_name = rows.filter(name__in={name for _id, name in named})
    of_id = rows.filter(kartra_id__in={id for id, _name in named} - {""})
    yield from sorted({row.pk: row for row in of_name.union(of_id)}.values(), key=lambda row: row.pk)


NOTED = ["status", "reason", "action", "family", "lead", "changed", "applied_at", "journal"]


def apply_events(events: Sequence[PlainEvent], at: dt.datetime) -> dict[int, Applied]:
    """Write these, and what became of each."""
    mirror.write_messages([each.message for each in events], at=at, source=Source.WEBHOOK)
    done, rows = {}, []
    for event in events:
        delivery, applied = event.delivery, _applied(event)
        done[delivery.pk] = applied
        said = (applied.status, applied.reason, applied.action[:100], event.family)
        about = (applied.lead.pk if applied.lead else None, applied.changed[:50], at)
        rows.append((delivery.pk, *said, *about, [*delivery.journal, *event.context.journal]))
    update_each(Delivery, ["id"], NOTED, rows)
    return done


def _applied(event: PlainEvent) -> Applied:
    action, message = event.notice.action, event.message
    applied = Applied(DeliveryStatus.APPLIED, action=action, lead=message.lead)
    if action not in notices.EVENTS:
        applied.status = DeliveryStatus.RECORDED
        applied.reason = remark(DeliveryRemark.UNKNOWN_EVENT, action=action)
    told: list[Remark | str] = [each.field for each in message.differences]
    applied.changed = [remark(DeliveryRemark.NEW)] if message.created else told
    if message.changed and message.tie is not None:
        applied.changed.append(remark(STATES[action].changes, name=message.tie.name))
    return applied
