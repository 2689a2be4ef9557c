"""Everybody who can tell a fact about a lead, and what is right after two have told the same: one row, one line."""

import datetime as dt
import json
import time
from decimal import Decimal
from types import SimpleNamespace
from urllib.parse import urlencode

from django.db import connection as database
from django.utils import timezone

from integrations import receive
from integrations.kartra.replies import ActionOutcome, ChainReply
from integrations.models import ApiCall, Attempt, Delivery
from integrations.push.plan import CallPlan
from integrations.push.settle import settle
from leads import mirror
from leads.kinds import calendars
from leads.mirror import LeadFacts, Row, SubscriptionFact, TransactionFact, TransactionRow
from leads.models import (
    Activity,
    CalendarEnrollment,
    Lead,
    LeadChange,
    LeadTag,
    ListSubscription,
    RecurringSubscription,
    SequenceEnrollment,
    Transaction,
)
from tests.factories import DeliveryFactory, LeadChangeFactory, LeadFactory, WebhookEndpointFactory

ID, EMAIL = "50417", "mara.lind@example.com"
DAY, HOUR = "2027-02-17", "15:00"
BOOKING = {"calendar": "Coaching", "class": "Intro call"}


def account_with_lead():
    """An webhook address with a secret, and a lead that was read yesterday."""
    endpoint = WebhookEndpointFactory(
        connection__account__name=f"Account {timezone.now().timestamp()}", ipn_secret="s3cret"
    )
    yesterday = timezone.now() - dt.timedelta(days=1)
    return endpoint, LeadFactory(account=endpoint.connection.account, kartra_id=ID, email=EMAIL, read_at=yesterday)


# --- the writers: each makes ready, and answers what writes


def push(kind, command, **parameters):
    def ready(endpoint, lead):
        now = timezone.now()
        change = LeadChangeFactory(lead=lead, kind=kind, parameters=parameters, status="sending", requested_at=now)
        call = ApiCall.objects.create(
            connection=endpoint.connection,
            lead=lead,
            cause="push",
            writes=True,
            commands=command,
            claimed_at=now,
            sent_at=now,
            lease_until=now + dt.timedelta(minutes=1),
        )
        Attempt.objects.create(change=change, call=call, position=0, command=command)
        reply = ChainReply((ActionOutcome(command, "done"),), {})
        return lambda: settle(CallPlan(call, lead, (change,)), reply)

    return ready


def webhook(action, **details):
    def ready(endpoint, lead):
        body = {"action": action, "action_details": details, "lead": {"id": ID, "email": EMAIL}}
        DeliveryFactory(endpoint=endpoint, body=json.dumps(body).encode())
        return receive.drain

    return ready


def ipn(**fields):
    def ready(endpoint, lead):
        body = {"lead_id": ID, "lead_email": EMAIL, "secret_key": "s3cret", **fields}
        DeliveryFactory(endpoint=endpoint, channel="ipn", body=urlencode(body).encode())
        return receive.drain

    return ready


def read(**facts):
    def ready(endpoint, lead):
        told = LeadFacts(kartra_id=ID, fields={"email": EMAIL}, **facts)
        how = {"source": "refresh", "at": timezone.now(), "read_began_at": timezone.now()}
        return lambda: mirror.apply_facts(endpoint.connection.account, told, **how)

    return ready


def read_money(write):
    return lambda endpoint, lead: lambda: write(endpoint.connection.account, lead)


def load(**row):
    def ready(endpoint, lead):
        rows = [Row(1, kartra_id=ID, email=EMAIL, **row)]
        return lambda: mirror.write_rows(endpoint.connection.account, rows, at=timezone.now())

    return ready


def load_sale(endpoint, lead):
    rows = [TransactionRow(1, SALE, lead_id=ID, lead_email=EMAIL)]
    return lambda: mirror.write_transactions(endpoint.connection.account, rows, at=timezone.now())


BOOKED = {
    "calendar_name": BOOKING["calendar"],
    "class_name": BOOKING["class"],
    "calendar_subscription_id": 5001,
    "vendor_timezone": "America/New_York",
    "events": [{"event_date": f"{DAY} {HOUR}", "event_duration": 60}],
}

SALE = TransactionFact(
    "70001", type="sale", product="Course", full_amount=Decimal("97.00"), subscription_id="8001", authority=True
)

SALE_FIELDS = {
    "transaction_id": "70001",
    "transaction_type": "sale",
    "product_name": "Course",
    "transaction_full_amount": "97.00",
    "transaction_internal_subscription_id": "8001",
}

ENDED_FIELDS = {
    "transaction_id": "70002",
    "transaction_type": "cancellation",
    "transaction_internal_subscription_id": "8001",
}


