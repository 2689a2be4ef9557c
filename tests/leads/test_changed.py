"""What changed since a mark: every writer of the mirror marks, nobody is lost, and what says nothing new marks nobody."""

import datetime as dt
import threading
from decimal import Decimal

import pytest
from django.db import connection as database, connections, transaction
from django.utils import timezone

from leads import mirror
from leads.mirror import (
    LeadFacts,
    LeadMessage,
    MembershipFact,
    Row,
    SubscriptionFact,
    TieFact,
    TransactionFact,
    TransactionRow,
)
from leads.models import Activity, Lead, Sequence, SequenceEnrollment, Tag
from leads.models.changed import BadMark, Mark, changed_since, mark_changed
from tests.all_are_over import all_are_over
from tests.factories import LeadChangeFactory, LeadFactory, TagFactory

NOW = timezone.now()
TOMORROW = NOW + dt.timedelta(days=1)
SALE = TransactionFact("7", type="sale", full_amount=Decimal("97.00"), subscription_id="8", authority=True)
PLAN = SubscriptionFact("8", status="Active", installments_left="3")


def facts(lead, **told):
    fields = {"email": lead.email, **told.pop("fields", {})}
    return mirror.apply_facts(
        lead.account, LeadFacts(lead.kartra_id, fields, **told), source="refresh", at=NOW, read_began_at=timezone.now()
    )


def row(lead, **told):
    return mirror.write_rows(lead.account, [Row(1, lead.kartra_id, lead.email, **told)], at=NOW)


def message(lead, tie=None, told=None):
    told = told or LeadFacts(lead.kartra_id, {"email": lead.email})
    mirror.write_messages([LeadMessage(lead, told, mirror.ActivityCause(), tie=tie)], at=NOW, source="webhook")


def change(lead, kind, **parameters):
    return LeadChangeFactory(lead=lead, kind=kind, parameters=parameters, requested_at=NOW)


def sale(lead, fact=SALE):
    return mirror.write_transactions(lead.account, [TransactionRow(1, fact, lead_id=lead.kartra_id)], at=NOW)


def twin_without_id(lead):
    """Somebody known by address alone, who turns out to be this lead."""
    twin = LeadFactory(account=lead.account, kartra_id=None, email="twin@example.com")
    mirror.attach_kartra_id(twin, lead.kartra_id, NOW)


def told_with_id(lead):
    """A tag known by name alone gets its id under which another name was known."""
    account = lead.account
    TagFactory(account=account, name="Old", kartra_id="t1")
    mirror.set_tag(lead, "New", True, source="webhook", at=NOW)
    before = Marks(account)
    mirror.set_tag(LeadFactory(account=account), "New", True, source="webhook", at=NOW, kartra_id="t1")
    return before


def entered(lead):
    """A message told that the lead entered, not at which step; the answer to the change tells that."""
    sequence = Sequence.objects.create(account=lead.account, name="Welcome")
    SequenceEnrollment.objects.create(lead=lead, sequence=sequence, status="active", since=NOW, source="webhook")
    before = Marks(lead.account)
    mirror.set_sequence(
        lead, "Welcome", "2", "active", at=NOW, change=change(lead, "subscribe_sequence", sequence="Welcome", step="2")
    )
    return before


def taken_back(lead):
    """A message put a tag on the lead, and was somebody else's."""
    cause = mirror.ActivityCause(journal=[])
    mirror.set_tag(lead, "VIP", True, source="webhook", at=NOW, cause=cause)
    before = Marks(lead.account)
    mirror.take_back(lead, cause.journal, mirror.Message(0, NOW, read_since=False))
    return before


