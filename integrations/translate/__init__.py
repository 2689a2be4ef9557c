"""Our words ↔ Kartra's, by noun as in `leads.kinds`: how a kind is said to Kartra, and what proves that it was done."""

from collections.abc import Sequence

from integrations.translate import billing, calendars, composing, fields, lists, points, sequences, tags
from integrations.translate.base import NOT_TOLD, ProofSource, Receipt, State, WireFormat, Witness
from integrations.translate.composing import Composed, can_join, creates
from leads.models import Lead, LeadChange

WIRE_FORMATS: dict[str, WireFormat] = {
    **fields.WIRE_FORMATS,
    **tags.WIRE_FORMATS,
    **lists.WIRE_FORMATS,
    **points.WIRE_FORMATS,
    **sequences.WIRE_FORMATS,
    **calendars.WIRE_FORMATS,
    **billing.WIRE_FORMATS,
}
"""By the name of the kind; a test says that none is missing."""

KIND_OF_EVENT: dict[str, str] = {encoding.event: kind for kind, encoding in WIRE_FORMATS.items() if encoding.event}
"""Kartra's events, and the kind of change of which each may be the echo."""


def compose(lead: Lead, changes: Sequence[LeadChange], receipt: Receipt | None = None) -> Composed:
    """The one call that says these changes of a lead to Kartra."""
    return composing.compose(WIRE_FORMATS, lead, changes, receipt)


__all__ = [
    "KIND_OF_EVENT",
    "NOT_TOLD",
    "WIRE_FORMATS",
    "Composed",
    "ProofSource",
    "Receipt",
    "State",
    "WireFormat",
    "Witness",
    "can_join",
    "compose",
    "creates",
]
