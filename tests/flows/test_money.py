"""Money: reads of it, refunds and payment plans; what was asked for happens once or is left to a person."""

from decimal import Decimal

import pytest
from django.core.management import CommandError

from integrations import push
from integrations.models import Attempt
from integrations.push import verify
from leads import clock, kinds, mirror
from leads.models import Activity, Lead, LeadChange, RecurringSubscription, Transaction
from tests.factories import LeadFactory
from tests.flows.steps import change, pull, said, settle_all
from tests.recording import record_change

pytestmark = pytest.mark.django_db(transaction=True)


def test_transactions_of_a_lead_are_read_with_their_amounts(sandbox, connection, buyer):
    sandbox.act("refund", transaction=buyer.sale, amount="20.00")
    Transaction.objects.all().delete()

    facts = pull(connection, "--lead", buyer.kartra_id, "--transactions")["leads"][0]["money"]

    reads = [call["cmds"][0] for call in sandbox.calls()]
    assert reads[:2] == ["get_lead", "retrieve_transactions_from_lead"]
    assert reads.count("get_transaction_details") == 3
    assert "retrieve_subscriptions_from_lead" in reads
    by_id = {each["id"]: each for each in facts["transactions"]}
    assert (by_id[buyer.sale]["amount"], by_id[buyer.sale]["type"]) == ("97.00", "sale")
    refund = Transaction.objects.get(type="partial_refund")
    assert (refund.full_amount, refund.parent_kartra_id, refund.reported) == (Decimal("20.00"), buyer.sale, False)
    assert facts["subscriptions"] == [{"id": buyer.plan, "status": "Active", "product": "Trail Club"}]
    assert Activity.objects.filter(kind="payment_partial_refund", lead=buyer).count() == 1


def test_limit_reads_details_of_so_many(sandbox, connection, buyer):
    for _ in range(3):
        sandbox.act("sale", lead=buyer.kartra_id, amount="5.00")

    pull(connection, "--lead", buyer.kartra_id, "--transactions", "--limit", "2")

    assert [call["cmds"][0] for call in sandbox.calls()].count("get_transaction_details") == 2
    assert Transaction.objects.count() == 5


def test_what_is_known_for_certain_is_not_read_again(sandbox, connection, buyer):
    pull(connection, "--lead", buyer.kartra_id, "--transactions")

    assert "get_transaction_details" not in [call["cmds"][0] for call in sandbox.calls()]


def test_one_transaction_is_found_or_not(sandbox, connection, buyer):
    Transaction.objects.all().delete()

    assert pull(connection, "--transaction", buyer.sale, "--check")["transaction"]["amount"] == "97.00"
    assert not Transaction.objects.exists()
    assert pull(connection, "--transaction", buyer.sale)["transaction"]["lead"] == buyer.kartra_id
    assert Transaction.objects.get().lead == Lead.objects.get(pk=buyer.pk)
    with pytest.raises(CommandError, match="Kartra has no transaction 1"):
        pull(connection, "--transaction", "1")


def test_types_nobody_documented_are_kept(sandbox, connection, buyer):
    sandbox.act("sale", lead=buyer.kartra_id, type="Request Can.", amount="0.00")

    pull(connection, "--lead", buyer.kartra_id, "--transactions")

    assert Transaction.objects.filter(type="Request Can.").count() == 1


@pytest.mark.parametrize(
    ("amount", "expected", "kind"),
    [
        ("whole", {"cmd": "refund_transaction"}, "refund"),
        ("20.00", {"cmd": "refund_transaction", "refund_amount": "20.00"}, "partial_refund"),
        ("20", {"cmd": "refund_transaction", "refund_amount": "20.00"}, "partial_refund"),
    ],
)
def test_refund_goes_once_alone_and_without_lead(sandbox, connection, buyer, amount, expected, kind):
    change(connection, "refund_transaction", transaction=buyer.sale, amount=amount)

    [call] = sandbox.calls(writes=True)
    assert said(call) == [{**expected, "transaction_id": buyer.sale}]
    assert "lead" not in call["form"]
    refund = Transaction.objects.get(type=kind)
    assert (refund.parent_kartra_id, refund.lead_id) == (buyer.sale, buyer.pk)
    assert LeadChange.objects.get().status == "accepted"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"amount": "20.00"}, "transaction"),
        ({"transaction": "{sale}"}, "or “whole”"),
        ({"transaction": "{sale}", "amount": "0"}, "amount"),
        ({"transaction": "{sale}", "amount": "-5"}, "amount"),
        ({"transaction": "{sale}", "amount": "nan"}, "amount"),
        ({"transaction": "{sale}", "amount": "97.01"}, "more than the 97.00"),
        ({"transaction": "1", "amount": "whole"}, "no transaction 1"),
        ({"transaction": "x", "amount": "whole"}, "number in Kartra"),
    ],
)
def test_bad_refunds_are_refused_in_words(sandbox, connection, buyer, given, words):
    with pytest.raises(CommandError, match=words):
        change(
            connection, "refund_transaction", **{name: value.format(sale=buyer.sale) for name, value in given.items()}
        )

    assert sandbox.calls(writes=True) == []