BY_FUNCTION = {
    "apply_facts": [
        lambda lead: facts(lead, fields={"city": "Bend"}),
        lambda lead: facts(lead, fields={"email": lead.email.upper()}),
        lambda lead: facts(lead, custom_values={"ref": "A"}),
        lambda lead: facts(lead, extra={"unheard_of": 1}),
        lambda lead: facts(lead, tags=frozenset({"VIP"})),
        lambda lead: facts(lead, lists={"Buyers": True}),
        lambda lead: facts(lead, sequences={"Welcome": ("1", "active")}),
        lambda lead: facts(lead, memberships=(MembershipFact("Club", "Gold", True),)),
    ],
    "write_rows": [
        lambda lead: row(lead, fields={"city": "Bend"}),
        lambda lead: row(lead, tags=("VIP",)),
        lambda lead: row(lead, lists=("Buyers",)),
        lambda lead: row(lead, left_lists=("Buyers",)),
    ],
    "write_transactions": [sale],
    "set_transaction": [
        lambda lead: mirror.set_transaction(lead.account, SALE, source="ipn", at=NOW, lead=lead),
        lambda lead: mirror.set_transaction(lead.account, TransactionFact("9"), source="ipn", at=NOW, lead=lead),
    ],
    "set_subscription": [lambda lead: mirror.set_subscription(lead.account, PLAN, at=NOW, lead=lead)],
    "end_plan": [lambda lead: mirror.end_plan(lead.account, "8", NOW, at=NOW, lead=lead)],
    "set_plan_status": [
        lambda lead: mirror.set_plan_status(
            lead, "8", "Cancelled", at=NOW, change=change(lead, "cancel_subscription", subscription="8")
        )
    ],
    "note_plan_edit": [
        lambda lead: mirror.note_plan_edit(
            lead, {"amount": "5"}, at=NOW, change=change(lead, "edit_subscription", subscription="8")
        )
    ],
    "note_refund": [
        lambda lead: mirror.note_refund(
            lead, "7", "5.00", at=NOW, change=change(lead, "refund_transaction", transaction="7", amount="5.00")
        )
    ],
    "note_orders_without_id": [lambda lead: mirror.note_orders_without_id(lead, [{"amount": "5"}], NOW)],
    "set_tag": [lambda lead: mirror.set_tag(lead, "VIP", True, source="webhook", at=NOW), told_with_id],
    "set_list": [lambda lead: mirror.set_list(lead, "Buyers", True, source="webhook", at=NOW)],
    "set_sequence": [lambda lead: mirror.set_sequence(lead, "Welcome", "1", "active", at=NOW), entered],
    "note_sequence_event": [
        lambda lead: mirror.note_sequence_event(
            lead, "Welcome", "active", source="webhook", at=NOW, change=None, cause=mirror.ActivityCause()
        )
    ],
    "set_membership": [
        lambda lead: mirror.set_membership(lead, MembershipFact("Club", "Gold", True), source="webhook", at=NOW)
    ],
    "set_booking": [lambda lead: mirror.set_booking(lead, "Coaching", "Intro", NOW, at=NOW)],
    "end_booking": [lambda lead: mirror.end_booking(lead, "Coaching", "Intro", at=NOW, source="webhook")],
    "set_profile": [
        lambda lead: mirror.set_profile(lead, {"city": "Bend"}, at=NOW, change=change(lead, "update_lead", city="Bend"))
    ],
    "add_points": [lambda lead: mirror.add_points(lead, 5, at=NOW, change=change(lead, "give_points", points=5))],
    "attach_kartra_id": [twin_without_id],
    "mark_gone": [lambda lead: mirror.mark_gone(lead, "deleted", NOW, source="refresh")],
    "mark_many_gone": [lambda lead: mirror.mark_many_gone([lead.pk], "deleted", NOW, source="refresh")],
    "mark_absent": [lambda lead: mirror.mark_absent(lead, NOW)],
    "take_back": [taken_back],
    "set_confirmed": [
        lambda lead: mirror.set_confirmed([change(lead, "assign_tag", tag="VIP")], NOW),
        lambda lead: mirror.set_confirmed([change(lead, "subscribe_list", list="Buyers")], NOW),
        lambda lead: mirror.set_confirmed([change(lead, "give_points", points=5)], NOW),
    ],
    "write_messages": [
        lambda lead: message(lead, tie=TieFact("tag", TagFactory(account=lead.account, name="VIP"), "VIP", True)),
        lambda lead: message(lead, told=LeadFacts(lead.kartra_id, {"email": lead.email, "city": "Bend"})),
    ],
}

OF_NEW_LEADS = {"create_placeholder", "create_placeholders"}
AFTER_ANOTHER = {"lift_gone"}
WRITE_NO_FACT_OF_A_LEAD = {
    "compare": "it only compares",
    "find": "it only looks",
    "goes_in_sets": "it only asks",
    "note_unchanged": "when it was read",
    "get_or_create_named": "names of the account",
    "lock_free_leads": "it only locks",
    "lock_leads": "it only locks",
    "look_now": "when it is to be read",
    "mark_all_dirty": "when it is to be read",
    "mark_all_orders_due": "when it is to be read",
    "mark_dirty": "when it is to be read",
    "mark_moved": "that it could not be read",
    "mark_orders_due": "when it is to be read",
    "mark_orders_read": "when it was read",
    "mark_said_deleted": "what only a read makes a fact",
    "may_be_ignored": "it only asks",
    "name_of": "it only looks",
    "put_off": "when it is to be read",
    "put_off_orders": "when it is to be read",
    "remove_hearsay": "there is no lead any more that could be marked",
    "set_catalogue": "names of the account",
    "set_custom_fields": "names of the account",
}


