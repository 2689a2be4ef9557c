"""How Kartra writes an event or a payment message: its keys, every scalar as text, custom fields as they are read.

When one is sent is left to `account`.
"""

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


def booking_details(calendar: dict[str, Any], booking: dict[str, Any], action: str) -> dict[str, Any]:
    classes = calendar["classes"]
    details = {
        "calendar_id": calendar["id"],
        "calendar_name": booking["calendar"],
        "class_id": calendar["id"] * 100 + (classes.index(booking["class"]) if booking["class"] in classes else 0),
        "class_name": booking["class"],
        "hosts": [{"host_first_name": "Ada", "host_last_name": "Moss", "host_email_address": "ada.moss@example.com"}],
        "vendor_timezone": "America/New_York",
        "calendar_subscription_id": booking["id"],
        "events": [{"event_date": booking["when"], "event_duration": 60}],
    }
    if action == "calendar_cancel":
        details["calendar_subscription_status"] = "Cancelled"
    return details


PAYMENT_ACTIONS = {
    "sale": "buy_product",
    "refund": "refund_product",
    "partial_refund": "partial_refund_product",
    "cancellation": "cancel_subscription",
}
"""The event of a transaction, by its type; the other types have none."""


def payment_details(lead: dict[str, Any], id: int, doc: dict[str, Any]) -> dict[str, Any]:
    """A transaction as its event tells it, and its payment message too."""
    subscription = str(doc["subscription"]) if doc["subscription"] else "N/A"
    return {
        "transaction_id": id,
        "lead_first_name": lead["first_name"],
        "lead_last_name": lead["last_name"],
        "lead_email": lead["email"],
        "lead_username": lead["username"],
        "lead_id": lead["id"],
        "product_name": doc["product_name"],
        "product_id": doc["product_id"],
        "product_price_point": 1,
        "transaction_date": doc["date"],
        "transaction_quantity": 1,
        "transaction_full_amount": doc["amount"],
        "transaction_base_amount": doc["amount"],
        "transaction_type": doc["type"],
        "transaction_parent_id": doc["parent"],
        "transaction_subscription_id": subscription,
        "transaction_internal_subscription_id": subscription,
    }


def payment_message(lead: dict[str, Any], id: int, doc: dict[str, Any]) -> dict[str, str]:
    """An IPN: texts in a form, N/A for what is not there. The secret is added when it is posted."""
    told = {
        **payment_details(lead, id, doc),
        "transaction_discount": "N/A",
        "transaction_shipping": "N/A",
        "transaction_tax": "N/A",
        "transaction_affiliate": "N/A",
        "transaction_jv": "N/A",
        "transaction_subscription_pay_number": "N/A",
        "transaction_last_4_card_digits": "4242",
        "original_id": 0,
        "lead_phone_country_code": lead["phone_country_code"],
        "lead_phone_number": lead["phone"],
        "lead_address": lead["address"],
        "lead_city": lead["city"],
        "lead_zip": lead["zip"],
        "lead_state": lead["state"],
        "lead_country": lead["country"],
        "gdpr_lead_status": lead["gdpr_lead_status"],
    }
    return {key: "N/A" if value in ("", None) else str(value) for key, value in told.items()}