def test_second_part_refund_is_no_more_than_what_is_left(sandbox, connection, buyer):
    change(connection, "refund_transaction", transaction=buyer.sale, amount="20.00")

    with pytest.raises(CommandError, match=r"more than the 97.00 that was paid less the 20.00 already refunded"):
        change(connection, "refund_transaction", transaction=buyer.sale, amount="77.01")
    change(connection, "refund_transaction", transaction=buyer.sale, amount="77.00")

    assert [said(call)[0]["refund_amount"] for call in sandbox.calls(writes=True)] == ["20.00", "77.00"]


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("refund_transaction", {"transaction": "{sale}", "amount": "whole"}),
        ("cancel_subscription", {"subscription": "{plan}"}),
        ("pause_subscription", {"subscription": "{plan}"}),
        ("unpause_subscription", {"subscription": "{plan}"}),
        ("edit_subscription", {"subscription": "{plan}", "amount": "31.00"}),
    ],
)
def test_money_is_never_asked_for_over_50_leads_at_once(sandbox, connection, buyer, kind, given):
    LeadFactory.create_batch(50, account=connection.account)
    named = {name: text.format(sale=buyer.sale, plan=buyer.plan) for name, text in given.items()}

    with pytest.raises(CommandError, match="51 leads at once is too many; at most 50 are allowed"):
        change(connection, kind, "--all", **named)

    assert sandbox.calls(writes=True) == []
    assert not LeadChange.objects.exists()


def test_refund_of_another_leads_sale_is_refused(sandbox, connection, buyer):
    sandbox.mirrored_lead(connection, "bo@example.com")

    with pytest.raises(CommandError, match="of another lead"):
        change(connection, "refund_transaction", "--lead", "bo@example.com", transaction=buyer.sale, amount="whole")


@pytest.mark.parametrize("amount", ["whole", "20.00"])
@pytest.mark.parametrize("fault", ["carried out, then hung", "carried out, then dropped", "carried out, then HTML"])
def test_refund_without_an_answer_is_proven_by_the_refund_that_is_new(
    sandbox, connection, buyer, fault, amount, settings
):
    settings.VERIFY_MONEY_SETTLE_S = [0.1, 0.2]
    sandbox.act("sale", lead=buyer.kartra_id, amount="20.00")
    sandbox.fault(fault, cmd="refund_transaction")

    change(connection, "refund_transaction", transaction=buyer.sale, amount=amount)

    assert len(sandbox.calls(writes=True)) == 1
    assert LeadChange.objects.get().status == "accepted"
    assert buyer.sale in Attempt.objects.get().before["transactions"]


def test_refund_that_nobody_can_see_is_left_to_a_person_and_bars_others(sandbox, connection, buyer, settings):
    settings.VERIFY_MONEY_SETTLE_S = [0.1, 0.2]
    sandbox.fault("hung, then nothing", cmd="refund_transaction")

    with pytest.raises(CommandError, match="needs your decision"):
        change(connection, "refund_transaction", transaction=buyer.sale, amount="20.00")
    with pytest.raises(CommandError, match="not ended yet"):
        change(connection, "refund_transaction", transaction=buyer.sale, amount="whole")

    assert len(sandbox.calls(writes=True)) == 1
    assert LeadChange.objects.get().reason == "outcome"


