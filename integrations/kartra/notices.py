"""What Kartra sends by itself: outbound events (JSON) and payment messages (IPN, form fields), read leniently.

Nothing but `Unreadable` is ever raised for a body, whatever it holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from integrations.kartra.bodies import Unreadable, fields_of, object_of, shallow
from integrations.kartra.profile import LeadProfile, MembershipState, membership_of, profile_of
from integrations.kartra.values import decoded, ident, number_id, rows, text, whole
from integrations.kartra.words import Trouble

EVENTS = (
    "buy_product",
    "refund_product",
    "partial_refund_product",
    "cancel_subscription",
    "list_subscription",
    "list_unsubscription",
    "assign_tag",
    "unassign_tag",
    "sequence_subscription",
    "sequence_unsubscription",
    "sequence_completion",
    "membership_granted",
    "membership_revoked",
    "filled_form",
    "reaches_score",
    "calendar_subscribe",
    "calendar_cancel",
    "calendar_complete",
    "survey_complete",
    "kartra_page_visit",
    "click_page_split_test_link",
    "video_play",
    "video_complete",
    "affiliate_signup",
    "jv_signup",
)
"""The 25 actions that are documented."""

PAYMENTS = {
    "buy_product": "sale",
    "refund_product": "refund",
    "partial_refund_product": "partial_refund",
    "cancel_subscription": "cancellation",
}
"""Events of money, and the type of their transaction where the message does not name it."""


@dataclass(frozen=True)
class Notice:
    """An outbound event: its `action`, the details as they came, and the lead's profile if it holds one."""

    action: str
    details: Mapping[str, Any] = field(repr=False)
    lead: LeadProfile | None


@dataclass(frozen=True)
class IpnMessage:
    """A payment message: its form fields as text, "N/A" already emptied."""

    fields: Mapping[str, str] = field(repr=False)

    @property
    def action(self) -> str:
        """What the message is called among others: "ipn sale"."""
        return f"ipn {self.transaction_type}".strip()[:100]

    @property
    def transaction_type(self) -> str:
        return self.fields.get("transaction_type", "").strip().lower()

    @property
    def transaction_id(self) -> str:
        return ident(self.fields.get("transaction_id"))

    @property
    def of_plan(self) -> bool:
        """Whether it is about a recurring payment."""
        return bool(ident(self.fields.get("transaction_internal_subscription_id")))

    @property
    def secret_key(self) -> str | None:
        """What the message says the secret is; None when it carries none."""
        return self.fields.get("secret_key")

    @property
    def lead_id(self) -> str:
        return _lead_id(buyer(self.fields, "id"))

    @property
    def lead_email(self) -> str:
        email = text(buyer(self.fields, "email")).strip()
        _check_address(email)
        return email


def buyer(fields: Mapping[str, Any], name: str) -> Any:
    """`lead_<name>`, or `buyer_<name>` as older messages call it."""
    return fields.get(f"lead_{name}", fields.get(f"buyer_{name}"))


def read_notice(body: bytes) -> Notice:
    """An outbound event from its body: JSON, whatever the header said; or a form that holds or spells it."""
    raw = object_of(body)
    if not isinstance(raw.get("action"), str | int) or isinstance(raw["action"], bool):
        if "transaction_id" in raw and "transaction_type" in raw:
            raise Unreadable(Trouble.PAYMENT_HERE)
        raise Unreadable(Trouble.NO_ACTION)
    action = text(raw["action"]).strip()[:100]
    if not action:
        raise Unreadable(Trouble.NO_ACTION)
    details = shallow(decoded(raw.get("action_details")))
    notice = Notice(action, details if isinstance(details, dict) else {}, _lead(raw.get("lead")))
    if notice.lead is None and action in PAYMENTS:
        return replace(notice, lead=_buyer(transaction(notice)))
    return notice


def _lead(raw: Any) -> LeadProfile | None:
    """The profile in a message; None where it names nobody, by id or address."""
    plain = shallow(decoded(raw))
    if isinstance(plain, list) and len(plain) == 1:
        plain = plain[0]
    if not isinstance(plain, dict):
        return None
    profile = profile_of(plain)
    id = _lead_id(plain.get("id")) if "@" in profile.email else number_id(plain.get("id"))
    profile = replace(profile, id=id)
    _check_address(profile.email)
    return profile if profile.id or "@" in profile.email else None


