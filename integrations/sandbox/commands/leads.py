"""The lead itself: read, created, edited. What ties it to things is left to `relations` and `calendars`."""

from typing import Any

from integrations.sandbox.commands.call import Call
from integrations.sandbox.commands.custom_fields import custom_values_of_write
from integrations.sandbox.commands.errors import Refused
from integrations.sandbox.commands.parameters import ok
from integrations.sandbox.store.account import Account
from integrations.sandbox.store.events import custom_values, texts
from integrations.sandbox.store.rows import LEAD_TEXTS
from integrations.sandbox.store.switches import Switches


def get_lead(account: Account, given: Any, switches: Switches) -> dict[str, Any]:
    """Top-level `get_lead[email]`, or `[id]` where the switch allows it."""
    if not isinstance(given, dict):
        raise Refused("236", whole=True)
    id = str(given.get("id", "") or "").strip() if switches["get_lead_by_id"] else ""
    email = str(given.get("email", "") or "").strip()
    if not id and not email:
        raise Refused("206", whole=True)
    lead = account.store.lead(account.number, id=id) if id else account.store.lead(account.number, email=email)
    if lead is None:
        raise Refused("234", whole=True)
    if lead["deleted"]:
        raise Refused("245", whole=True)
    details = details_of(account, lead)
    if switches["tag_ids"]:
        ids = {thing["name"]: thing["id"] for thing in account.store.things(account.number, "tag")}
        details["tags"] = [{"tag_id": ids.get(name, 0), "tag_name": name} for name in lead["tags"]]
    if switches["membership_keys"] == "id":
        older = {"membership_id": "id", "membership_name": "name"}
        details["memberships"] = [{older.get(k, k): v for k, v in each.items()} for each in details["memberships"]]
    if switches["empty_choice"] == "text":
        for field in details["custom_fields"]:
            field["field_value"] = field["field_value"] or ""
    return {"status": "Success", "lead_details": details if switches["numbers"] else texts(details)}


def details_of(account: Account, lead: dict[str, Any]) -> dict[str, Any]:
    """A lead as it is read: the documented keys, relations by name."""
    ids = {
        kind: {thing["name"]: thing["id"] for thing in account.store.things(account.number, kind)}
        for kind in ("tag", "list", "sequence")
    }
    plain = (
        "first_name",
        "middle_name",
        "last_name",
        "email",
        "date_joined",
        "phone_country_code",
        "phone",
        "ip",
        "address",
        "zip",
        "city",
        "state",
        "country",
        "lead_picture",
        "score",
        "source",
        "source_id",
        "ip_country",
        "website",
        "facebook",
        "twitter",
        "linkedin",
        "lead_preferred_time_zone",
        "notes",
        "blacklisted",
        "company",
        "last_name2",
        "username",
    )
    return {
        "id": lead["id"],
        **{key: lead[key] for key in plain},
        "custom_fields": custom_values(lead, account.store.things(account.number, "custom_field")),
        **{key: lead[key] for key in lead if key.startswith("gdpr_")},
        "tags": [{"tag_name": name} for name in lead["tags"]],
        "lists": [
            {"list_id": ids["list"].get(name, 0), "list_name": name, "active": "1" if active else "0"}
            for name, active in lead["lists"].items()
        ],
        "sequences": [
            {
                "sequence_id": ids["sequence"].get(name, 0),
                "sequence_name": name,
                "step": s["step"],
                "status": s["status"],
            }
            for name, s in lead["sequences"].items()
        ],
        "memberships": lead["memberships"],
    }


def first(
    account: Account, call: Call, cmd: str, lead: dict[str, Any] | None, given: dict[str, Any]
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """create_lead, edit_lead, search_lead: (the lead the rest of the call is about, the result)."""
    if cmd == "search_lead":
        return lead, ok()
    fields = {key: value for key, value in given.items() if key in LEAD_TEXTS and isinstance(value, str)}
    custom = custom_values_of_write(account, given.get("custom_fields"))
    if cmd == "create_lead":
        email = str(given.get("email", "") or "").strip()
        named = str(given.get("id", "") or "").strip()
        if named:  # with both the id wins, and there is no lead of it that could be made
            there = account.store.lead(account.number, id=named)
            raise Refused("243" if there is None else "245" if there["deleted"] else "244", whole=True)
        if not email or (call.switches["email_check"] and "@" not in email):
            raise Refused("206", whole=True)
        known = account.by_email(account.stored_email(email))
        if known is not None:
            raise Refused("245" if known["deleted"] else "244", whole=True)
        lead = account.create(email, fields, custom)
        return lead, ok(lead_details={"id": str(lead["id"])})
    assert lead is not None
    if call.switches["empty_field"] == "kept":
        fields = {key: value for key, value in fields.items() if value}
    new_email = str(given.get("new_email", "") or "").strip()
    if new_email:
        other = account.by_email(account.stored_email(new_email))
        if other is not None and other["id"] != lead["id"]:
            if call.switches["edit_to_known_email"]:
                raise Refused(str(call.switches["edit_to_known_email"]))
        else:
            found, changed = lead, new_email
            call.later(lambda: account.change_email(found, changed))
    target = lead
    call.later(lambda: account.edit(target, fields, custom))
    return lead, ok()
