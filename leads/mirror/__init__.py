"""The only writer of mirror rows. It writes what Kartra said (read, message, confirmed change, export), never a hope.

Every function is safe to repeat: what is already so is left alone and leaves no trace in the timeline.
"""

from leads.mirror.bookings import BOOKED, CANCELLED, COMPLETED, end_booking, set_booking
from leads.mirror.catalogue import get_or_create_named, name_of, set_catalogue, set_custom_fields
from leads.mirror.changelog import ActivityCause, Journal, Message, take_back
from leads.mirror.confirmed import (
    add_points,
    attach_kartra_id,
    create_placeholder,
    create_placeholders,
    may_be_ignored,
    note_plan_edit,
    note_refund,
    set_profile,
)
from leads.mirror.facts import (
    CustomFieldFact,
    Difference,
    LeadFacts,
    MembershipFact,
    SubscriptionFact,
    Taken,
    TransactionFact,
)
from leads.mirror.flags import (
    GONE_AGAIN,
    lift_gone,
    look_now,
    mark_absent,
    mark_all_dirty,
    mark_all_orders_due,
    mark_dirty,
    mark_gone,
    mark_many_gone,
    mark_moved,
    mark_orders_due,
    mark_orders_read,
    mark_said_deleted,
    put_off,
    put_off_orders,
    remove_hearsay,
)
from leads.mirror.leads import Lookalike, apply_facts, compare, find
from leads.mirror.locks import lock_free_leads, lock_leads
from leads.mirror.many.confirmed import goes_in_sets, set_confirmed
from leads.mirror.many.messages import LeadMessage, TieFact, write_messages
from leads.mirror.many.reads import note_unchanged
from leads.mirror.many.rows import Row, Written, write_rows
from leads.mirror.many.transactions import TransactionRow, write_transactions
from leads.mirror.money import (
    end_plan,
    note_orders_without_id,
    set_plan_status,
    set_subscription,
    set_transaction,
)
from leads.mirror.relations import note_sequence_event, set_list, set_membership, set_sequence, set_tag

__all__ = [
    "BOOKED",
    "CANCELLED",
    "COMPLETED",
    "GONE_AGAIN",
    "ActivityCause",
    "CustomFieldFact",
    "Difference",
    "Journal",
    "LeadFacts",
    "LeadMessage",
    "Lookalike",
    "MembershipFact",
    "Message",
    "Row",
    "SubscriptionFact",
    "Taken",
    "TieFact",
    "TransactionFact",
    "TransactionRow",
    "Written",
    "add_points",
    "apply_facts",
    "attach_kartra_id",
    "compare",
    "create_placeholder",
    "create_placeholders",
    "end_booking",
    "end_plan",
    "find",
    "get_or_create_named",
    "goes_in_sets",
    "lift_gone",
    "lock_free_leads",
    "lock_leads",
    "look_now",
    "mark_absent",
    "mark_all_dirty",
    "mark_all_orders_due",
    "mark_dirty",
    "mark_gone",
    "mark_many_gone",
    "mark_moved",
    "mark_orders_due",
    "mark_orders_read",
    "mark_said_deleted",
    "may_be_ignored",
    "name_of",
    "note_orders_without_id",
    "note_plan_edit",
    "note_refund",
    "note_sequence_event",
    "note_unchanged",
    "put_off",
    "put_off_orders",
    "remove_hearsay",
    "set_booking",
    "set_catalogue",
    "set_confirmed",
    "set_custom_fields",
    "set_list",
    "set_membership",
    "set_plan_status",
    "set_profile",
    "set_sequence",
    "set_subscription",
    "set_tag",
    "set_transaction",
    "take_back",
    "write_messages",
    "write_rows",
    "write_transactions",
]
