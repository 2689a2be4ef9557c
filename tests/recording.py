"""A wish as most tests need it: one change of one lead."""

from leads import changes
from leads.models import LeadChange


def record_change(lead, kind, parameters, **how) -> LeadChange:
    """Record one wish for one lead, and give its change; what it carries besides is recorded too."""
    return changes.record_changes(lead, kind, parameters, **how)[0]
