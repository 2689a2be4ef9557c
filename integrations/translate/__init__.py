"""Our words ↔ Kartra's, by noun as in `leads.kinds`: how a kind is said to Kartra, and what proves that it was done."""

from collections.abc import Sequence

from integrations.translate import billing, calendars, composing, fields, lists, points, sequences, tags
from integrations.translate.base import NOT_TOLD, Encoding, Look, Receipt, State, Witness
from integrations.translate.composing import Composed, creates, fits
from leads.models import Lead, LeadChange

ENCODINGS: dict[str, Encoding] = {
    **fields.ENCODINGS,
    **tags.ENCODINGS,
    **lists.ENCODINGS,
    **points.ENCODINGS,
    **sequences.ENCODINGS,
    **calendars.ENCODINGS,
    **billing.ENCODINGS,
}
"""By the name of the kind; a test says that none is missing."""


def compose(lead: Lead, changes: Sequence[LeadChange], receipt: Receipt | None = None) -> Composed:
    """The one call that says these changes of a lead to Kartra."""
    return composing.compose(ENCODINGS, lead, changes, receipt)


__all__ = [
    "ENCODINGS",
    "NOT_TOLD",
    "Composed",
    "Encoding",
    "Look",
    "Receipt",
    "State",
    "Witness",
    "compose",
    "creates",
    "fits",
]
