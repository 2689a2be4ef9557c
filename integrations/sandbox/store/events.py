"""How Kartra writes an event: the lead's keys, every scalar as text, custom fields as they are read."""

from typing import Any

LEAD_KEYS = (
    "id",
    "first_name",
    "middle_name",
    "last_name",
    "last_name2",
    "email",
    "phone_country_code",
    "phone",
    "company",
    "address",
    "city",
    "zip",
    "state",
    "country",
    "date_joined",
    "website",
    "ip",
    "ip_country",
    "facebook",
    "twitter",
    "linkedin",
    "sales_tax_id",
    "lead_picture",
    "source",
    "score",
    "referring_id",
    "blacklisted",
    "source_id",
    "gdpr_lead_status",
    "gdpr_lead_status_date",
    "gdpr_lead_status_ip",
    "gdpr_lead_communications",
    "lead_preferred_time_zone",
    "owner_id",
    "username",
    "instagram",
    "member_id",
)
"""The lead's keys in a delivery as captured; `custom_fields` comes last."""


def texts(value: Any) -> Any:
    """Every scalar as text, as in the deliveries that were captured."""
    if isinstance(value, dict):
        return {key: texts(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [texts(inner) for inner in value]
    return "" if value is None else str(value)


def custom_values(lead: dict[str, Any], fields: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every custom field of the account with the lead's value, in the shape in which it is read."""
    found = []
    for field in fields:
        value = lead["custom"].get(field["name"], "")
        if field["type"] not in ("input_field", "text_area"):
            chosen = value if isinstance(value, list) else [value] if value else []
            value = [
                {"option_id": number, "option_value": words}
                for number, words in field["options"]
                if str(number) in chosen
            ]
        found.append(
            {
                "field_id": field["id"],
                "field_identifier": field["name"],
                "field_type": field["type"],
                "field_value": value,
            }
        )
    return found


def event_body(
    lead: dict[str, Any], action: str, details: dict[str, Any], fields: list[dict[str, Any]]
) -> dict[str, Any]:
    """An event in the order and shape of the captured deliveries."""
    told: dict[str, Any] = {key: lead.get(key, "") for key in LEAD_KEYS}
    told.update(owner_id="1", member_id="0", custom_fields=custom_values(lead, fields))
    return {"action": action, "action_details": texts(details), "lead": texts(told)}
