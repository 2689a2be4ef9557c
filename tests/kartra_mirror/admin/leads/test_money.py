"""Money in the admin: sales and plans as they are read, refunds and changes of plans as Kartra received them."""

from decimal import Decimal

import pytest
from django.urls import reverse

from kartra_mirror.admin.leads import outcome_messages
from leads import kinds
from leads.models import LeadChange, RecurringSubscription, Transaction
from tests.flows.steps import said
from tests.kartra_mirror.admin.forms import drain, refund_url

pytestmark = pytest.mark.django_db(transaction=True)


def test_transactions_and_subscriptions_are_read_on_the_page(staff, buyer):
    page = staff.get(buyer.get_absolute_url() + "?tab=money").content.decode()

    assert buyer.sale in page
    assert "97.00" in page
    assert f"subscription {buyer.plan}<" in page
    assert "Trail Club" in page


def test_find_a_transaction(staff, sandbox, connection, buyer):
    Transaction.objects.all().delete()
    asked = {"connection": connection.pk, "named": buyer.sale}

    assert (
        f"Yes: Kartra has transaction {buyer.sale}"
        in staff.post("/admin/leads/transaction/find/", asked).content.decode()
    )
    assert not Transaction.objects.exists()
    assert [call["cmds"] for call in sandbox.calls()] == [["get_transaction_details"]]
    staff.post("/admin/leads/transaction/find/", {**asked, "do": "keep"})
    assert Transaction.objects.get().kartra_id == buyer.sale
    no = staff.post("/admin/leads/transaction/find/", {**asked, "named": "1"}).content.decode()
    assert "No: Kartra has no transaction 1" in no


def test_refund_page_states_amount_person_and_product(staff, buyer):
    page = staff.get(refund_url(buyer)).content.decode()

    for words in ("97.00", "ada@example.com", "Trail Course", "Type the amount once more"):
        assert words in page


def test_refund_and_cancel_the_plan_in_one_form(staff, sandbox, connection, buyer):
    sale = Transaction.objects.get(subscription__kartra_id=buyer.plan)
    url = reverse("admin:leads_transaction_refund", args=[sale.pk])
    assert "Access to memberships stays" in staff.get(url).content.decode()

    staff.post(url, {"what": "whole", "typed": "29.00", "cancel_plan": "on", "why": "She asked"})
    drain(connection)

    writes = [said(call) for call in sandbox.calls(writes=True)]
    assert writes == [
        [{"cmd": "refund_transaction", "transaction_id": sale.kartra_id}],
        [
            {
                "cmd": "modify_subscription_status",
                "subscription_id": buyer.plan,
                "subscription_status_modification": "cancel",
            }
        ],
    ]
    assert RecurringSubscription.objects.get().status == "Cancelled"


@pytest.mark.parametrize(
    "given",
    [
        {"what": "part", "amount": "20.00", "typed": "2.00"},
        {"what": "part", "typed": "20.00"},
        {"what": "whole", "typed": "yes"},
        {"what": "whole", "typed": ""},
        {"what": "part", "amount": "97.01", "typed": "97.01"},
        {"typed": "97.00"},
        {"what": "part", "amount": "-1", "typed": "-1"},
    ],
)
def test_refund_that_is_not_typed_right_is_refused(staff, sandbox, buyer, given):
    answer = staff.post(refund_url(buyer), given)

    assert answer.status_code == 200
    assert answer.context["form"].errors
    assert not LeadChange.objects.exists()


def test_part_refund_and_a_second_is_barred(staff, sandbox, connection, buyer):
    given = {"what": "part", "amount": "20.00", "typed": "20.00"}
    staff.post(refund_url(buyer), given)
    second = staff.post(refund_url(buyer), given).content.decode()

    assert "has not ended yet" in second
    drain(connection)
    assert [said(call)[0]["refund_amount"] for call in sandbox.calls(writes=True)] == ["20.00"]


def test_refund_of_all_after_a_part_is_of_what_is_left(staff, sandbox, connection, buyer):
    staff.post(refund_url(buyer), {"what": "part", "amount": "20.00", "typed": "20.00"})
    drain(connection)
    staff.post(reverse("admin:leads_lead_read_money", args=[buyer.pk]))

    page = staff.get(refund_url(buyer)).content.decode()
    assert "the remaining 77.00" in page
    assert staff.post(refund_url(buyer), {"what": "whole", "typed": "97.00"}).context["form"].errors
    staff.post(refund_url(buyer), {"what": "whole", "typed": "77.00"})
    drain(connection)

    change = LeadChange.objects.last()
    assert str(change) == f"refund the remaining 77.00 of transaction {buyer.sale}"
    assert f"The remaining 77.00 of transaction {buyer.sale} were refunded to" in outcome_messages.sentence(change)
    assert said(sandbox.calls(writes=True)[-1]) == [{"cmd": "refund_transaction", "transaction_id": buyer.sale}]


def test_who_may_refund_up_to_a_sum_may_give_back_the_rest_below_it(staff, sandbox, connection, buyer):
    staff.post(refund_url(buyer), {"what": "part", "amount": "20.00", "typed": "20.00"})
    drain(connection)
    staff.post(reverse("admin:leads_lead_read_money", args=[buyer.pk]))

    amount, before = kinds.REFUND.refund_amounts(connection.account, {"transaction": buyer.sale, "amount": "whole"})

    assert (amount, before) == (Decimal("77.00"), Decimal("20.00"))


def test_plan_that_has_ended_has_no_next_payment(staff, buyer):
    tab = f"{buyer.get_absolute_url()}?tab=money"
    assert "Next payment" in staff.get(tab).content.decode()
    RecurringSubscription.objects.update(status="Cancelled")

    assert "Next payment" not in staff.get(tab).content.decode()
    listed = staff.get(reverse("admin:leads_recurringsubscription_changelist")).content.decode()
    assert "29.00" not in listed


@pytest.mark.parametrize(
    ("kind", "more", "expected"),
    [
        ("cancel_subscription", {}, {"subscription_status_modification": "cancel"}),
        ("pause_subscription", {}, {"subscription_status_modification": "pause"}),
        ("edit_subscription", {"amount": "31.50"}, {"subscription_amount": "31.50"}),
    ],
)
def test_plan_pages(staff, sandbox, connection, buyer, kind, more, expected):
    url = reverse("admin:leads_recurringsubscription_ask", args=[RecurringSubscription.objects.get().pk, kind])
    assert "Trail Club" in staff.get(url).content.decode()
    assert "That is not" in staff.post(url, {"typed": "1", **more}).content.decode()

    staff.post(url, {"typed": buyer.plan, **more})
    drain(connection)

    [call] = sandbox.calls(writes=True)
    assert said(call)[0].items() >= {"subscription_id": buyer.plan, **expected}.items()
