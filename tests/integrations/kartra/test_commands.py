"""Every command against the sandbox, and the rules of a call."""

from decimal import Decimal

import pytest

from integrations.kartra import commands
from integrations.kartra.client import Client, Credentials, created_id
from integrations.kartra.commands import Action, LeadRef, call_fields
from integrations.kartra.errors import Rejected
from integrations.kartra.php_form import flatten
from integrations.kartra.transport import Transport


@pytest.fixture
def kartra(sandbox):
    return Client(Credentials(sandbox.app_id, sandbox.key, sandbox.password), Transport(sandbox.url))


def test_brackets_as_php_writes_them():
    given = {
        "lead": {"id": 5, "custom_fields": [{"field_value": ["620", "621"]}]},
        "flag": True,
        "none": None,
        "money": Decimal("1E+2"),
    }
    assert flatten(given) == [
        ("lead[id]", "5"),
        ("lead[custom_fields][0][field_value][0]", "620"),
        ("lead[custom_fields][0][field_value][1]", "621"),
        ("flag", "1"),
        ("money", "100"),
    ]


def test_create_edit_and_search_must_come_first():
    for action in (commands.create_lead(), commands.edit_lead(), commands.search_lead()):
        with pytest.raises(ValueError):
            call_fields([commands.assign_tag(tag_name="x"), action], LeadRef(id="1"))


def test_an_amount_that_got_lost_never_refunds_everything():
    for wrong in ({}, {"amount": Decimal(5), "whole": True}, {"amount": Decimal(0)}, {"amount": Decimal("NaN")}):
        with pytest.raises(ValueError):
            commands.refund_transaction(transaction_id="1", **wrong)


def test_every_lead_command(kartra, sandbox):
    fields = {
        "first_name": "Ada",
        "custom_fields": [
            {"field_identifier": "crm_ref", "field_value": "A-1"},
            {"field_identifier": "nobody_has_this", "field_value": "x"},
        ],
    }
    made = kartra.chain(LeadRef(email="ada@example.com"), [commands.create_lead()], lead_fields=fields)
    id = created_id(made.outcomes[0])
    lead = LeadRef(id=id)
    renamed = {"last_name": "Lind", "new_email": "ada.lind@example.com"}
    assert kartra.chain(lead, [commands.edit_lead()], lead_fields=renamed).outcomes[0].state == "done"
    assert kartra.search_lead(lead)
    assert kartra.search_lead(LeadRef(email="ada@example.com")) is False
    kartra.one(commands.assign_tag(tag_name="VIP"), lead)
    kartra.one(commands.unassign_tag(tag_name="cold"), lead)
    kartra.one(commands.subscribe_lead_to_list(list_name="Buyers"), lead)
    kartra.one(commands.unsubscribe_lead_from_list(list_name="Buyers"), lead)
    kartra.one(commands.give_points_to_lead(points=10, expiration=3), lead)
    kartra.one(commands.remove_points_from_lead(points=4), lead)
    kartra.one(commands.subscribe_lead_to_sequence_at_step(sequence_name="Welcome series", step="2"), lead)
    kartra.one(commands.unsubscribe_lead_from_sequence(sequence_name="Welcome series"), lead)
    kartra.one(
        commands.calendar_subscribe(
            calendar_name="Coaching", class_name="Intro call", starting_date="16 Jan 2999", starting_hour="15:00"
        ),
        lead,
    )
    kartra.one(commands.calendar_cancel(calendar_name="Coaching", class_name="Intro call"), lead)

    profile = kartra.get_lead(email="ADA.lind@example.com")
    assert (profile.id, profile.fields["last_name"], profile.fields["score"], profile.tags) == (
        id,
        "Lind",
        "6",
        ("VIP",),
    )
    assert [(each.name, each.active) for each in profile.lists] == [("Buyers", False)]
    assert [(each.name, each.status) for each in profile.sequences] == [("Welcome series", "unsubscribed")]
    assert profile.custom_fields["crm_ref"].text == "A-1"
    assert sandbox.lead(id)["bookings"][0]["status"] == "Cancelled"