def test_a_refund_made_meanwhile_by_another_proves_nothing(sandbox, connection, buyer, settings):
    settings.VERIFY_MONEY_SETTLE_S = [0.1, 0.2]
    other = sandbox.act("sale", lead=buyer.kartra_id, amount="20.00")["transaction"]
    sandbox.fault("hung, then nothing", cmd="refund_transaction", seconds=0.5)
    sandbox.act("refund", transaction=other, amount="20.00")

    with pytest.raises(CommandError, match="needs your decision"):
        change(connection, "refund_transaction", transaction=buyer.sale, amount="20.00")


def test_266_is_looked_at_and_never_repeated(sandbox, connection, buyer, settings):
    settings.VERIFY_MONEY_SETTLE_S = [0.1, 0.2]
    sandbox.act("mark_payment", kind="transaction", id=buyer.sale, marks={"refund_fails": True})

    with pytest.raises(CommandError, match="needs your decision"):
        change(connection, "refund_transaction", transaction=buyer.sale, amount="whole")

    assert len(sandbox.calls(writes=True)) == 1


@pytest.mark.parametrize(
    ("marks", "words"),
    [
        ({"outside_refund_period": True}, "refund period is over"),
        ({"test": True}, "cannot be refunded"),
        ({"refunded": "97.00"}, "already refunded"),
    ],
)
def test_refusals_of_a_refund_are_told(sandbox, connection, buyer, marks, words):
    sandbox.act("mark_payment", kind="transaction", id=buyer.sale, marks=marks)

    with pytest.raises(CommandError, match=words):
        change(connection, "refund_transaction", transaction=buyer.sale, amount="whole")

    assert LeadChange.objects.get().status == "rejected"


@pytest.mark.parametrize(
    ("kind", "first", "said_status", "status"),
    [
        ("cancel_subscription", "", "cancel", "Cancelled"),
        ("pause_subscription", "", "pause", "Paused"),
        ("unpause_subscription", "pause_subscription", "unpause", "Active"),
    ],
)
def test_status_of_a_plan(sandbox, connection, buyer, kind, first, said_status, status):
    if first:
        change(connection, first, subscription=buyer.plan)
        sandbox.server.calls.clear()

    change(connection, kind, subscription=buyer.plan)

    [call] = sandbox.calls(writes=True)
    assert said(call) == [
        {
            "cmd": "modify_subscription_status",
            "subscription_id": buyer.plan,
            "subscription_status_modification": said_status,
        }
    ]
    assert "lead" not in call["form"]
    assert RecurringSubscription.objects.get().status == status


def test_plan_known_only_by_a_payment_message_is_cancelled_by_its_internal_id(sandbox, connection, buyer):
    RecurringSubscription.objects.update(read_at=None)

    change(connection, "cancel_subscription", subscription=buyer.plan)

    [call] = sandbox.calls(writes=True)
    assert said(call) == [{"cmd": "cancel_transaction", "transaction_internal_subscription_id": buyer.plan}]
    assert RecurringSubscription.objects.get().status == "Cancelled"


@pytest.mark.parametrize("fault", ["carried out, then hung", "hung, then nothing"])
def test_cancellation_without_an_answer(sandbox, connection, buyer, fault):
    sandbox.fault(fault, cmd="modify_subscription_status")

    change(connection, "cancel_subscription", subscription=buyer.plan)

    assert LeadChange.objects.get().status == "accepted"
    assert len(sandbox.calls(writes=True)) == (1 if fault.startswith("carried") else 2)


def test_a_pause_that_is_not_seen_is_left_to_a_person(sandbox, connection, buyer):
    sandbox.fault("hung, then nothing", cmd="modify_subscription_status")

    with pytest.raises(CommandError, match="needs your decision"):
        change(connection, "pause_subscription", subscription=buyer.plan)

    assert len(sandbox.calls(writes=True)) == 1


