"""The sandbox against what is documented, and each reading of what is not."""

import json
from urllib.parse import urlencode

import pytest

from integrations.sandbox.store.switches import SWITCHES
from tests.integrations.sandbox.asking import post


def ask(sandbox, lead, *actions):
    """The whole answer to a call about this lead (its id, or its fields)."""
    pairs = {f"lead[{key}]": value for key, value in (lead if isinstance(lead, dict) else {"id": lead}).items()}
    for index, action in enumerate(actions):
        pairs |= {f"actions[{index}][{key}]": value for key, value in action.items()}
    return json.loads(post(sandbox, urlencode(pairs))[2])


def said(answer):
    """(status, type) of the answer, or of each action."""
    if "actions" not in answer:
        return answer["status"], answer.get("type", "")
    return [(inner.get("status", ""), inner.get("type", "")) for entry in answer["actions"] for inner in entry.values()]


def inner(answer):
    [entry] = answer["actions"]
    [(name, found)] = entry.items()
    return name, found


@pytest.fixture
def lead(sandbox):
    return sandbox.add_lead("ada@example.com")


# --- what is documented


@pytest.mark.parametrize("email", ["new@example.com", "ada@example.com", "other@example.com"])
def test_of_id_and_address_the_id_wins_in_a_creation_too(sandbox, lead, email):
    sandbox.add_lead("other@example.com")
    gone = sandbox.add_lead("gone@example.com")
    sandbox.act("delete_lead", lead=gone)
    create = {"cmd": "create_lead"}

    codes = [said(ask(sandbox, {"id": id, "email": email}, create))[1] for id in (lead, gone, "999999", "x")]

    assert codes == ["244", "245", "243", "243"]
    assert sandbox.server.store.count_leads(1) == 2


def test_the_rest_of_a_call_whose_lead_the_id_named_goes_to_that_lead(sandbox, lead):
    other = sandbox.add_lead("other@example.com")
    sandbox.switch(on_244="go_on")
    given = {"id": lead, "email": "other@example.com"}

    ask(sandbox, given, {"cmd": "create_lead"}, {"cmd": "assign_tag", "tag_name": "VIP"})

    assert (sandbox.lead(lead)["tags"], sandbox.lead(other)["tags"]) == (["VIP"], [])


@pytest.mark.parametrize(
    ("points", "score"),
    [("5", 5), ("-5", -5), ("007", 7), ("9007199254740993", 9007199254740993), ("1" + "0" * 30, 10**30)],
)
def test_points_are_whole_numbers_of_any_length(sandbox, lead, points, score):
    answer = ask(sandbox, lead, {"cmd": "give_points_to_lead", "points": points})
    assert (said(answer), sandbox.lead(lead)["score"]) == ([("Success", "105")], score)


@pytest.mark.parametrize("points", ["5.5", "1e3", "nan", "inf", "five", "0x10", "\u0665", "1" * 5000, "5 5", "--5"])
@pytest.mark.parametrize("how", ["digits", "numeric"])
def test_other_points_are_no_number(sandbox, lead, points, how):
    sandbox.switch(points_as=how)
    given = {"cmd": "give_points_to_lead", "points": points}
    assert said(ask(sandbox, lead, given)) == ("Error", "227")
    assert said(ask(sandbox, lead, {**given, "cmd": "remove_points_from_lead"})) == ("Error", "228")
    assert sandbox.lead(lead)["score"] == 0


def test_names_of_2021_still_answer_in_their_own_shapes(sandbox, lead):
    plan = sandbox.act("start_subscription", lead=lead, product="Trail Club", amount="49.00")["subscription"]

    name, sales = inner(ask(sandbox, lead, {"cmd": "get_transactions_from_lead"}))
    assert name == "get_transactions_from_lead"
    [sale] = sales["transaction_list"]
    assert (sale["transaction_type"], sale["transaction_full_amount"], sale["buyer_id"]) == ("sale", "49.00", lead)
    assert not {"transaction_id", "id", "lead_id"} & set(sale)

    name, plans = inner(ask(sandbox, lead, {"cmd": "get_subscriptions_from_lead"}))
    assert name == "get_subscriptions_from_lead"
    assert plans["subscription_list"] == [
        {
            "transaction_subscription_id": str(plan),
            "buyer_id": lead,
            "buyer_email": "ada@example.com",
            "transaction_subscription_status": "Active",
        }
    ]
    assert said(ask(sandbox, {}, {"cmd": "get_transactions_from_lead"})) == ("Error", "206")


