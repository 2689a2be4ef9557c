"""What changes in the pretend account, whoever changes it, and the events that follow."""

import datetime as dt
import zoneinfo
from collections.abc import Callable
from typing import Any, Protocol

from integrations.sandbox.store.events import (
    PAYMENT_ACTIONS,
    booking_details,
    event_body,
    payment_details,
    payment_message,
)
from integrations.sandbox.store.rows import LEAD_TEXTS, Store, key_of, new_lead

ZONE = zoneinfo.ZoneInfo("America/New_York")


MONTH = dt.timedelta(days=30)


def text_of(at: dt.datetime) -> str:
    """A moment as Kartra writes it: naive, in its own zone."""
    return at.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S")


def now_text() -> str:
    return text_of(dt.datetime.now(ZONE))


class Outbox(Protocol):
    """Whatever posts what Kartra would post."""

    def send(self, account: int, kind: str, event: str, body: Any) -> None: ...


class Account:
    """One account's leads and things. Each method does one thing and fires its event if `heard`."""

    def __init__(self, store: Store, number: int, posts: Outbox, *, test_mode: Callable[[], bool]) -> None:
        self.store = store
        self.number = number
        self._posts = posts
        self._test_mode = test_mode

    def _event(self, lead: dict[str, Any], action: str, details: dict[str, Any], heard: bool) -> None:
        if heard:
            body = event_body(lead, action, details, self.store.things(self.number, "custom_field"))
            self._posts.send(self.number, "outbound", action, body)

    def _again(self, lead: dict[str, Any]) -> dict[str, Any]:
        """The lead as it is now: several actions of a call follow each other."""
        return self.store.lead(self.number, id=str(lead["id"])) or lead

    # leads

    def stored_email(self, email: str) -> str:
        """In test mode Kartra replaces the domain."""
        if self._test_mode() and "@" in email:
            return email.rsplit("@", 1)[0] + "@kartra.com"
        return email

    def create(self, email: str, fields: dict[str, Any], custom: dict[str, Any], source: str = "api") -> dict[str, Any]:
        doc = new_lead(self.stored_email(email.strip()), now_text(), source)
        doc.update({key: value for key, value in fields.items() if key in LEAD_TEXTS})
        doc["custom"].update(custom)
        id = self.store.add_lead(self.number, doc)
        return {**doc, "id": id, "deleted": False}

    def edit(self, lead: dict[str, Any], fields: dict[str, Any], custom: dict[str, Any]) -> None:
        with self.store.lock:
            lead = self._again(lead)
            lead.update({key: value for key, value in fields.items() if key in LEAD_TEXTS})
            lead["custom"].update(custom)
            self.store.save_lead(lead)

    def change_email(self, lead: dict[str, Any], email: str) -> None:
        with self.store.lock:
            lead = self._again(lead)
            lead["email"] = self.stored_email(email.strip())
            self.store.save_lead(lead)

    def set_deleted(self, lead: dict[str, Any], deleted: bool) -> None:
        with self.store.lock:
            lead = self._again(lead)
            lead["deleted"] = deleted
            self.store.save_lead(lead)

    # tags, lists

    def tag(self, lead: dict[str, Any], name: str, on: bool, *, heard: bool) -> None:
        with self.store.lock:
            lead = self._again(lead)
            had = name in lead["tags"]
            if on and not had:
                lead["tags"].append(name)
            elif not on and had:
                lead["tags"].remove(name)
            self.store.save_lead(lead)
        thing = self.store.thing(self.number, "tag", name) or {"id": 0}
        if on or had:
            self._event(
                lead, "assign_tag" if on else "unassign_tag", {"tag": {"tag_id": thing["id"], "tag_name": name}}, heard
            )

    def list(self, lead: dict[str, Any], name: str, on: bool, *, heard: bool) -> None:
        with self.store.lock:
            lead = self._again(lead)
            had = bool(lead["lists"].get(name))
            if on or name in lead["lists"]:
                lead["lists"][name] = on
            self.store.save_lead(lead)
        thing = self.store.thing(self.number, "list", name) or {"id": 0}
        if on or had:
            action = "list_subscription" if on else "list_unsubscription"
            self._event(lead, action, {"list": {"list_id": thing["id"], "list_name": name}}, heard)

    # points

    def points(self, lead: dict[str, Any], points: int, *, below_zero: bool, heard: bool) -> None:
        with self.store.lock:
            lead = self._again(lead)
            before = int(lead["score"])
            lead["score"] = before + points if below_zero else max(0, before + points)
            self.store.save_lead(lead)
        if lead["score"] >= 100 > before:
            self._event(lead, "reaches_score", {"points": 100}, heard)

    # sequences

    def sequence(self, lead: dict[str, Any], name: str, step: str | None, *, heard: bool, done: bool = False) -> None:
        """`step` None: out of it (or through it, when `done`)."""
        with self.store.lock:
            lead = self._again(lead)
            was = lead["sequences"].get(name)
            if step is not None:
                starts = (was or {}).get("starts", 0) + 1
                lead["sequences"][name] = {"step": step, "status": "active", "starts": starts}
            elif done and was:
                del lead["sequences"][name]
            elif was:
                was["status"] = "unsubscribed"
            self.store.save_lead(lead)
        thing = self.store.thing(self.number, "sequence", name) or {"id": 0}
        if step is None and not was:
            return
        action = (
            "sequence_subscription"
            if step is not None
            else "sequence_completion"
            if done
            else "sequence_unsubscription"
        )
        self._event(lead, action, {"sequence": {"sequence_id": thing["id"], "sequence_name": name}}, heard)

    # calendars

    def book(self, lead: dict[str, Any], calendar: str, priority_class: str, when: str, *, heard: bool) -> None:
        with self.store.lock:
            lead = self._again(lead)
            number = int(self.store.meta("bookings", 5000)) + 1
            self.store.set_meta("bookings", number)
            booking = {"id": number, "calendar": calendar, "class": priority_class, "when": when, "status": "Active"}
            lead["bookings"].append(booking)
            self.store.save_lead(lead)
        self._booking_event(lead, "calendar_subscribe", booking, heard)

    def end_booking(
        self,
        lead: dict[str, Any],
        calendar: str,
        priority_class: str,
        *,
        heard: bool,
        done: bool = False,
        earliest: bool = False,
    ) -> bool:
        """The latest (or earliest) standing booking of the class is cancelled (or over). False if there is none."""
        with self.store.lock:
            lead = self._again(lead)
            standing = [
                b
                for b in lead["bookings"]
                if (b["calendar"], b["class"], b["status"]) == (calendar, priority_class, "Active")
            ]
            if not standing:
                return False
            ended = standing[0 if earliest else -1]
            ended["status"] = "Completed" if done else "Cancelled"
            self.store.save_lead(lead)
        self._booking_event(lead, "calendar_complete" if done else "calendar_cancel", ended, heard)
        return True

    def _booking_event(self, lead: dict[str, Any], action: str, booking: dict[str, Any], heard: bool) -> None:
        calendar = self.store.thing(self.number, "calendar", booking["calendar"]) or {"id": 0, "classes": []}
        self._event(lead, action, {"calendar": booking_details(calendar, booking, action)}, heard)

    # memberships

    def membership(self, lead: dict[str, Any], name: str, level: str, on: bool, *, heard: bool) -> None:
        thing = self.store.thing(self.number, "membership", name) or {"id": 0, "levels": []}
        level_id = thing["id"] * 100 + (thing["levels"].index(level) if level in thing["levels"] else 0)
        entry = {
            "membership_id": thing["id"],
            "membership_name": name,
            "level_id": level_id,
            "level_name": level,
            "active": "1" if on else "0",
        }
        with self.store.lock:
            lead = self._again(lead)
            kept = [m for m in lead["memberships"] if (m["membership_name"], m["level_name"]) != (name, level)]
            lead["memberships"] = [*kept, entry]
            self.store.save_lead(lead)
        details = {key: value for key, value in entry.items() if key != "active"}
        self._event(lead, "membership_granted" if on else "membership_revoked", {"membership": details}, heard)

    # money

    def charge(
        self,
        lead: dict[str, Any],
        type: str,
        product: str,
        amount: str,
        *,
        parent: int = 0,
        subscription: int = 0,
        processor: str = "stripe",
        heard: bool = True,
        date: str = "",
    ) -> int:
        """A transaction of any type; its id. Fires the event and the payment message that belong to it."""
        thing = self.store.thing(self.number, "product", product) or {"id": 0}
        doc = {
            "type": type,
            "product_name": product,
            "product_id": thing["id"],
            "amount": amount,
            "parent": parent,
            "subscription": subscription,
            "date": date or now_text(),
            "processor": processor,
            "refunded": "0",
        }
        id = self.store.add_payment(self.number, "transaction", lead["id"], **doc)
        if heard:
            lead = self._again(lead)
            if action := PAYMENT_ACTIONS.get(type):
                self._event(lead, action, {"transaction_details": payment_details(lead, id, doc)}, True)
            self._posts.send(self.number, "ipn", type, payment_message(lead, id, doc))
        return id

    def subscribe_plan(
        self,
        lead: dict[str, Any],
        product: str,
        amount: str,
        *,
        heard: bool,
        processor: str = "stripe",
        start: dt.datetime | None = None,
        paid: int = 1,
    ) -> int:
        """A payment plan with its first sale; the plan's id. `paid`: how often it was paid by now, which is charged elsewhere."""
        thing = self.store.thing(self.number, "product", product) or {"id": 0}
        start = start or dt.datetime.now(ZONE)
        plan = self.store.add_payment(
            self.number,
            "subscription",
            lead["id"],
            status="Active",
            product_id=thing["id"],
            product_name=product,
            price_point="1",
            start=text_of(start),
            end="0000-00-00 00:00:00",
            installment=paid,
            left="Until cancelled",
            period="monthly",
            amount=amount,
            processor=processor,
            next=text_of(start + MONTH * paid),
            quantity="1",
            tax="0",
        )
        told: dict[str, Any] = {"subscription": plan, "heard": heard, "processor": processor, "date": text_of(start)}
        self.charge(lead, "sale", product, amount, **told)
        return plan

    def cancel_plan(self, plan: dict[str, Any], *, heard: bool) -> None:
        plan["status"], plan["end"] = "Cancelled", now_text()
        self.store.save_payment(plan)
        lead = self.store.lead(self.number, id=str(plan["lead"]))
        if lead:
            self.charge(lead, "cancellation", plan["product_name"], "0.00", subscription=plan["id"], heard=heard)

    def by_email(self, email: str) -> dict[str, Any] | None:
        return self.store.lead(self.number, email=key_of(email))