def test_every_account_command(kartra, sandbox):
    assert "VIP" in kartra.retrieve_account_tags()
    assert "Buyers" in kartra.retrieve_account_lists()
    assert "Welcome series" in kartra.retrieve_account_sequences()
    assert "Thank you" in kartra.retrieve_account_pages()
    kartra.create_custom_field(identifier="colour", type="drop_down", options=["red", "blue"])
    colour = next(each for each in kartra.retrieve_custom_fields() if each.identifier == "colour")
    assert [words for _, words in colour.options] == ["red", "blue"]


def test_every_billing_command(kartra, sandbox):
    id = sandbox.add_lead("ada@example.com")
    lead = LeadRef(id=id)
    sale = str(sandbox.act("sale", lead=id, amount="97.00")["transaction"])
    plan = str(sandbox.act("start_subscription", lead=id, amount="29.00")["subscription"])

    kartra.one(Action("search_transaction", {"transaction_id": sale}))
    kartra.one(Action("search_subscription", {"subscription_id": plan}))
    for code, unknown in (
        ("247", Action("search_transaction", {"transaction_id": "1"})),
        ("248", Action("search_subscription", {"subscription_id": "1"})),
    ):
        with pytest.raises(Rejected) as refused:
            kartra.one(unknown)
        assert refused.value.code == code
    assert kartra.get_transaction_details(transaction_id=sale).full_amount == Decimal("97.00")
    kartra.one(commands.refund_transaction(transaction_id=sale, amount=Decimal("20.00")))
    kartra.one(commands.refund_transaction(transaction_id=sale, whole=True))
    kartra.one(commands.modify_subscription_status(subscription_id=plan, status="pause"))
    assert kartra.get_subscription_details(subscription_id=plan).status == "Paused"
    kartra.one(commands.modify_subscription_status(subscription_id=plan, status="unpause"))
    kartra.one(commands.edit_subscription(subscription_id=plan, subscription_amount="35.00"))
    assert kartra.get_subscription_details(subscription_id=plan).next_payment_amount == Decimal("35.00")
    kartra.one(commands.cancel_transaction(internal_subscription_id=plan))
    assert [each.status for each in kartra.retrieve_subscriptions_from_lead(lead)] == ["Cancelled"]
    types = [each.type for each in kartra.retrieve_transactions_from_lead(lead)]
    assert types == ["sale", "sale", "partial_refund", "partial_refund", "cancellation"]


