"""The tables of the mirror (written by `leads.mirror` alone) and of the wishes (written by `leads.changes`)."""

from leads.models.account import Account
from leads.models.activity import Activity, ActivityRemark, Source
from leads.models.catalogue import (
    SAFETY_FIELD,
    Calendar,
    CalendarClass,
    CustomField,
    CustomFieldType,
    MailingList,
    Membership,
    MembershipLevel,
    Page,
    Product,
    Sequence,
    Tag,
)
from leads.models.change import LeadChange, holding_back
from leads.models.change_counter import ChangeCounter
from leads.models.change_remark import Answer, ChangeRemark
from leads.models.change_status import OPEN, ChangeStatus, Reason
from leads.models.commerce import RecurringSubscription, Transaction
from leads.models.custom_value import CustomValue
from leads.models.forgotten import Forgotten
from leads.models.importing import (
    ColumnMapping,
    Import,
    ImportChunk,
    ImportKind,
    ImportReject,
    ImportRemark,
    ImportSeen,
    ImportState,
)
from leads.models.lead import GoneReason, Lead, LeadEmail
from leads.models.list_columns import LeadListColumns
from leads.models.membership import (
    CalendarEnrollment,
    LeadTag,
    ListSubscription,
    MembershipGrant,
    SequenceEnrollment,
)
from leads.models.people_list import (
    PeopleList,
    PeopleListChunk,
    PeopleListRemark,
    PeopleListRow,
    PeopleListState,
    PersonState,
)
from leads.models.recipe import Recipe, RecipeVersion
from leads.models.row_remark import RowRemark
from leads.models.run import BulkRun, RunDraft, RunRemark, RunState
from leads.models.schedule import Occurrence, OccurrenceState, Period, Schedule, ScheduleRemark, ScheduleState
from leads.models.second_profile import SecondProfile, SecondProfileSearch
from leads.models.segment import Segment
from leads.models.staff import GroupLimits, PasswordLinkRequest, StaffLimits, StaffPreferences, StaffSessions
from leads.models.subject_request import DataSubjectRequest, ErasureRemark, RequestKind
from leads.models.watch import SegmentMember, Watch, WatchEntry, WatchRemark, WatchState
from leads.texts import normal_email

__all__ = [
    "OPEN",
    "SAFETY_FIELD",
    "Account",
    "Activity",
    "ActivityRemark",
    "Answer",
    "BulkRun",
    "Calendar",
    "CalendarClass",
    "CalendarEnrollment",
    "ChangeCounter",
    "ChangeRemark",
    "ChangeStatus",
    "ColumnMapping",
    "CustomField",
    "CustomFieldType",
    "CustomValue",
    "DataSubjectRequest",
    "ErasureRemark",
    "Forgotten",
    "GoneReason",
    "GroupLimits",
    "Import",
    "ImportChunk",
    "ImportKind",
    "ImportReject",
    "ImportRemark",
    "ImportSeen",
    "ImportState",
    "Lead",
    "LeadChange",
    "LeadEmail",
    "LeadListColumns",
    "LeadTag",
    "ListSubscription",
    "MailingList",
    "Membership",
    "MembershipGrant",
    "MembershipLevel",
    "Occurrence",
    "OccurrenceState",
    "Page",
    "PasswordLinkRequest",
    "PeopleList",
    "PeopleListChunk",
    "PeopleListRemark",
    "PeopleListRow",
    "PeopleListState",
    "Period",
    "PersonState",
    "Product",
    "Reason",
    "Recipe",
    "RecipeVersion",
    "RecurringSubscription",
    "RequestKind",
    "RowRemark",
    "RunDraft",
    "RunRemark",
    "RunState",
    "Schedule",
    "ScheduleRemark",
    "ScheduleState",
    "SecondProfile",
    "SecondProfileSearch",
    "Segment",
    "SegmentMember",
    "Sequence",
    "SequenceEnrollment",
    "Source",
    "StaffLimits",
    "StaffPreferences",
    "StaffSessions",
    "Tag",
    "Transaction",
    "Watch",
    "WatchEntry",
    "WatchRemark",
    "WatchState",
    "holding_back",
    "normal_email",
]