def test_an_action_sees_what_the_one_before_did(sandbox, lead):
    booking = {"calendar_name": "Coaching", "class_name": "Intro call"}
    answer = ask(sandbox, lead, {"cmd": "calendar_subscribe", **booking}, {"cmd": "calendar_cancel", **booking})
    assert said(answer) == [("Success", "112"), ("Success", "113")]


# --- what is not documented


def test_every_reading_is_told_with_its_others(sandbox):
    told = sandbox.server.switches.described()
    assert told["names"] == {
        "value": "exact",
        "means": SWITCHES["names"].means,
        "others": ["trimmed", "any_case"],
    }
    for name, switch in SWITCHES.items():
        assert switch.default not in switch.others, name


@pytest.mark.parametrize(
    ("how", "done"),
    [("exact", [True, False, False]), ("trimmed", [True, True, False]), ("any_case", [True, True, True])],
)
def test_readings_of_names(sandbox, how, done):
    sandbox.switch(names=how)
    kinds = {
        "tag": ("assign_tag", "tag_name", "VIP", {}),
        "list": ("subscribe_lead_to_list", "list_name", "Buyers", {}),
        "sequence": ("subscribe_lead_to_sequence_at_step", "sequence_name", "Welcome series", {"step": "1"}),
        "calendar": ("calendar_subscribe", "calendar_name", "Coaching", {"class_name": "Intro call"}),
        "class": ("calendar_subscribe", "class_name", "Intro call", {"calendar_name": "Coaching"}),
    }
    for number, (kind, (cmd, key, name, more)) in enumerate(kinds.items()):
        lead = sandbox.add_lead(f"{number}@example.com")
        asked = (name, f" {name} ", f" {name.swapcase()}")
        answers = [ask(sandbox, lead, {"cmd": cmd, key: each, **more}) for each in asked]
        assert [answer["status"] == "Success" for answer in answers] == done, kind
    assert sandbox.lead("0@example.com")["tags"] == ["VIP"]
    assert list(sandbox.lead("1@example.com")["lists"]) == ["Buyers"]


@pytest.mark.parametrize(("how", "codes"), [("empty", ["211", "215"]), ("value", ["212", "227"])])
def test_readings_of_blank_parameters(sandbox, lead, how, codes):
    sandbox.switch(blank_parameters=how)
    blank = [{"cmd": "assign_tag", "tag_name": "  "}, {"cmd": "give_points_to_lead", "points": " "}]
    assert [said(ask(sandbox, lead, each))[1] for each in blank] == codes
    assert said(ask(sandbox, lead, {"cmd": "assign_tag", "tag_name": ""}))[1] == "211"


@pytest.mark.parametrize("points", ["+5", "5.0", "5.", " 5"])
@pytest.mark.parametrize(("how", "score"), [("digits", 0), ("numeric", 5)])
def test_readings_of_points(sandbox, lead, points, how, score):
    sandbox.switch(points_as=how)
    ask(sandbox, lead, {"cmd": "give_points_to_lead", "points": points})
    assert sandbox.lead(lead)["score"] == score


@pytest.mark.parametrize("with_status", [False, True])
def test_readings_of_the_inner_status_of_lists(sandbox, lead, with_status):
    sandbox.switch(inner_status=with_status)
    _, found = inner(ask(sandbox, lead, {"cmd": "retrieve_transactions_from_lead"}))
    assert ("status" in found, found["transaction_list"]) == (with_status, [])


@pytest.mark.parametrize("code", ["243", "245"])
def test_readings_of_where_no_lead_found_stands(sandbox, lead, code):
    if code == "245":
        sandbox.act("delete_lead", lead=lead)
    named = lead if code == "245" else "999999"
    two = [{"cmd": "assign_tag", "tag_name": "VIP"}, {"cmd": "give_points_to_lead", "points": "5"}]

    assert said(ask(sandbox, named, *two)) == ("Error", code)
    sandbox.switch(no_lead="per_action")
    assert said(ask(sandbox, named, *two)) == [("Error", code)] * 2
    sandbox.switch(after_error="stop")
    assert said(ask(sandbox, named, *two)) == [("Error", code)]


def test_244_at_each_action_does_nothing_either(sandbox, lead):
    sandbox.switch(on_244="per_action")
    tag = {"cmd": "assign_tag", "tag_name": "VIP"}
    answer = ask(sandbox, {"email": "ada@example.com"}, {"cmd": "create_lead"}, tag)
    assert said(answer) == [("Error", "244"), ("Error", "243")]
    assert sandbox.lead(lead)["tags"] == []


