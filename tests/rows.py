"""Rows as they are, to be compared with what they are afterwards."""

from leads.models import (
    Activity,
    CalendarEnrollment,
    Lead,
    LeadTag,
    ListSubscription,
    MembershipGrant,
    RecurringSubscription,
    SequenceEnrollment,
    Transaction,
)


def everything():
    """Every row that a message can touch, as it is."""
    tables = (
        Lead,
        LeadTag,
        ListSubscription,
        SequenceEnrollment,
        MembershipGrant,
        CalendarEnrollment,
        Transaction,
        RecurringSubscription,
        Activity,
    )
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in tables}
