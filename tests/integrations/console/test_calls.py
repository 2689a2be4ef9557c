"""A call that writes is the change it stands for: same people, same bounds, same records. What is none goes with a permission
of its own, holds its lead, and never moves money."""

from decimal import Decimal
from unittest.mock import Mock

import pytest
from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from integrations import console, push
from integrations.console import CannotCall, raw as raw_calls
from integrations.console.form import read_form
from integrations.kartra.client import Client
from integrations.kartra.transport import Answer
from integrations.models import ApiCall, Attempt, Connection
from kartra_mirror import groups
from leads import mirror
from leads.erasure.forget import forget
from leads.models import (
    Account,
    BulkRun,
    GroupLimits,
    Lead,
    LeadChange,
    LeadTag,
    StaffLimits,
    Transaction,
)
from leads.signals import changes_recorded
from tests.factories import LeadChangeFactory, StaffFactory, TagFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _soon(settings):
    settings.CONSOLE_WAIT_S = 1.0


@pytest.fixture
def workers(connection):
    """Workers that send at once what was recorded."""

    def send(**how):
        push.drain(Connection.objects.get(pk=connection.pk), until_s=2)

    changes_recorded.connect(send)
    yield
    changes_recorded.disconnect(send)


def person(*permissions, **limits):
    """Somebody with the console and these permissions of `leads` or `integrations`."""
    user = StaffFactory()
    user.user_permissions.set(Permission.objects.filter(codename__in=["use_console", *permissions]))
    return user


def tagging(lead, tag="VIP"):
    return [("lead[id]", lead.kartra_id), ("actions[0][cmd]", "assign_tag"), ("actions[0][tag_name]", tag)]


def refunding(sale, amount="20.00"):
    return [
        ("actions[0][cmd]", "refund_transaction"),
        ("actions[0][transaction_id]", sale),
        ("actions[0][refund_amount]", amount),
    ]


def sale_of(sandbox, lead, amount="97.00"):
    number = str(sandbox.act("sale", lead=lead.kartra_id, amount=amount)["transaction"])
    Transaction.objects.create(
        account=lead.account, lead=lead, kartra_id=number, type="sale", full_amount=Decimal(amount), reported=False
    )
    return number


def nothing_happened(sandbox):
    return (sandbox.calls(), LeadChange.objects.count(), ApiCall.objects.count()) == ([], 0, 0)


# --- what is a change of ours


