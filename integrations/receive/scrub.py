"""Erasing a person for good, in both apps: what `leads.erasure.forget` erases, and messages from Kartra that are nobody's.

A message that could not be read, or was turned away, is linked to no lead, and may name one all the same.
"""

import re
from urllib.parse import unquote_plus

from integrations.kartra.bodies import as_text
from integrations.models import Delivery, DeliveryStatus
from leads import forgotten
from leads.erasure import forget
from leads.models import Account, Lead, normal_email
from leads.texts import comparable


def erase(lead: Lead) -> None:
    """Erase a lead and all that is known of it. Raises CannotForget while a change of it is on its way to Kartra."""
    account = lead.account
    addresses = forget.addresses_of(lead)
    forget.forget(lead)
    _blank_messages(account, addresses)


def _blank_messages(account: Account, addresses: set[str]) -> None:
    """Empty the messages of no lead that hold one of the addresses. What still waits is left out when it is applied."""
    named = {normal_email(address) for address in addresses} - {""}
    rows = Delivery.objects.filter(endpoint__connection__account=account, lead=None).exclude(
        status=DeliveryStatus.WAITING
    )
    holding = [
        pk
        for pk, body in rows.exclude(body=b"").values_list("pk", "body").iterator(chunk_size=200)
        if any(address in _text_of(bytes(body)) for address in named)
    ]
    Delivery.objects.filter(pk__in=holding).update(body=b"", family="", reason=forgotten.REMARK)


def _text_of(body: bytes) -> str:
    """A body as addresses are compared, without the escapes of forms and JSON."""
    text = unquote_plus(as_text(body))
    return comparable(re.sub(r"\\u([0-9a-fA-F]{4})", lambda escape: chr(int(escape[1], 16)), text))
