"""What is asked for: changes and bulk runs are recorded, previewed, steered, decided, retried and undone here.

The only creator of LeadChange rows. Nothing here speaks to Kartra; `leads.signals` says after the commit that there is work.
May import every other room of `leads`.
"""

from leads.changes.checks import CannotRecord, why_not
from leads.changes.new_runs import record_run, undo_run
from leads.changes.preview import Choices, Preview, preview_change
from leads.changes.record import (
    AlreadyRecorded,
    CannotCancel,
    cancel,
    create_lead,
    lead_to_create,
    record_changes,
)

__all__ = [
    "AlreadyRecorded",
    "CannotCancel",
    "CannotRecord",
    "Choices",
    "Preview",
    "cancel",
    "create_lead",
    "lead_to_create",
    "preview_change",
    "record_changes",
    "record_run",
    "undo_run",
    "why_not",
]