def read_sale(account, lead):
    mirror.set_transaction(account, SALE, source="refresh", at=timezone.now(), lead=lead)


def read_plan(account, lead):
    mirror.set_subscription(account, SubscriptionFact("8001", status="Cancelled"), at=timezone.now(), lead=lead)


def book_first(endpoint, lead):
    starts_at = calendars.starts_at(lead.account, {"date": DAY, "hour": HOUR})
    mirror.set_booking(lead, *BOOKING.values(), starts_at, at=timezone.now(), source="webhook", booking_id="5001")
    Activity.objects.filter(lead=lead).delete()


def sell_first(endpoint, lead):
    RecurringSubscription.objects.create(account=lead.account, kartra_id="8001", lead=lead, status="Active")


def join_first(endpoint, lead):
    mirror.set_list(lead, "Buyers", True, source="refresh", at=timezone.now())
    Activity.objects.filter(lead=lead).delete()


def enter_first(endpoint, lead):
    mirror.set_sequence(lead, "Welcome", "1", "active", source="refresh", at=timezone.now())
    Activity.objects.filter(lead=lead).delete()


def nothing_first(endpoint, lead):
    pass


def nobody_first(endpoint, lead):
    lead.delete()


FACTS = {
    "tag": SimpleNamespace(
        writers={
            "push": push("assign_tag", "assign_tag", tag="VIP"),
            "webhook": webhook("assign_tag", tag={"tag_id": 7, "tag_name": "VIP"}),
            "read": read(tags=frozenset({"VIP"})),
            "import": load(tags=("VIP",)),
        },
        before=nothing_first,
        rows=lambda: LeadTag.objects.all(),
        lines=("tag_assigned",),
        quiet=set(),
    ),
    "list": SimpleNamespace(
        writers={
            "push": push("subscribe_list", "subscribe_lead_to_list", list="Buyers"),
            "webhook": webhook("list_subscription", list={"list_id": 7, "list_name": "Buyers"}),
            "read": read(lists={"Buyers": True}),
            "import": load(lists=("Buyers",)),
        },
        before=nothing_first,
        rows=lambda: ListSubscription.objects.filter(active=True),
        lines=("list_joined",),
        quiet=set(),
    ),
    "list left": SimpleNamespace(
        writers={
            "push": push("unsubscribe_list", "unsubscribe_lead_from_list", list="Buyers"),
            "webhook": webhook("list_unsubscription", list={"list_id": 7, "list_name": "Buyers"}),
            "read": read(lists={"Buyers": False}),
        },
        before=join_first,
        rows=lambda: ListSubscription.objects.filter(active=False),
        lines=("list_left",),
        quiet=set(),
    ),
    "list left that nobody knew": SimpleNamespace(
        writers={
            "webhook": webhook("list_unsubscription", list={"list_id": 7, "list_name": "Buyers"}),
            "read": read(lists={"Buyers": False}),
            "import": load(left_lists=("Buyers",)),
        },
        before=nothing_first,
        rows=lambda: ListSubscription.objects.filter(active=False),
        lines=("list_left",),
        quiet={"read", "import"},
    ),
    "sequence": SimpleNamespace(
        writers={
            "push": push("subscribe_sequence", "subscribe_lead_to_sequence_at_step", sequence="Welcome", step="2"),
            "webhook": webhook("sequence_subscription", sequence={"sequence_id": 7, "sequence_name": "Welcome"}),
            "read": read(sequences={"Welcome": ("2", "active")}),
        },
        before=nothing_first,
        rows=lambda: SequenceEnrollment.objects.filter(status="active"),
        lines=("sequence_entered",),
        quiet=set(),
    ),
    "sequence left": SimpleNamespace(
        writers={
            "push": push("unsubscribe_sequence", "unsubscribe_lead_from_sequence", sequence="Welcome"),
            "webhook": webhook("sequence_unsubscription", sequence={"sequence_id": 7, "sequence_name": "Welcome"}),
            "read": read(sequences={"Welcome": ("1", "unsubscribed")}),
        },
        before=enter_first,
        rows=lambda: SequenceEnrollment.objects.filter(status="unsubscribed"),
        lines=("sequence_left",),
        quiet=set(),
    ),
    "sequence left that nobody knew": SimpleNamespace(
        writers={
            "webhook": webhook("sequence_unsubscription", sequence={"sequence_id": 7, "sequence_name": "Welcome"}),
            "read": read(sequences={"Welcome": ("", "unsubscribed")}),
        },
        before=nothing_first,
        rows=lambda: SequenceEnrollment.objects.filter(status="unsubscribed"),
        lines=("sequence_left",),
        quiet=set(),
    ),
    "booking": SimpleNamespace(
        writers={
            "push": push("subscribe_calendar", "calendar_subscribe", **BOOKING, date=DAY, hour=HOUR),
            "webhook": webhook("calendar_subscribe", calendar=BOOKED),
        },
        before=nothing_first,
        rows=lambda: CalendarEnrollment.objects.filter(booking_id="5001", status="Active"),
        lines=("calendar_booked",),
        quiet=set(),
    ),
    "booking at no known time": SimpleNamespace(
        writers={
            "push": push("subscribe_calendar", "calendar_subscribe", **BOOKING),
            "webhook": webhook("calendar_subscribe", calendar=BOOKED),
        },
        before=nothing_first,
        rows=lambda: CalendarEnrollment.objects.filter(booking_id="5001", status="Active"),
        lines=("calendar_booked",),
        quiet=set(),
    ),
    "booking cancelled": SimpleNamespace(
        writers={
            "push": push("cancel_calendar", "calendar_cancel", **BOOKING),
            "webhook": webhook("calendar_cancel", calendar=BOOKED),
        },
        before=book_first,
        rows=lambda: CalendarEnrollment.objects.filter(status="Cancelled"),
        lines=("calendar_cancelled",),
        quiet=set(),
    ),
    "booking nobody knew cancelled": SimpleNamespace(
        writers={
            "push": push("cancel_calendar", "calendar_cancel", **BOOKING),
            "webhook": webhook("calendar_cancel", calendar=BOOKED),
        },
        before=nothing_first,
        rows=lambda: CalendarEnrollment.objects.filter(status="Cancelled", booking_id="5001"),
        lines=("calendar_cancelled",),
        quiet=set(),
    ),
    "sale": SimpleNamespace(
        writers={
            "webhook": webhook("buy_product", transaction_details=SALE_FIELDS),
            "ipn": ipn(**SALE_FIELDS),
            "read": read_money(read_sale),
            "import": load_sale,
        },
        before=nothing_first,
        rows=lambda: Transaction.objects.filter(kartra_id="70001", type="sale"),
        lines=("payment_sale",),
        quiet=set(),
    ),
    "plan cancelled": SimpleNamespace(
        writers={
            "push": push("cancel_subscription", "cancel_transaction", subscription="8001"),
            "webhook": webhook("cancel_subscription", transaction_details=ENDED_FIELDS),
            "ipn": ipn(**ENDED_FIELDS),
            "read": read_money(read_plan),
        },
        before=sell_first,
        rows=lambda: RecurringSubscription.objects.filter(status="Cancelled"),
        lines=("subscription_cancelled",),
        quiet=set(),
    ),
    "somebody new": SimpleNamespace(
        writers={
            "webhook": webhook("kartra_page_visit", kartra_page={"kartra_page_name": "Home"}),
            "ipn": ipn(**SALE_FIELDS),
            "read": read(),
            "import": load(),
        },
        before=nobody_first,
        rows=lambda: Lead.objects.filter(kartra_id=ID),
        lines=(),
        quiet={"webhook", "ipn", "read", "import"},
    ),
}
"""`quiet`: who tells nothing new by it; that a list was left that nobody knew to be joined is news only from a message."""


