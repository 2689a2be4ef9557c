"""Wishes as most tests need them: one change of one lead, and what becomes of it."""

from django.utils import timezone

from leads import changes, transitions
from leads.models import ChangeStatus, LeadChange


def record_change(lead, kind, parameters, **how) -> LeadChange:
    """Record one wish for one lead, and give its change; what it carries besides is recorded too."""
    return changes.record_changes(lead, kind, parameters, **how)[0]


def accept_change(change: LeadChange) -> None:
    """As if it had been sent and Kartra had said that it is done."""
    transitions.start_sending(LeadChange.objects.filter(pk=change.pk))
    transitions.settle(change, ChangeStatus.ACCEPTED, at=timezone.now())