LONGEST_ADDRESS = 320


def _check_address(email: str) -> None:
    if len(email) > LONGEST_ADDRESS:
        raise Unreadable(Trouble.LONG_ADDRESS)


def _lead_id(value: Any) -> str:
    """The lead's id, "" where none was told. One that cannot be is not passed over: the address might be another's."""
    found = number_id(value)
    if not found and (isinstance(value, bool | dict | list) or text(value).strip()):
        raise Unreadable(Trouble.ODD_ID)
    return found


def _buyer(payment: Mapping[str, Any]) -> LeadProfile | None:
    """Who bought, from the payment alone. Its other fields are those of the bill, not of the lead."""
    told = {"id": buyer(payment, "id"), "email": buyer(payment, "email")}
    return _lead({key: value for key, value in told.items() if value is not None})


def read_ipn(body: bytes) -> IpnMessage:
    """A payment message from its body: form fields; JSON of the same keys is taken too."""
    source = fields_of(body)
    fields = {str(key)[:200]: text(value) for key, value in source.items() if not isinstance(value, dict | list)}
    if not any(key.startswith(("transaction_", "lead_", "buyer_")) for key in fields):
        if "action" in fields:
            raise Unreadable(Trouble.EVENT_HERE)
        raise Unreadable(Trouble.NO_PAYMENT)
    if "transaction_full_amount" not in fields and "transaction_amount" in fields:
        fields["transaction_full_amount"] = fields["transaction_amount"]
    message = IpnMessage(fields)
    _ = message.lead_id, message.lead_email  # what cannot be is said at once
    return message


# --- what an event is about


def _wrapped(notice: Notice, wrapper: str) -> Mapping[str, Any]:
    inner = decoded(notice.details.get(wrapper))
    if isinstance(inner, list) and len(inner) == 1:
        inner = inner[0]
    return inner if isinstance(inner, dict) else notice.details


def named(notice: Notice, noun: str) -> tuple[str, str]:
    """(id, name) of the tag, list or sequence of an event, wrapped or not."""
    inner = _wrapped(notice, noun)
    plain = decoded(notice.details.get(noun))
    name = inner.get(f"{noun}_name", inner.get("name"))
    if name is None and isinstance(plain, str):
        name = plain
    return ident(inner.get(f"{noun}_id", inner.get("id"))), text(name)


def membership(notice: Notice) -> MembershipState:
    """The membership of an event, nested or flat."""
    return membership_of(_wrapped(notice, "membership"))


@dataclass(frozen=True)
class Booking:
    """A booking as an event tells it: `starts` are naive texts in `zone` (an IANA name, may be empty)."""

    id: str
    calendar: str
    class_name: str
    starts: tuple[str, ...]
    zone: str
    minutes: int | None = None


def booking(notice: Notice) -> Booking:
    """The booking of a calendar event."""
    inner = _wrapped(notice, "calendar")
    events = [entry for entry in rows(inner.get("events")) if isinstance(entry, Mapping)]
    return Booking(
        id=ident(inner.get("calendar_subscription_id")),
        calendar=text(inner.get("calendar_name")),
        class_name=text(inner.get("class_name")),
        starts=tuple(date for entry in events if (date := text(entry.get("event_date")).strip())),
        zone=text(inner.get("vendor_timezone")).strip()[:64],
        minutes=next((m for entry in events if (m := whole(entry.get("event_duration"))) is not None and m >= 0), None),
    )


def transaction(notice: Notice) -> Mapping[str, Any]:
    """The payment of an event, wrapped or flat; an older event's `price` is the amount. Its type may be left to the event."""
    inner = dict(_wrapped(notice, "transaction_details"))
    older = next((inner[key] for key in ("transaction_amount", "price") if key in inner), None)
    if "transaction_full_amount" not in inner and older is not None:
        inner["transaction_full_amount"] = older
    if not text(inner.get("transaction_type")).strip() and notice.action in PAYMENTS:
        inner["transaction_type"] = PAYMENTS[notice.action]
    return inner