ERRORS = [
    ("211", "assign_tag", {"tag_name": ""}),
    ("212", "assign_tag", {"tag_name": "no"}),
    ("213", "unassign_tag", {}),
    ("214", "unassign_tag", {"tag_name": "no"}),
    ("207", "subscribe_lead_to_list", {}),
    ("231", "subscribe_lead_to_list", {"list_name": "no"}),
    ("208", "unsubscribe_lead_from_list", {}),
    ("209", "unsubscribe_lead_from_list", {"list_name": "no"}),
    ("215", "give_points_to_lead", {}),
    ("227", "give_points_to_lead", {"points": "many"}),
    ("217", "remove_points_from_lead", {}),
    ("228", "remove_points_from_lead", {"points": "x"}),
    ("226", "subscribe_lead_to_sequence_at_step", {"step": "1"}),
    ("225", "subscribe_lead_to_sequence_at_step", {"sequence_name": "Welcome series"}),
    ("219", "subscribe_lead_to_sequence_at_step", {"sequence_name": "no", "step": "1"}),
    ("229", "subscribe_lead_to_sequence_at_step", {"sequence_name": "Welcome series", "step": "1-2"}),
    ("230", "subscribe_lead_to_sequence_at_step", {"sequence_name": "Welcome series", "step": "99"}),
    ("226", "unsubscribe_lead_from_sequence", {}),
    ("220", "unsubscribe_lead_from_sequence", {"sequence_name": "no"}),
    ("255", "calendar_subscribe", {"class_name": "x"}),
    ("256", "calendar_subscribe", {"calendar_name": "Coaching"}),
    ("257", "calendar_subscribe", {"calendar_name": "no", "class_name": "x"}),
    ("258", "calendar_subscribe", {"calendar_name": "Coaching", "class_name": "no"}),
    (
        "260",
        "calendar_subscribe",
        {"calendar_name": "Coaching", "class_name": "Intro call", "starting_date": "2027-01-01"},
    ),
    (
        "261",
        "calendar_subscribe",
        {"calendar_name": "Coaching", "class_name": "Intro call", "starting_date": "16 Jan 2019"},
    ),
    ("259", "calendar_cancel", {"calendar_name": "Coaching", "class_name": "Intro call"}),
    ("265", "create_custom_field", {}),
    ("263", "create_custom_field", {"custom_field_identifier": "a b"}),
    ("264", "create_custom_field", {"custom_field_identifier": "crm_ref", "custom_field_type": "input_field"}),
    ("269", "create_custom_field", {"custom_field_identifier": "n", "custom_field_type": "date"}),
    (
        "270",
        "create_custom_field",
        {"custom_field_identifier": "n", "custom_field_type": "checkbox", "custom_field_options": "a"},
    ),
    (
        "272",
        "create_custom_field",
        {
            "custom_field_identifier": "n",
            "custom_field_type": "checkbox",
            "custom_field_options": [{"option_name": ""}],
        },
    ),
    (
        "273",
        "create_custom_field",
        {
            "custom_field_identifier": "n",
            "custom_field_type": "checkbox",
            "custom_field_options": [{"option_name": "a"}],
        },
    ),
    ("247", "get_transaction_details", {"transaction_id": "1"}),
    ("247", "refund_transaction", {"transaction_id": "1"}),
    ("248", "get_subscription_details", {"subscription_id": "1"}),
    ("248", "cancel_transaction", {"transaction_internal_subscription_id": "1"}),
    ("248", "modify_subscription_status", {"subscription_id": "1"}),
    ("248", "edit_subscription", {"subscription_id": "1"}),
]