def test_changing_a_plan(sandbox, connection, buyer):
    change(
        connection,
        "edit_subscription",
        subscription=buyer.plan,
        amount="31.50",
        quantity="2",
        next_payment="2031-01-31 15:00",
        period="weekly",
        installments_left="12",
        tax_percent="19",
    )

    [call] = sandbox.calls(writes=True)
    assert said(call) == [
        {
            "cmd": "edit_subscription",
            "subscription_id": buyer.plan,
            "subscription_amount": "31.50",
            "subscription_product_quantity": "2",
            "subscription_next_payment_date": "2031-01-31 15:00",
            "subscription_installments_left": "12",
            "subscription_tax_percent": "19",
            "subscription_recurrence": {"recurring_period_1": "weekly"},
        }
    ]
    plan = RecurringSubscription.objects.get()
    assert (plan.next_payment_amount, plan.recurring_period, plan.installments_left) == (
        Decimal("31.50"),
        "weekly",
        "12",
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "what to change"),
        ({"amount": "0.99"}, "amount"),
        ({"amount": "10000"}, "amount"),
        ({"quantity": "0"}, "quantity"),
        ({"tax_percent": "101"}, "tax_percent"),
        ({"period": "daily"}, "period"),
        ({"installments_left": "soon"}, "until cancelled"),
        ({"product_id": "7"}, "price point"),
        ({"next_payment": "2020-01-01 10:00"}, "in the past"),
        ({"next_payment": "tomorrow"}, "next_payment"),
        ({"later_period": "yearly", "period": "monthly", "amount": "x"}, "amount"),
        ({"later_period": "yearly", "period": "quarterly"}, "one of: weekly"),
    ],
)
def test_bad_changes_of_a_plan_are_refused_in_words(sandbox, connection, buyer, given, words):
    with pytest.raises(CommandError, match=words):
        change(connection, "edit_subscription", subscription=buyer.plan, **given)

    assert sandbox.calls(writes=True) == []


def test_a_failed_look_is_no_evidence(sandbox, connection, buyer, settings):
    settings.VERIFY_MONEY_SETTLE_S = [0, 0]
    from integrations import push
    from leads import kinds

    record_change(buyer, kinds.get_kind("refund_transaction"), {"transaction": buyer.sale, "amount": "whole"})
    sandbox.fault("carried out, then dropped", cmd="refund_transaction")
    push.drain(connection, until_s=2)
    sandbox.fault("502, nothing done", cmd="retrieve_transactions_from_lead")

    verify.drain(connection, until_s=1)

    assert LeadChange.objects.get().status == "unknown"
    assert Attempt.objects.get().looks == 0


# --- lists under the names of 2021


def test_what_kartra_lists_without_an_id_is_kept_as_it_came_and_no_row_is_made_of_it(sandbox, connection, buyer):
    Transaction.objects.all().delete()
    RecurringSubscription.objects.all().delete()
    sandbox.switch(older_names=True)

    for _ in range(2):
        facts = pull(connection, "--lead", buyer.kartra_id, "--transactions")["leads"][0]["money"]

    assert not Transaction.objects.exists()
    [plan] = RecurringSubscription.objects.all()  # the list of plans brings their ids
    assert (plan.kartra_id, plan.status) == (buyer.plan, "Active")
    lines = list(Activity.objects.filter(kind="payment_without_id", lead=buyer).order_by("pk"))
    assert [line.details["raw"] for line in lines] == facts["without_id"]
    assert {line.details["raw"]["transaction_full_amount"] for line in lines} == {"97.00", "29.00"}
    assert "sale" in lines[0].label
    assert "Trail Course" in lines[0].label
    assert "97.00" in lines[0].label


def test_equal_lines_without_an_id_are_as_many_as_kartra_lists(sandbox, connection, buyer):
    sandbox.switch(older_names=True)
    entry = {"type": "sale", "raw": {"transaction_type": "sale"}}

    for number in (1, 3, 2):
        mirror.note_orders_without_id(buyer, [entry] * number, clock.now())

    assert Activity.objects.filter(kind="payment_without_id").count() == 3


@pytest.mark.parametrize("when", ["before the refund", "after it"])
def test_a_refund_is_not_looked_for_among_lines_without_an_id(sandbox, connection, buyer, when, settings):
    settings.VERIFY_MONEY_SETTLE_S = [0.1, 0.2]
    sandbox.act("refund", transaction=buyer.sale, amount="20.00")
    sandbox.switch(older_names=when == "before the refund")
    sandbox.fault("hung, then nothing", cmd="refund_transaction", seconds=1)
    refund = record_change(buyer, kinds.get_kind("refund_transaction"), {"transaction": buyer.sale, "amount": "20.00"})
    push.drain(connection, until_s=2)
    sandbox.switch(older_names=when == "after it")

    settle_all(connection, 12)

    refund.refresh_from_db()
    assert refund.status == "undecided"
    assert not Activity.objects.filter(kind="refund_confirmed").exists()
