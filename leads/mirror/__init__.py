"""The only writer of mirror rows. It writes what Kartra said (read, message, confirmed change, export), never a hope.

Every function is safe to repeat: what is already so is left alone and leaves no trace in the timeline.
"""

from leads.mirror.bulk import Row, Written, write_rows
from leads.mirror.catalogue import set_catalogue, set_custom_fields, things
from leads.mirror.facts import FIELDS, CustomFieldFact, Difference, LeadFacts, MembershipFact, Taken
from leads.mirror.leads import compare, find, mark_absent, mark_dirty, mark_gone, take
from leads.mirror.ties import set_list, set_tag

__all__ = [
    "FIELDS",
    "CustomFieldFact",
    "Difference",
    "LeadFacts",
    "MembershipFact",
    "Row",
    "Taken",
    "Written",
    "compare",
    "find",
    "mark_absent",
    "mark_dirty",
    "mark_gone",
    "set_catalogue",
    "set_custom_fields",
    "set_list",
    "set_tag",
    "take",
    "things",
    "write_rows",
]
