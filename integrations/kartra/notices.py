"""What Kartra sends by itself: outbound events (JSON) and payment messages (IPN, form fields), read leniently.

Nothing here trusts a content type, and nothing but `Unreadable` is ever raised for a body, whatever it holds.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from integrations.kartra.profile import LeadProfile, MembershipState, membership_of, profile_of
from integrations.kartra.values import NotJson, decoded, ident, json_of, rows, text

MAX_FIELDS = 2000
DEEPEST = 200

EVENTS = (
    "buy_product", "refund_product", "partial_refund_product", "cancel_subscription", "list_subscription",
    "list_unsubscription", "assign_tag", "unassign_tag", "sequence_subscription", "sequence_unsubscription",
    "sequence_completion", "membership_granted", "membership_revoked", "filled_form", "reaches_score",
    "calendar_subscribe", "calendar_cancel", "calendar_complete", "survey_complete", "kartra_page_visit",
    "click_page_split_test_link", "video_play", "video_complete", "affiliate_signup", "jv_signup",
)  # fmt: skip
"""The 25 actions that are documented."""


class Unreadable(ValueError):
    """The body cannot be understood; the text says why, for a person."""


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
    def transaction_type(self) -> str:
        return self.fields.get("transaction_type", "").strip().lower()

    @property
    def transaction_id(self) -> str:
        return ident(self.fields.get("transaction_id"))

    @property
    def secret_key(self) -> str | None:
        """What the message says the secret is; None when it carries none."""
        return self.fields.get("secret_key")

    @property
    def lead_id(self) -> str:
        return ident(buyer(self.fields, "id"))

    @property
    def lead_email(self) -> str:
        return text(buyer(self.fields, "email")).strip()


def buyer(fields: Mapping[str, Any], name: str) -> Any:
    """`lead_<name>`, or `buyer_<name>` as older messages call it."""
    return fields.get(f"lead_{name}", fields.get(f"buyer_{name}"))


def as_text(body: bytes) -> str:
    """The body as text: UTF-8, with or without mark; UTF-16 with a mark; else Latin-1."""
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return body.decode("utf-16", "replace")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("latin-1")


def read_notice(body: bytes) -> Notice:
    """An outbound event from its body: JSON, whatever the header said; or a form with the JSON in `payload`."""
    raw = _object(body)
    action = text(raw.get("action")).strip()[:100]
    if not action:
        raise Unreadable("The message names no action.")
    details = decoded(raw.get("action_details"))
    lead = decoded(raw.get("lead"))
    profile = profile_of(lead) if isinstance(lead, dict) else None
    if profile is not None and not profile.id and "@" not in profile.email:
        profile = None
    return Notice(action, details if isinstance(details, dict) else {}, profile)


def read_ipn(body: bytes) -> IpnMessage:
    """A payment message from its body: form fields; JSON of the same keys is taken too."""
    plain = as_text(body).strip("\ufeff \t\r\n\0")
    if plain[:1] == "{":
        source: Mapping[str, Any] = _object(body)
    else:
        source = dict(_form(plain))
    fields = {str(key)[:200]: text(value) for key, value in source.items() if not isinstance(value, dict | list)}
    if not any(key.startswith(("transaction_", "lead_", "buyer_")) for key in fields):
        raise Unreadable("The message has none of the fields of a payment.")
    return IpnMessage(fields)


def _form(plain: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(plain, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="replace")
    except ValueError:
        raise Unreadable("The form has too many fields to be one of Kartra's.") from None


def _object(body: bytes) -> dict[str, Any]:
    plain = as_text(body).strip("\ufeff \t\r\n\0")
    if not plain:
        raise Unreadable("The message is empty.")
    if plain[:1] not in ("{", "[") and re.match(r"[\w\[\]%.+-]+=", plain):
        form = dict(_form(plain))
        inner = next((form[key] for key in ("payload", "data", "json", "body") if form.get(key, "").strip()), None)
        if inner is None:
            raise Unreadable("The message is a form without the event in it.")
        plain = inner
    try:
        found = json_of(plain)
    except NotJson as problem:
        raise Unreadable(f"The message cannot be read. {problem}") from None
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, dict):
        raise Unreadable("The message is JSON, but not an object.")
    if _deeper_than(found, DEEPEST):
        raise Unreadable("The message is nested too deeply to be one of Kartra's.")
    return found


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


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
    )


def transaction(notice: Notice) -> Mapping[str, Any]:
    """The payment of an event, wrapped or flat; an older event's `price` is the amount."""
    inner = dict(_wrapped(notice, "transaction_details"))
    if "transaction_full_amount" not in inner and "price" in inner:
        inner["transaction_full_amount"] = inner["price"]
    return inner