class Marks:
    """The marks of an account's leads as they are; `changed` says which have another since. What readers make of marks is asked
    below: on PostgreSQL they wait for every transaction of the server, those of other tests too."""

    def __init__(self, account):
        self.leads = Lead.objects.of(account)
        self.before = dict(self.leads.values_list("pk", "changed_seq"))

    def changed(self):
        return [lead for lead in self.leads.order_by("pk") if lead.changed_seq != self.before.get(lead.pk)]


def mark_of(account):
    """The mark of a reader who has seen all."""
    all_are_over()
    return changed_since(Lead.objects.of(account), Mark())[1]


def seen_by_reader(account, mark):
    all_are_over()
    return list(changed_since(Lead.objects.of(account), mark)[0])


def test_every_public_writer_of_the_mirror_is_asked_here():
    functions = {name for name in mirror.__all__ if name.islower()}
    named = {*BY_FUNCTION, *OF_NEW_LEADS, *AFTER_ANOTHER, *WRITE_NO_FACT_OF_A_LEAD}
    assert functions == named


@pytest.mark.django_db
@pytest.mark.parametrize(
    "write",
    [
        pytest.param(write, id=f"{name} {number}")
        for name, writes in BY_FUNCTION.items()
        for number, write in enumerate(writes)
    ],
)
def test_every_writer_marks_the_lead_that_it_changes_and_no_other(write):
    lead = LeadFactory(read_at=NOW - dt.timedelta(days=1), score=3)
    other = LeadFactory(account=lead.account)
    marks = Marks(lead.account)

    later = write(lead)

    found = (later if isinstance(later, Marks) else marks).changed()
    assert lead in found
    assert other not in found


@pytest.mark.django_db
def test_leads_that_are_made_are_changed():
    account = LeadFactory().account
    marks = Marks(account)
    placeholder = mirror.create_placeholder(account, "new@example.com", NOW)
    mirror.create_placeholders(account, ["newer@example.com"], NOW)
    mirror.write_rows(account, [Row(1, "901", "loaded@example.com")], at=NOW)
    told = LeadFacts("902", {"email": "told@example.com"})
    read = mirror.apply_facts(account, told, source="webhook", at=NOW).lead
    found = {lead.email for lead in marks.changed()}
    assert found == {placeholder.email, "newer@example.com", "loaded@example.com", read.email}


@pytest.mark.django_db
def test_lifted_mark_of_deletion_is_a_change():
    lead = LeadFactory()
    mirror.mark_gone(lead, "deleted", NOW, source="refresh")
    marks = Marks(lead.account)
    mirror.lift_gone([lead.pk], NOW, source="staff")
    assert marks.changed() == [lead]


SAID_AGAIN = {
    "a read": lambda lead: facts(
        lead, fields={"city": "Bend"}, tags=frozenset({"VIP"}), lists={"A": True}, sequences={"W": ("1", "active")}
    ),
    "an export": lambda lead: row(lead, fields={"city": "Bend"}, tags=("VIP",), lists=("A",), left_lists=("B",)),
    "a transaction": sale,
    "a transaction read": lambda lead: mirror.set_transaction(lead.account, SALE, source="refresh", at=NOW, lead=lead),
    "a plan read": lambda lead: mirror.set_subscription(lead.account, PLAN, at=timezone.now(), lead=lead),
    "a tag": lambda lead: mirror.set_tag(lead, "VIP", True, source="webhook", at=NOW),
    "a booking": lambda lead: mirror.set_booking(lead, "Coaching", "Intro", NOW, at=NOW, booking_id="5"),
    "a deletion": lambda lead: mirror.mark_gone(lead, "deleted", NOW, source="refresh"),
    "an absence": lambda lead: mirror.mark_absent(lead, NOW),
}


@pytest.mark.django_db
@pytest.mark.parametrize("say", SAID_AGAIN.values(), ids=SAID_AGAIN)
def test_what_is_said_again_changes_nobody(say):
    lead = LeadFactory(read_at=NOW - dt.timedelta(days=1))
    say(lead)
    marks = Marks(lead.account)
    assert Lead.objects.get(pk=lead.pk).changed_seq
    say(Lead.objects.get(pk=lead.pk))
    assert marks.changed() == []


