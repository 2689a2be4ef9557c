"""What people ask for, at random: tags, lists, fields, points, sequences, bookings, new leads, bulk actions."""

import contextlib
import random
import time
from typing import Any

from integrations.sandbox.store.demo import LISTS, SEQUENCES, TAGS
from leads import changes, kinds
from leads.changes.preview import Choices
from leads.models import Account, Lead, LeadChange
from tests.recording import record_change

CALENDAR = {"calendar": "Coaching", "class": "Intro call"}
OPPOSITE = {
    "assign_tag": "unassign_tag",
    "unassign_tag": "assign_tag",
    "subscribe_list": "unsubscribe_list",
    "unsubscribe_list": "subscribe_list",
    "subscribe_sequence": "unsubscribe_sequence",
    "unsubscribe_sequence": "subscribe_sequence",
}


class Staff:
    """Records random changes of the leads of one account."""

    def __init__(self, account: Account, chance: random.Random) -> None:
        self.account, self.chance = account, chance
        self.booked = self.created = 0
        self.taken: list[str] = []
        """Addresses of leads that Kartra has and our copy does not know."""

    def ask(self) -> None:
        """One wish for one lead, several about the same thing, or seldom a small bulk action or a new lead. What is refused at once
        (a field that is known to be gone, an address that is known to be taken) is no wish."""
        with contextlib.suppress(kinds.BadParameters, changes.CannotRecord):
            self._ask()

    def _ask(self) -> None:
        roll = self.chance.random()
        if roll < 0.08:
            self._bulk()
        elif roll < 0.14:
            self._create()
        elif roll < 0.18:
            self._take_an_address()
        elif roll < 0.5:
            self._about_one_thing()
        else:
            kind, given = self._wish()
            record_change(self._lead(), kinds.get_kind(kind), given)

    def _lead(self) -> Lead:
        known = Lead.objects.filter(account=self.account, gone_at=None).exclude(kartra_id=None)
        return self.chance.choice(list(known))

    def _about_one_thing(self) -> None:
        """Two or three requests about one thing of one lead, close together, so that they share a call; now and then one that is
        forced although it is so already."""
        lead, chance = self._lead(), self.chance
        first, given = self._wish()
        while first in ("give_points", "remove_points"):
            first, given = self._wish()
        for number in range(chance.randrange(2, 4)):
            kind, parameters = (first, given) if not number else self._same_thing(first, given)
            if chance.random() < 0.2 and kind in ("assign_tag", "unassign_tag", "subscribe_list"):
                one = Lead.objects.filter(pk=lead.pk)
                changes.record_run(
                    self.account, one, kinds.get_kind(kind), parameters, choices=Choices(force=True, include_left=True)
                )
            else:
                record_change(lead, kinds.get_kind(kind), parameters)

    def _same_thing(self, kind: str, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """An equal or opposite request about the same thing; of an edit another one."""
        chance = self.chance
        if kind == "update_lead":
            wishes = [dict([self._field()]) for _ in range(chance.randrange(1, 3))]
            return kind, {name: value for wish in wishes for name, value in wish.items()}
        if chance.random() < 0.25:
            if kind == "subscribe_calendar":
                return self._booking()
            return kind, given
        if kind in ("subscribe_calendar", "cancel_calendar"):
            return chance.choice([("cancel_calendar", dict(CALENDAR)), self._booking()])
        opposite = OPPOSITE[kind]
        kept = {name: value for name, value in given.items() if name != "step"}
        if opposite == "subscribe_sequence":
            kept["step"] = str(chance.randrange(1, SEQUENCES[given["sequence"]] + 1))
        return opposite, kept

    def _field(self) -> tuple[str, str]:
        return self.chance.choice(["city", "company", "phone", "custom.crm_ref"]), f"v{self.chance.randrange(10**6)}"

    def _take_an_address(self) -> None:
        """An edit to an address that another lead has in Kartra, and another change beside it."""
        if self.taken:
            lead = self._lead()
            record_change(lead, kinds.get_kind("update_lead"), {"email": self.chance.choice(self.taken)})
            kind, given = self._wish()
            record_change(lead, kinds.get_kind(kind), given)

    def _wish(self) -> tuple[str, dict[str, Any]]:
        chance = self.chance
        kind = chance.choice(
            [
                "assign_tag",
                "unassign_tag",
                "subscribe_list",
                "unsubscribe_list",
                "update_lead",
                "give_points",
                "give_points",
                "remove_points",
                "subscribe_sequence",
                "unsubscribe_sequence",
                "subscribe_calendar",
                "cancel_calendar",
            ]
        )
        if kind.endswith("_tag"):
            return kind, {"tag": chance.choice(TAGS[:4])}
        if kind.endswith("_list"):
            return kind, {"list": chance.choice(LISTS[:3])}
        if kind == "update_lead":
            return kind, dict([self._field()])
        if kind.endswith("_points"):
            return kind, {"points": chance.randrange(1, 50)}
        if kind == "subscribe_sequence":
            name = chance.choice(list(SEQUENCES)[:2])
            return kind, {"sequence": name, "step": str(chance.randrange(1, SEQUENCES[name] + 1))}
        if kind == "unsubscribe_sequence":
            return kind, {"sequence": chance.choice(list(SEQUENCES)[:2])}
        if kind == "subscribe_calendar":
            return self._booking()
        return kind, dict(CALENDAR)

    def _booking(self) -> tuple[str, dict[str, Any]]:
        self.booked += 1
        day, hour = divmod(self.booked, 20)
        date = f"{2030 + day // 300}-{day % 300 // 28 + 1:02d}-{day % 28 + 1:02d}"
        return "subscribe_calendar", {**CALENDAR, "date": date, "hour": f"{hour:02d}:00"}

    def _bulk(self) -> None:
        kind, given = self._wish()
        while kind in ("subscribe_calendar", "cancel_calendar", "update_lead"):
            kind, given = self._wish()
        ids = list(Lead.objects.filter(account=self.account).values_list("pk", flat=True))
        chosen = self.chance.sample(ids, min(len(ids), self.chance.randrange(3, 12)))
        changes.record_run(self.account, Lead.objects.filter(pk__in=chosen), kinds.get_kind(kind), given)

    def _create(self) -> None:
        self.created += 1
        given: dict[str, Any] = {
            "email": f"new{self.created}.{self.chance.randrange(10**6)}@example.com",
            "first_name": "Nova",
            "tag": [self.chance.choice(TAGS[:4])],
            "points": str(self.chance.randrange(1, 9)),
        }
        if self.taken and self.chance.random() < 0.4:  # Kartra has it: 244
            given["email"] = self.taken.pop(self.chance.randrange(len(self.taken)))
            given["list"] = [self.chance.choice(LISTS[:3])]
            given |= {"sequence": next(iter(SEQUENCES)), "step": "1"}
        changes.create_lead(self.account, given)


class Colleague:
    """Somebody who works in Kartra itself, in the middle of what is asked for here."""

    def __init__(self, sandbox: Any, chance: random.Random) -> None:
        self.account, self.chance = sandbox.account(), chance
        self.wrote: dict[tuple[str, str], tuple[float, Any]] = {}
        """When, and what, last of each lead's families: {(Kartra's id, family): (time, state)}."""

    def write(self) -> None:
        """Change what somebody has just asked for here, one way or the other."""
        recent = LeadChange.objects.exclude(lead__kartra_id=None).filter(family__regex="^(tag|list|sequence|profile)")
        change = self.chance.choice(list(recent.select_related("lead").order_by("-pk")[:12]) or [None])
        lead = change and self.account.store.lead(1, id=change.lead.kartra_id)
        if not lead:
            return
        noun, _, name = change.family.partition(":")
        on = self.chance.random() < 0.5
        state: Any = on
        if noun == "tag":
            self.account.tag(lead, name, on, heard=True)
        elif noun == "list":
            self.account.list(lead, name, on, heard=True)
        elif noun == "sequence":
            state = str(self.chance.randrange(1, 3)) if on else None
            self.account.sequence(lead, name, state, heard=True)
        else:
            field = next(iter(change.parameters))
            if field.startswith("custom.") or field == "email":
                return
            state = {field: f"theirs{self.chance.randrange(10**6)}"}
            self.account.edit(lead, state, {})
        self.wrote[change.lead.kartra_id, change.family] = (time.time(), state)


def decide(change: LeadChange, chance: random.Random) -> bool:
    """A person who cannot know gives a change up, or has it sent again where that does not add up. Whether it was given up."""
    from leads.changes import conflicts

    again = chance.random() < 0.4 and change.family.partition(":")[0] in ("tag", "list", "sequence", "profile")
    conflicts.decide(change, "again" if again else "give-up", why="Nobody can know.")
    return not again
