"""What a call means: only a read, changes of our kinds, or neither."""

import re
from typing import Any

from django.utils.translation import gettext as _

from integrations.console.form import CannotCall, Form
from integrations.translate import WIRE_FORMATS
from leads import kinds

READS = frozenset(
    {
        "search_lead",
        "search_subscription",
        "search_transaction",
        "get_subscription_details",
        "get_transaction_details",
        "retrieve_account_lists",
        "retrieve_account_pages",
        "retrieve_account_sequences",
        "retrieve_account_tags",
        "retrieve_custom_fields",
        "retrieve_subscriptions_from_lead",
        "retrieve_transactions_from_lead",
    }
)
"""The commands of which Kartra documents that they change nothing. What a name begins with says nothing of what it does."""

NAMES = frozenset({"id", "email"})
"""What names a lead, and changes nothing of it."""

_MONEY = re.compile(r"refund|transaction|subscription|charge|pay|bill|invoice|installment|price|order|credit")

Wish = tuple[kinds.ChangeKind, dict[str, Any]]


class NotOurs(Exception):
    """The call is not, or not wholly, what our kinds of change say. `what`: the part that is not understood."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def only_reads(form: Form) -> bool:
    """Whether the call changes nothing. Raises CannotCall where it reads beside a write."""
    if form.get_lead is not None:
        return not form.others and not form.lead and form.get_lead.keys() <= NAMES
    reads = [command in READS for command in form.commands]
    if any(reads) and not all(reads):
        raise CannotCall(_("The call reads beside what it changes. Make two calls."))
    return bool(reads) and all(reads) and not form.others and form.lead.keys() <= NAMES


def moves_money(form: Form) -> bool:
    """Whether a command of the call is one that moves money, or may be."""
    ours = {name for kind, wire in WIRE_FORMATS.items() if kinds.get_kind(kind).money for name in wire.commands}
    known = {name for wire in WIRE_FORMATS.values() for name in wire.commands} | READS
    return any(name in ours or (name not in known and _MONEY.search(name)) for name in form.commands)


def wishes_of(form: Form) -> list[Wish]:
    """The changes that the call stands for, in order, their parameters not yet cleaned. Raises NotOurs."""
    if form.others or form.get_lead is not None or not form.actions:
        raise NotOurs(", ".join(sorted(form.others)) or "get_lead")
    lead: dict[str, Any] = dict(form.lead)
    found = [_wish(action, lead) for action in form.actions]
    if left := set(lead) - NAMES:
        raise NotOurs(", ".join(f"lead[{name}]" for name in sorted(left)))
    return found


def _wish(action: Any, lead: dict[str, Any]) -> Wish:
    command = action["cmd"]
    for name, wire in WIRE_FORMATS.items():
        if command not in wire.commands:
            continue
        fields = _copy({key: value for key, value in action.items() if key != "cmd"})
        parameters = wire.parameters(fields)
        if parameters is None:
            continue
        if fields:
            raise NotOurs(", ".join(f"{command}[{name}]" for name in sorted(fields)))
        if wire.lead_parameters is not None:
            parameters |= _of_lead(wire.lead_parameters, lead)
        return kinds.get_kind(name), parameters
    raise NotOurs(str(command))


def _of_lead(take: Any, lead: dict[str, Any]) -> dict[str, Any]:
    """What the leading command takes out of `lead`; the address by which the lead is named stays there too."""
    fields = _copy(lead)
    parameters: dict[str, Any] = take(fields)
    for name in lead.keys() - fields.keys() - NAMES:
        del lead[name]
    return parameters


def _copy(fields: Any) -> Any:
    return {name: _copy(value) for name, value in fields.items()} if isinstance(fields, dict) else fields
