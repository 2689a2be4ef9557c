"""What people ask for, at random: tags, lists, fields, points, sequences, bookings, new leads, bulk actions."""

import random
from typing import Any

from integrations.sandbox.demo import LISTS, SEQUENCES, TAGS
from leads import changes, kinds
from leads.models import Account, Lead, LeadChange

CALENDAR = {"calendar": "Coaching", "class": "Intro call"}


class Staff:
    """Records random changes of the leads of one account."""

    def __init__(self, account: Account, chance: random.Random) -> None:
        self.account, self.chance = account, chance
        self.booked = self.created = 0

    def ask(self) -> None:
        """One wish for one lead, or seldom a small bulk action or a new lead."""
        roll = self.chance.random()
        if roll < 0.08:
            self._bulk()
        elif roll < 0.14:
            self._create()
        else:
            lead = self.chance.choice(list(Lead.objects.filter(account=self.account, gone_at=None)))
            kind, given = self._wish()
            changes.record(lead, kinds.get(kind), given)

    def _wish(self) -> tuple[str, dict[str, Any]]:
        chance = self.chance
        kind = chance.choice(
            ["assign_tag", "unassign_tag", "subscribe_list", "unsubscribe_list", "update_lead", "give_points", "give_points",
             "remove_points", "subscribe_sequence", "unsubscribe_sequence", "subscribe_calendar", "cancel_calendar"]
        )  # fmt: skip
        if kind.endswith("_tag"):
            return kind, {"tag": chance.choice(TAGS[:4])}
        if kind.endswith("_list"):
            return kind, {"list": chance.choice(LISTS[:3])}
        if kind == "update_lead":
            return kind, {chance.choice(["city", "company", "phone", "custom.crm_ref"]): f"v{chance.randrange(10**6)}"}
        if kind.endswith("_points"):
            return kind, {"points": chance.randrange(1, 50)}
        if kind == "subscribe_sequence":
            name = chance.choice(list(SEQUENCES)[:2])
            return kind, {"sequence": name, "step": str(chance.randrange(1, SEQUENCES[name] + 1))}
        if kind == "unsubscribe_sequence":
            return kind, {"sequence": chance.choice(list(SEQUENCES)[:2])}
        if kind == "subscribe_calendar":
            self.booked += 1
            day, hour = divmod(self.booked, 20)
            return kind, {
                **CALENDAR,
                "date": f"{2030 + day // 300}-{day % 300 // 28 + 1:02d}-{day % 28 + 1:02d}",
                "hour": f"{hour:02d}:00",
            }
        return kind, dict(CALENDAR)

    def _bulk(self) -> None:
        kind, given = self._wish()
        while kind in ("subscribe_calendar", "cancel_calendar", "update_lead"):
            kind, given = self._wish()
        ids = list(Lead.objects.filter(account=self.account).values_list("pk", flat=True))
        chosen = self.chance.sample(ids, min(len(ids), self.chance.randrange(3, 12)))
        changes.record_run(self.account, Lead.objects.filter(pk__in=chosen), kinds.get(kind), given)

    def _create(self) -> None:
        self.created += 1
        given: dict[str, Any] = {
            "email": f"new{self.created}.{self.chance.randrange(10**6)}@example.com", "first_name": "Nova",
            "tag": [self.chance.choice(TAGS[:4])], "points": str(self.chance.randrange(1, 9)),
        }  # fmt: skip
        changes.create_lead(self.account, given)


def give_up(change: LeadChange) -> None:
    """A person who cannot know gives a change up."""
    from leads import decisions

    decisions.decide(change, "give-up", why="Nobody can know.")