def wrong_with(fact, account, first=""):
    """What is not as it should be after the fact was told, as a sentence each."""
    what = FACTS[fact]
    model = what.rows().model
    whose = {"account" if any(f.name == "account" for f in model._meta.fields) else "lead__account": account}
    found = []
    if (right := what.rows().filter(**whose).count()) != 1 or model.objects.filter(**whose).count() != 1:
        found.append(f"{right} right rows: {list(model.objects.filter(**whose).values())}")
    told = Activity.objects.filter(kind__in=[*what.lines, "changed_in_kartra"], account=account)
    wanted = {0} if first in what.quiet else {0, 1} if what.quiet and not first else {1}
    if told.count() not in wanted:
        found.append(f"{told.count()} lines: {[(line.kind, line.source, line.details) for line in told]}")
    of_account = Delivery.objects.filter(endpoint__connection__account=account)
    if set(of_account.values_list("status", flat=True)) - {"applied"}:
        found.append(f"messages {list(of_account.values('status', 'reason'))}")
    changes = LeadChange.objects.filter(account=account)
    if set(changes.values_list("status", flat=True)) - {"accepted"}:
        found.append(f"changes {list(changes.values('kind', 'status'))}")
    return found


PATIENCE_S = 20.0


def waits_or_is_over(pid, thread):
    """Whether the other connection waits for a lock by now, or has done its work."""
    ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends:
        if not thread.is_alive():
            return
        with database.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'", [pid])
            if cursor.fetchone():
                return
    raise AssertionError("The second writer neither waits nor ends.")