@pytest.mark.parametrize(("how", "shape"), [("flat", ("Error", "212")), ("per_action", [("Error", "212")])])
def test_readings_of_where_an_only_error_stands(sandbox, lead, how, shape):
    sandbox.switch(single_error=how)
    assert said(ask(sandbox, lead, {"cmd": "assign_tag", "tag_name": "no"})) == shape


@pytest.mark.parametrize(("how", "second", "back"), [("several", "Success", "20"), ("once", "251", "10")])
def test_readings_of_a_second_partial_refund(sandbox, lead, how, second, back):
    sandbox.switch(partial_refunds=how)
    sale = str(sandbox.act("sale", lead=lead, amount="49.00")["transaction"])
    refund = {"cmd": "refund_transaction", "transaction_id": sale, "refund_amount": "10"}

    first, then = ask(sandbox, lead, refund), ask(sandbox, lead, refund)

    assert first["status"] == "Success"
    assert second in (then["status"], then.get("type"))
    assert sandbox.server.store.payment(1, "transaction", sale)["refunded"] == back


@pytest.mark.parametrize("how", ["own", "sale"])
def test_readings_of_the_id_in_the_answer_to_a_refund(sandbox, lead, how):
    sandbox.switch(refund_answers=how)
    sale = str(sandbox.act("sale", lead=lead, amount="49.00")["transaction"])
    _, found = inner(ask(sandbox, lead, {"cmd": "refund_transaction", "transaction_id": sale}))
    assert (found["transaction_refunded"] == sale) is (how == "sale")


@pytest.mark.parametrize(("how", "left"), [("latest", ["10:00"]), ("earliest", ["11:00"]), ("all", [])])
def test_readings_of_a_cancellation_of_several_bookings(sandbox, lead, how, left):
    sandbox.switch(cancels=how)
    priority_class = {"calendar_name": "Coaching", "class_name": "Intro call"}
    for hour in ("10:00", "11:00"):
        date = {"starting_date": "03 Feb 2031", "starting_hour": hour}
        ask(sandbox, lead, {"cmd": "calendar_subscribe", **priority_class, **date})
    assert said(ask(sandbox, lead, {"cmd": "calendar_cancel", **priority_class})) == [("Success", "113")]
    assert [b["when"][-5:] for b in sandbox.lead(lead)["bookings"] if b["status"] == "Active"] == left


@pytest.mark.parametrize(("how", "codes"), [("as_done", ["104", "101"]), ("no_type", ["", ""])])
def test_readings_of_taking_off_what_is_not_there(sandbox, lead, how, codes):
    sandbox.switch(nothing_removed=how)
    off = [{"cmd": "unassign_tag", "tag_name": "VIP"}, {"cmd": "unsubscribe_lead_from_list", "list_name": "Buyers"}]
    assert said(ask(sandbox, lead, *off)) == [("Success", code) for code in codes]


@pytest.mark.parametrize(("how", "city"), [("clears", ""), ("kept", "Bend")])
def test_readings_of_an_empty_field(sandbox, how, city):
    lead = sandbox.add_lead("city@example.com", city="Bend")
    sandbox.switch(empty_field=how)
    ask(sandbox, {"id": lead, "city": ""}, {"cmd": "edit_lead"})
    assert sandbox.lead(lead)["city"] == city


def test_other_shapes_of_a_lead_that_is_read(sandbox, lead):
    sandbox.act("assign_tag", lead=lead, tag="VIP")
    sandbox.switch(tag_ids=True, membership_keys="id", empty_choice="text", encoded=True)
    details = json.loads(json.loads(post(sandbox, "get_lead[email]=ada@example.com")[2])["lead_details"])
    assert [set(tag) for tag in details["tags"]] == [{"tag_id", "tag_name"}]
    assert {str(field["field_value"]) for field in details["custom_fields"]} == {""}


@pytest.mark.parametrize("how", ["oldest", "newest"])
def test_readings_of_the_order_of_transactions(sandbox, lead, how):
    sandbox.switch(money_order=how)
    made = [str(sandbox.act("sale", lead=lead, amount="9.00")["transaction"]) for _ in range(2)]
    _, found = inner(ask(sandbox, lead, {"cmd": "retrieve_transactions_from_lead"}))
    listed = [each["transaction_id"] for each in found["transaction_list"]]
    assert listed == (made if how == "oldest" else made[::-1])