@pytest.mark.usefixtures("workers")
def test_write_is_recorded_as_a_change_with_its_evidence(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    user = person("assign_tag")

    answer = console.call(connection, tagging(lead), made_by=user)

    [change] = LeadChange.objects.all()
    assert (change.kind, change.parameters, change.status, change.requested_by, change.why) == (
        "assign_tag",
        {"tag": "VIP"},
        "accepted",
        user,
        "API console",
    )
    assert Attempt.objects.get().change == change
    assert '"103"' in answer.text
    assert answer.lines[0][1] == change
    assert answer.trouble == ""
    assert LeadTag.objects.get().change == change


@pytest.mark.usefixtures("workers")
def test_several_actions_are_several_changes_of_one_call(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    pairs = [
        ("lead[email]", "ada@example.com"),
        ("lead[city]", "Bend"),
        ("actions[0][cmd]", "edit_lead"),
        ("actions[1][cmd]", "assign_tag"),
        ("actions[1][tag_name]", "VIP"),
        ("actions[2][cmd]", "give_points_to_lead"),
        ("actions[2][points]", "5"),
    ]

    console.call(connection, pairs, made_by=person("assign_tag", "update_lead", "give_points"))

    assert list(LeadChange.objects.values_list("kind", "status")) == [
        ("update_lead", "accepted"),
        ("assign_tag", "accepted"),
        ("give_points", "accepted"),
    ]
    assert len(sandbox.calls(writes=True)) == 1
    assert sandbox.lead(lead.kartra_id)["score"] == 5


@pytest.mark.usefixtures("workers")
def test_creation_leaves_a_lead(sandbox, connection):
    pairs = [
        ("lead[email]", "Ada@example.com"),
        ("lead[first_name]", "Ada"),
        ("lead[custom_fields][0][field_identifier]", "shirt_size"),
        ("lead[custom_fields][0][field_value]", "611"),
        ("actions[0][cmd]", "create_lead"),
        ("actions[1][cmd]", "assign_tag"),
        ("actions[1][tag_name]", "VIP"),
    ]

    console.call(connection, pairs, made_by=person("create_lead", "assign_tag"))

    lead = Lead.objects.get()
    assert (lead.kartra_id, lead.first_name) == (str(sandbox.lead("ada@example.com")["id"]), "Ada")
    assert LeadTag.objects.get().lead == lead


def test_change_that_is_not_settled_in_time_is_named(sandbox, connection, settings):
    settings.CONSOLE_WAIT_S = 0.0
    lead = sandbox.mirrored_lead(connection, "ada@example.com")

    answer = console.call(connection, tagging(lead), made_by=person("assign_tag"))

    assert (answer.text, LeadChange.objects.get().status) == ("", "waiting")
    assert "queued" in answer.trouble


@pytest.mark.usefixtures("workers")
def test_refusal_of_kartra_is_told(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    TagFactory(account=connection.account, name="Gone there")

    answer = console.call(connection, tagging(lead, "Gone there"))

    assert "failed" in answer.trouble
    assert '"212"' in answer.text


@pytest.mark.usefixtures("workers")
def test_refund_leaves_sale_and_amount(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sale = sale_of(sandbox, lead)

    console.call(connection, refunding(sale), made_by=person("refund_transaction"))

    [change] = LeadChange.objects.all()
    assert (change.lead, change.parameters, change.status) == (
        lead,
        {"transaction": sale, "amount": "20.00"},
        "accepted",
    )


# --- who may


@pytest.mark.parametrize("kind", ["assign_tag", "refund_transaction"])
def test_write_takes_the_permission_of_what_it_changes(sandbox, connection, kind):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    pairs = tagging(lead) if kind == "assign_tag" else refunding(sale_of(sandbox, lead))

    with pytest.raises(CannotCall, match="you need the permission"):
        console.call(connection, pairs, made_by=person("write_raw_call"))

    assert nothing_happened(sandbox)


def test_every_action_of_a_call_takes_its_permission(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    pairs = [*tagging(lead), ("actions[1][cmd]", "give_points_to_lead"), ("actions[1][points]", "5")]

    with pytest.raises(CannotCall, match="Give points"):
        console.call(connection, pairs, made_by=person("assign_tag"))

    assert nothing_happened(sandbox)


def test_ceiling_of_refunds_holds(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sale = sale_of(sandbox, lead)
    user = person()
    support = Group.objects.create(name="Counter")
    support.permissions.set(Permission.objects.filter(codename="refund_transaction"))
    GroupLimits.objects.create(group=support, refund_ceiling=Decimal("50.00"))
    user.groups.add(support)

    for amount in ("60.00", None):
        pairs = refunding(sale, amount) if amount else refunding(sale)[:2]
        with pytest.raises(CannotCall, match=r"up to 50.00 of one sale"):
            console.call(connection, pairs, made_by=user)

    assert nothing_happened(sandbox)


@pytest.mark.parametrize("call", ["read", "write", "raw"])
def test_account_of_others_is_refused(sandbox, connection, call):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    user = person("assign_tag", "write_raw_call")
    StaffLimits.objects.create(user=user, limited=True).accounts.add(Account.objects.create(name="Other"))
    pairs = {
        "read": [("actions[0][cmd]", "retrieve_account_pages")],
        "write": tagging(lead),
        "raw": [("actions[0][cmd]", "delete_lead"), ("lead[id]", lead.kartra_id)],
    }[call]

    with pytest.raises(CannotCall, match="do not work in this account"):
        console.call(connection, pairs, made_by=user)

    assert nothing_happened(sandbox)


# --- what is refused as on a page


def test_lead_that_left_the_list_is_not_added_again_by_just_anybody(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    for on_it in (True, False):
        mirror.set_list(lead, "Buyers", on_it, source="webhook", at=timezone.now())
    pairs = [
        ("lead[id]", lead.kartra_id),
        ("actions[0][cmd]", "subscribe_lead_to_list"),
        ("actions[0][list_name]", "Buyers"),
    ]

    with pytest.raises(CannotCall, match="left the list themselves"):
        console.call(connection, pairs, made_by=person("subscribe_list"))

    assert nothing_happened(sandbox)


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([("lead[id]", "777"), ("actions[0][cmd]", "assign_tag"), ("actions[0][tag_name]", "VIP")], "does not have"),
        ([("lead[id]", "0x5"), ("actions[0][cmd]", "assign_tag"), ("actions[0][tag_name]", "VIP")], "number in Kartra"),
        (refunding("777"), "has no transaction 777"),
        (refunding("777", ""), "amount to refund"),
        ([*refunding("777"), ("actions[0][surprise]", "1")], "may move money"),
        ([*refunding("777"), ("actions[1][cmd]", "search_lead")], "two calls"),
        ([("actions[0][cmd]", "cancel_transaction"), ("actions[0][transaction_id]", "777")], "may move money"),
        ([("actions[0][cmd]", "charge_lead"), ("lead[id]", "7")], "may move money"),
        ([("actions[0][cmd]", "edit_lead"), ("lead[email]", "ada@example.com")], "Say what to change"),
        ([("lead[id]", "5")], "nothing to do"),
        ([], "nothing to do"),
    ],
    ids=repr,
)
def test_refusal_is_a_sentence_and_changes_nothing(sandbox, connection, pairs, words):
    with pytest.raises(CannotCall, match=words):
        console.call(connection, pairs, made_by=StaffFactory(is_superuser=True))

    assert nothing_happened(sandbox)


def test_two_names_of_two_leads_are_refused(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sandbox.mirrored_lead(connection, "bo@example.com")

    with pytest.raises(CannotCall, match="name two leads"):
        console.call(connection, [("lead[email]", "bo@example.com"), *tagging(lead)])

    assert nothing_happened(sandbox)


def test_refund_beside_another_change_is_refused(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sale = sale_of(sandbox, lead)
    pairs = [*refunding(sale), ("actions[1][cmd]", "assign_tag"), ("actions[1][tag_name]", "VIP")]

    with pytest.raises(CannotCall, match="travels alone"):
        console.call(connection, [*pairs, ("lead[id]", lead.kartra_id)])

    assert nothing_happened(sandbox)


@pytest.mark.parametrize("command", ["assign_tag", "create_lead", "delete_lead"])
def test_forgotten_people_stay_out(sandbox, connection, command):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    forget(lead)
    LeadChange.objects.all().delete()
    pairs = [("lead[email]", "ada@example.com"), ("actions[0][cmd]", command)]
    if command == "assign_tag":
        pairs.append(("actions[0][tag_name]", "VIP"))

    with pytest.raises(CannotCall, match="forgotten"):
        console.call(connection, pairs)

    assert nothing_happened(sandbox)


# --- what is none of ours


def raw(lead):
    return [("lead[id]", lead.kartra_id), ("actions[0][cmd]", "snooze_lead"), ("actions[0][days]", "3")]


def test_raw_write_takes_a_permission_that_no_group_has(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    everything_else = StaffFactory()
    everything_else.user_permissions.set(Permission.objects.exclude(codename="write_raw_call"))

    with pytest.raises(CannotCall, match="make such a call you need the permission"):
        console.call(connection, raw(lead), made_by=everything_else)

    assert nothing_happened(sandbox)
    assert all("integrations.write_raw_call" not in has for has in groups.permissions_of_groups().values())


def test_raw_write_is_recorded_and_its_lead_read_again(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    user = person("write_raw_call")

    console.call(connection, raw(lead), made_by=user)

    call = ApiCall.objects.get()
    assert (call.lead, call.commands, call.cause, call.writes, call.made_by) == (
        lead,
        "snooze_lead",
        "console",
        True,
        user,
    )
    assert call.finished_at is not None
    lead.refresh_from_db()
    assert lead.dirty_at is not None
    assert [each["form"]["actions"] for each in sandbox.calls()] == [{"0": {"cmd": "snooze_lead", "days": "3"}}]


@pytest.mark.parametrize("status", ["in flight", "unknown"])
def test_raw_write_waits_for_what_is_under_way(sandbox, connection, status):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    change = LeadChangeFactory(lead=lead, account=connection.account, status="unknown")
    if status == "in flight":
        change.delete()
        ApiCall.objects.create(
            connection=connection,
            lead=lead,
            cause="push",
            writes=True,
            claimed_at=connection.switched_on_at,
            lease_until=connection.switched_on_at,
        )

    with pytest.raises(CannotCall, match="under way"):
        console.call(connection, raw(lead))

    assert sandbox.calls() == []


def test_nothing_is_claimed_while_a_raw_write_is_under_way(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    LeadChangeFactory(lead=lead, account=connection.account)

    row = raw_calls.begin_raw_call(connection, lead, read_form(raw(lead)), None)
    push.drain(Connection.objects.get(pk=connection.pk), until_s=1)

    assert sandbox.calls(writes=True) == []
    assert LeadChange.objects.get().status == "waiting"
    raw_calls.end_raw_call(row, lead, None, "{}", 1)
    push.drain(Connection.objects.get(pk=connection.pk), until_s=2)
    assert LeadChange.objects.get().status == "accepted"


@pytest.mark.parametrize("call", ["read", "raw"])
@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_call_that_something_of_ours_ended_is_not_recorded_as_answered(sandbox, connection, monkeypatch, call, error):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    pairs = raw(lead) if call == "raw" else [("actions[0][cmd]", "retrieve_account_pages")]
    Connection.objects.update(failures=2)
    monkeypatch.setattr(Client, "call", Mock(side_effect=error))

    with pytest.raises(error):
        console.call(Connection.objects.get(), pairs)

    row = ApiCall.objects.get()
    assert (row.outcome, row.remark["name"], row.answer) == ("unknown", error.__name__, "")
    assert Connection.objects.get().failures == 2


@pytest.mark.parametrize("call", ["read", "raw"])
def test_keys_in_an_answer_are_neither_shown_nor_kept(sandbox, connection, monkeypatch, call):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    connection.api_key, connection.api_password = "Kq/7", ""
    connection.save()
    pairs = raw(lead) if call == "raw" else [("actions[0][cmd]", "retrieve_account_pages")]
    monkeypatch.setattr(Client, "call", Mock(return_value=Answer(200, r'{"you": "Kq\/7 Kq%2f7"}', 1)))

    told = console.call(connection, pairs).text

    assert told == '{"you": "(hidden) (hidden)"}'
    assert ApiCall.objects.get().answer in ("", told)


def test_custom_field_takes_its_own_permission(sandbox, connection):
    pairs = [
        ("actions[0][cmd]", "create_custom_field"),
        ("actions[0][custom_field_identifier]", "hat_size"),
        ("actions[0][custom_field_type]", "input_field"),
    ]

    with pytest.raises(CannotCall, match="Can create custom fields"):
        console.call(connection, pairs, made_by=person())
    answer = console.call(connection, pairs, made_by=person("create_customfield"))

    assert '"114"' in answer.text
    assert not BulkRun.objects.exists()


def test_writes_obey_the_switch(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    Connection.objects.update(switched_on_at=None)
    connection.refresh_from_db()

    for pairs in (tagging(lead), raw(lead)):
        with pytest.raises(CannotCall, match="read-only"):
            console.call(connection, pairs)

    assert nothing_happened(sandbox)