@pytest.mark.parametrize(("code", "cmd", "parameters"), ERRORS, ids=[f"{cmd}-{code}" for code, cmd, _ in ERRORS])
def test_documented_refusals(kartra, sandbox, code, cmd, parameters):
    lead = LeadRef(id=sandbox.add_lead("ada@example.com"))
    with pytest.raises(Rejected) as caught:
        kartra.one(Action(cmd, parameters), lead)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("code", "marks", "cmd", "more"),
    [
        ("250", {"outside_refund_period": True}, "refund_transaction", {}),
        ("266", {"refund_fails": True}, "refund_transaction", {}),
        ("253", {"type": "failed"}, "refund_transaction", {}),
        ("251", {"refunded": "97.00"}, "refund_transaction", {}),
        ("268", {}, "refund_transaction", {"refund_amount": "lots"}),
        ("268", {}, "refund_transaction", {"refund_amount": "98"}),
        ("249", {}, "cancel_transaction", {}),
        ("253", {"type": "refund"}, "cancel_transaction", {}),
    ],
)
def test_refusals_about_a_sale(kartra, sandbox, code, marks, cmd, more):
    sale = sandbox.act("sale", lead=sandbox.add_lead("ada@example.com"))["transaction"]
    sandbox.act("mark_payment", kind="transaction", id=sale, marks=marks)
    with pytest.raises(Rejected) as caught:
        kartra.one(Action(cmd, {"transaction_id": str(sale), **more}))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("code", "marks", "cmd", "more"),
    [
        ("274", {}, "modify_subscription_status", {"subscription_status_modification": "end"}),
        ("252", {"status": "Cancelled"}, "modify_subscription_status", {"subscription_status_modification": "cancel"}),
        ("275", {"status": "Terminated"}, "modify_subscription_status", {"subscription_status_modification": "pause"}),
        ("284", {"processor": "paypal"}, "modify_subscription_status", {"subscription_status_modification": "pause"}),
        ("267", {"cancel_fails": True}, "modify_subscription_status", {"subscription_status_modification": "cancel"}),
        ("285", {}, "edit_subscription", {}),
        ("275", {"status": "Cancelled"}, "edit_subscription", {"subscription_amount": "5"}),
        ("284", {"processor": "paypal"}, "edit_subscription", {"subscription_amount": "5"}),
        ("260", {}, "edit_subscription", {"subscription_next_payment_date": "soon"}),
        ("261", {}, "edit_subscription", {"subscription_next_payment_date": "2001-01-01 10:00"}),
        ("268", {}, "edit_subscription", {"subscription_amount": "much"}),
        ("277", {}, "edit_subscription", {"subscription_amount": "0.5"}),
        ("276", {}, "edit_subscription", {"subscription_product_quantity": "10000"}),
        ("278", {}, "edit_subscription", {"subscription_product_quantity": "some"}),
        ("280", {}, "edit_subscription", {"subscription_recurrence": {"recurring_period_1": "hourly"}}),
        (
            "281",
            {"fixed_recurrence": True},
            "edit_subscription",
            {"subscription_recurrence": {"recurring_period_1": "weekly"}},
        ),
        ("282", {}, "edit_subscription", {"subscription_installments_left": "-1"}),
        ("283", {}, "edit_subscription", {"subscription_product_id": "1"}),
        ("290", {}, "edit_subscription", {"subscription_tax_percent": "101"}),
    ],
)
def test_refusals_about_a_plan(kartra, sandbox, code, marks, cmd, more):
    plan = sandbox.act("start_subscription", lead=sandbox.add_lead("ada@example.com"))["subscription"]
    sandbox.act("mark_payment", kind="subscription", id=plan, marks=marks)
    with pytest.raises(Rejected) as caught:
        kartra.one(Action(cmd, {"subscription_id": str(plan), **more}))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("code", "pairs"),
    [
        ("224", [("actions", "x")]),
        ("223", [("lead", "5"), ("actions[0][cmd]", "assign_tag")]),
        ("254", [("actions[0][tag_name]", "x")]),
        ("206", [("actions[0][cmd]", "assign_tag")]),
        ("243", [("lead[id]", "1"), ("actions[0][cmd]", "assign_tag")]),
        ("236", [("get_lead", "5")]),
        ("234", [("get_lead[email]", "nobody@example.com")]),
        ("206", [("get_lead[x]", "5")]),
        ("271", [("lead[email]", "ada@example.com"), ("lead[custom_fields]", "x"), ("actions[0][cmd]", "edit_lead")]),
        ("244", [("lead[email]", "ADA@example.com"), ("actions[0][cmd]", "create_lead")]),
        ("245", [("lead[email]", "gone@example.com"), ("actions[0][cmd]", "search_lead")]),
    ],
)
def test_refusals_of_whole_calls(kartra, sandbox, code, pairs):
    sandbox.add_lead("ada@example.com")
    sandbox.act("delete_lead", lead=sandbox.add_lead("gone@example.com"))
    assert f'"type": "{code}"' in kartra.call(pairs).text


@pytest.mark.parametrize("code", ["201", "202", "203", "204", "233", "238", "239", "240", "242", "262"])
def test_refusals_of_credentials(kartra, sandbox, code):
    sandbox.credentials(refuse=code)
    assert f'"type": "{code}"' in kartra.call([("actions[0][cmd]", "retrieve_account_tags")]).text


@pytest.mark.parametrize(
    ("code", "credentials"),
    [
        ("238", ("", "sandbox-key", "sandbox-password")),
        ("239", ("nobody", "sandbox-key", "sandbox-password")),
        ("202", ("sandbox-app", "", "x")),
        ("203", ("sandbox-app", "wrong", "x")),
        ("233", ("sandbox-app", "sandbox-key", "wrong")),
    ],
)
def test_wrong_credentials_are_told_apart(sandbox, code, credentials):
    answer = Client(Credentials(*credentials), Transport(sandbox.url)).call(
        [("actions[0][cmd]", "retrieve_account_tags")]
    )
    assert f'"type": "{code}"' in answer.text
