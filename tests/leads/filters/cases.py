"""A lead that has everything leads can be filtered by, and a filter of each kind that finds it."""

import datetime as dt
from decimal import Decimal

from django.utils import timezone

from leads.models import (
    Calendar,
    CalendarClass,
    CalendarEnrollment,
    CustomField,
    LeadTag,
    ListSubscription,
    Membership,
    MembershipGrant,
    MembershipLevel,
    Product,
    RecurringSubscription,
    Sequence,
    SequenceEnrollment,
    Transaction,
)
from tests.factories import LeadChangeFactory, LeadFactory, MailingListFactory, TagFactory

AT = dt.datetime(2026, 5, 10, 15, tzinfo=dt.UTC)
TIE = {"since": AT, "source": "refresh"}


def lead_with_everything(account):
    """One lead with everything that can be filtered by; Bo beside her has nothing of it."""
    now = timezone.now()
    ada = LeadFactory(
        account=account,
        first_name="Ada",
        email="ada@example.com",
        company="Loom",
        phone="5550001",
        country="Spain",
        source="api",
        gdpr_lead_status="2",
        score=50,
        date_joined=AT,
        read_at=now - dt.timedelta(hours=30),
        dirty_at=now,
        custom_values={"crm_ref": "A-7", "shirt": [["610", "Large"]], "empty": "", "2024": "x"},
    )
    tag, other = TagFactory(account=account, name="VIP"), TagFactory(account=account, name="buyer")
    LeadTag.objects.create(lead=ada, tag=tag, **TIE)
    LeadTag.objects.create(lead=ada, tag=other, **TIE)
    ListSubscription.objects.create(lead=ada, mailing_list=MailingListFactory(account=account, name="News"), **TIE)
    left = MailingListFactory(account=account, name="Old")
    ListSubscription.objects.create(lead=ada, mailing_list=left, active=False, **TIE)
    sequence = Sequence.objects.create(account=account, name="Welcome")
    SequenceEnrollment.objects.create(lead=ada, sequence=sequence, step="3", status="active", **TIE)
    level = MembershipLevel.objects.create(
        membership=Membership.objects.create(account=account, name="Club"), name="Gold"
    )
    MembershipGrant.objects.create(lead=ada, level=level, **TIE)
    priority_class = CalendarClass.objects.create(
        calendar=Calendar.objects.create(account=account, name="Coaching"), name="Intro"
    )
    CalendarEnrollment.objects.create(lead=ada, calendar_class=priority_class, starts_at=AT, status="Active", **TIE)
    course = Product.objects.create(account=account, name="Course")
    for number, kind in (("1", "sale"), ("2", "partial_refund")):
        Transaction.objects.create(
            account=account, kartra_id=number, lead=ada, type=kind, product=course, at=AT, full_amount=Decimal(9)
        )
    RecurringSubscription.objects.create(
        account=account, kartra_id="7", lead=ada, product=course, status="Active", started_at=AT
    )
    CustomField.objects.create(account=account, identifier="shirt", type="drop_down", options=[["610", "Large"]])
    for identifier in ("crm_ref", "2024"):
        CustomField.objects.create(account=account, identifier=identifier, type="input_field")
    LeadChangeFactory(lead=ada)
    LeadFactory(
        account=account, first_name="Bo", email="bo@example.com", score=5, date_joined=AT - dt.timedelta(days=90)
    )
    return ada


def pk(model, name):
    return str(model.objects.get(name=name).pk)


CASES = {
    "tag": lambda: {"tag": [pk(LeadTag.tag.field.related_model, "VIP")]},
    "all of the tags": lambda: {"tag_all": [str(row.tag_id) for row in LeadTag.objects.all()]},
    "on a list": lambda: {"list": [pk(ListSubscription.mailing_list.field.related_model, "News")]},
    "left a list": lambda: {
        "list": [pk(ListSubscription.mailing_list.field.related_model, "Old")],
        "list_state": ["left"],
    },
    "sequence and step": lambda: {"sequence": [pk(Sequence, "Welcome")], "sequence_step": ["3"]},
    "sequence and state": lambda: {"sequence_status": ["active"]},
    "membership": lambda: {"membership": [pk(MembershipLevel, "Gold")]},
    "calendar": lambda: {
        "calendar": [pk(CalendarClass, "Intro")],
        "calendar_from": ["2026-05-10"],
        "calendar_to": ["2026-05-10"],
    },
    "bought": lambda: {"bought": [pk(Product, "Course")]},
    "bought any": lambda: {"bought": ["any"]},
    "bought by date": lambda: {"bought_from": ["2026-05-01"], "bought_to": ["2026-05-31"]},
    "refunded": lambda: {"refunded": [pk(Product, "Course")]},
    "plan active": lambda: {"plan": ["any"], "plan_from": ["2026-05-01"]},
    "score": lambda: {"score_min": ["40"], "score_max": ["60"]},
    "joined": lambda: {"joined_from": ["2026-05-01"]},
    "country": lambda: {"country": ["Spain", "Japan"]},
    "source": lambda: {"source": ["api"]},
    "gdpr": lambda: {"gdpr": ["2"]},
    "custom text": lambda: {"custom": ["crm_ref"], "custom_value": ["A-7"]},
    "custom text contains": lambda: {"custom": ["crm_ref"], "custom_how": ["contains"], "custom_value": ["a-"]},
    "custom of digits": lambda: {"custom": ["2024"], "custom_value": ["x"]},
    "custom option": lambda: {"custom": ["shirt"], "custom_value": ["Large"]},
    "custom option by id": lambda: {"custom": ["shirt"], "custom_value": ["610"]},
    "custom filled": lambda: {"custom": ["crm_ref"], "custom_how": ["filled"]},
    "queued": lambda: {"wish": ["waiting", "sending"]},
    "update due": lambda: {"copy": ["due"]},
    "older": lambda: {"older": ["24"]},
}

UNREADABLE = [
    {"tag": ["x"]},
    {"score_min": ["many"]},
    {"joined_from": ["yesterday"]},
    {"nonsense": ["1"]},
    {"tag": ["9" * 40]},
    {"tag": ["--5"]},
    {"older": ["9" * 5000]},
    {"joined_to": ["9999-12-31"]},
    {"joined_from": ["0001-01-01"]},
    {"country": ["\x00"]},
    {"custom": ["a\x00"]},
    {"country": [str(number) for number in range(501)]},
    *(
        {name: [value]}
        for name in ("tag", "tag_all", "list", "sequence", "membership", "calendar", "segment", "account")
        for value in ("987654321", "-1", "junk")
    ),
    {"bought": ["987654321"]},
    {"refunded": ["any", "junk"]},
    {"plan": ["junk"]},
    {"copy": ["here", "junk"]},
    {"wish": ["accepted"]},
    {"list_state": ["junk"]},
    {"membership_state": ["junk"]},
    {"custom": ["junk"]},
    {"custom": ["crm_ref"], "custom_how": ["junk"]},
    {"custom_value": ["A-7"]},
    {"custom_how": ["filled"]},
]
