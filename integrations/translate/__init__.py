"""Our words ↔ Kartra's, by noun as in `leads.kinds`: how a kind is said to Kartra, and what proves that it was done."""

from integrations.translate import lists, tags
from integrations.translate.base import Encoding

ENCODINGS: dict[str, Encoding] = {**tags.ENCODINGS, **lists.ENCODINGS}
"""By the name of the kind; a test says that none is missing."""

__all__ = ["ENCODINGS", "Encoding"]