@pytest.mark.django_db
def test_how_fresh_the_copy_is_changes_nobody():
    lead = LeadFactory()
    marks = Marks(lead.account)
    mirror.mark_dirty(lead, NOW)
    mirror.mark_all_dirty(Lead.objects.of(lead.account), NOW)
    mirror.put_off([lead.pk], TOMORROW)
    mirror.mark_orders_due(lead, NOW)
    mirror.mark_orders_read(lead, NOW)
    mirror.mark_said_deleted(lead, NOW)
    assert marks.changed() == []


@pytest.mark.django_db(transaction=True)
def test_two_writers_that_commit_in_reverse_lose_nobody():
    """The first draws its number first and ends last; between the two ends somebody asks."""
    if database.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time.")
    first, second = LeadFactory(), LeadFactory()
    second.account = first.account
    second.save()
    account, mark = first.account, mark_of(first.account)
    drawn, asked = threading.Event(), threading.Event()

    def write_first():
        try:
            with transaction.atomic():
                mirror.set_tag(first, "VIP", True, source="webhook", at=NOW)
                drawn.set()
                assert asked.wait(20)
        finally:
            connections.close_all()

    Tag.objects.create(account=account, name="VIP")
    thread = threading.Thread(target=write_first)
    thread.start()
    assert drawn.wait(20)
    mirror.set_list(second, "Buyers", True, source="webhook", at=NOW)
    between, later = changed_since(Lead.objects.of(account), mark)
    seen = set(between)
    asked.set()
    thread.join(20)
    all_are_over()
    seen |= set(changed_since(Lead.objects.of(account), later)[0])
    assert Activity.objects.count() == 2
    assert seen == {first, second}


@pytest.mark.django_db(transaction=True)
def test_transaction_that_began_first_and_draws_last_loses_nobody():
    """The order of the numbers and that of the transactions are not the same."""
    if database.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time.")
    early, late = LeadFactory(), LeadFactory()
    Lead.objects.filter(pk=late.pk).update(account=early.account)
    account = early.account
    mark = mark_of(account)
    began, go_on, drawn, end = (threading.Event() for _ in range(4))

    def begin_early():
        try:
            with transaction.atomic():
                Tag.objects.create(account=account, name="Made first")  # gives the transaction its number
                began.set()
                assert go_on.wait(20)
                mark_changed([early.pk])
            drawn.set()
        finally:
            connections.close_all()

    def begin_late():
        try:
            with transaction.atomic():
                mark_changed([late.pk])
                go_on.set()
                assert end.wait(20)
        finally:
            connections.close_all()

    one, other = threading.Thread(target=begin_early), threading.Thread(target=begin_late)
    one.start()
    assert began.wait(20)
    other.start()
    assert drawn.wait(20)
    found, later = changed_since(Lead.objects.of(account), mark)
    seen = set(found)
    end.set()
    one.join(20)
    other.join(20)
    all_are_over()
    seen |= set(changed_since(Lead.objects.of(account), later)[0])
    assert seen == {early, late}


@pytest.mark.django_db(transaction=True)
def test_rows_of_another_server_come_once_and_changes_here_come_after_them():
    """A database that was dumped elsewhere brings transaction ids that this server has not given yet."""
    lead, other = LeadFactory(), LeadFactory()
    Lead.objects.filter(pk=other.pk).update(account=lead.account)
    mark_changed([lead.pk, other.pk])
    Lead.objects.update(changed_xid=2**60)
    old = Mark(0, 2**59)
    all_are_over()
    found, later = changed_since(Lead.objects.of(lead.account), old)
    assert set(found) == {lead, other}
    assert seen_by_reader(lead.account, later) == []
    mirror.set_tag(lead, "VIP", True, source="webhook", at=NOW)
    assert seen_by_reader(lead.account, later) == [lead]


@pytest.mark.parametrize("mark", [Mark(), Mark(1200, 88231)])
def test_mark_is_read_as_it_is_written(mark):
    assert Mark.of(str(mark)) == mark


@pytest.mark.parametrize("text", ["", "12", "a-b", "1-2-3", "-1-2", "١-٢", "1" * 30 + "-2", "1;DROP-2"])
def test_text_that_is_no_mark_is_refused_with_words(text):
    with pytest.raises(BadMark, match="looks like 1200-88231"):
        Mark.of(text)
