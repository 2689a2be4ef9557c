"""Changes of one lead → one call: which of them can travel together, and what the call says."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.kartra.commands import WITHOUT_LEAD, Action, LeadRef
from integrations.translate.base import Receipt, WireFormat
from leads import kinds
from leads.models import Lead, LeadChange

MAX_ACTIONS = 20
"""Actions in one call. Kartra documents no limit; a lead rarely has more."""


@dataclass(frozen=True)
class Composed:
    """One call as it is said to Kartra. `positions[i]` is the index of the action that carries the i-th change: changes of
    the profile share the leading one."""

    lead: LeadRef | None
    actions: tuple[Action, ...]
    lead_fields: Mapping[str, Any]
    positions: tuple[int, ...]
    repeatable: bool


def creates(lead: Lead, changes: Iterable[LeadChange]) -> bool:
    """Whether the call makes the lead. One whose id is known is changed instead: Kartra has it already."""
    return not lead.kartra_id and any(kinds.get_kind(change.kind).creates for change in changes)


def can_join(lead: Lead, chain: Sequence[LeadChange], change: LeadChange) -> bool:
    """Whether the change can travel in the same call as those before it. At most one that Kartra must not be told twice,
    unless the call makes the lead: then all but bookings can be proven from nothing. Money travels alone. What is to go alone
    goes without other families: changes of one family stay in one call, so that their order is kept."""
    if not chain:
        return True
    kind = kinds.get_kind(change.kind)
    if kind.money or len(chain) >= MAX_ACTIONS or any(kinds.get_kind(c.kind).money for c in chain):
        return False
    if (change.send_alone or chain[0].send_alone) and any(earlier.family != change.family for earlier in chain):
        return False
    if not kind.repeatable and any(earlier.family == change.family for earlier in chain):
        return False
    if creates(lead, chain):
        return not kind.unlike_creation and not (kind.edits and "email" in change.parameters)
    return kind.repeatable or all(kinds.get_kind(c.kind).repeatable for c in chain)


def compose(
    encodings: Mapping[str, WireFormat], lead: Lead, changes: Sequence[LeadChange], receipt: Receipt | None = None
) -> Composed:
    """The call for these changes of a lead, in their order, profile changes merged into its head (the later wins). A
    receipt travels in the head too; where there is none, an `edit_lead` is put in front for it."""
    new = creates(lead, changes)
    fields: dict[str, Any] = {}
    custom: dict[str, Any] = {}
    actions: list[Action] = []
    positions: list[int] = []
    merged = [change for change in changes if encodings[change.kind].lead_fields is not None]
    if merged or receipt:
        head = "create_lead" if new else "edit_lead"
        actions.append(Action(head))
    for change in changes:
        encoding = encodings[change.kind]
        if encoding.lead_fields is None:
            positions.append(len(actions))
            actions.append(encoding.action(change.parameters))
            continue
        positions.append(0)
        said = encoding.lead_fields(change.parameters)
        for entry in said.pop("custom_fields", []):
            custom[entry["field_identifier"]] = entry
        if change.kind == "create_lead":
            said.pop("email", None)  # the lead is named by it
        fields.update(said)
    if receipt:
        custom[receipt.field] = {"field_identifier": receipt.field, "field_value": receipt.value}
    if custom:
        fields["custom_fields"] = list(custom.values())
    named = None
    if any(action.cmd not in WITHOUT_LEAD for action in actions):
        named = LeadRef(id=lead.kartra_id or "", email="" if lead.kartra_id else _address(lead, changes))
    repeatable = not new and all(kinds.get_kind(change.kind).repeatable for change in changes)
    return Composed(named, tuple(actions), fields, tuple(positions), repeatable)


def _address(lead: Lead, changes: Sequence[LeadChange]) -> str:
    """How a lead without an id is named: as it was typed, where it is being created."""
    for change in changes:
        if change.kind == "create_lead":
            return str(change.parameters.get("email") or lead.email)
    return lead.email
