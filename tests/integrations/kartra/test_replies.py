"""Kartra's answers, in every shape that is documented or was seen, and in none."""

import json

import pytest
from hypothesis import given, strategies as st

from integrations.kartra import errors, values
from integrations.kartra.commands import Action
from integrations.kartra.errors import CredentialsRefused, Next, OutcomeUnknown
from integrations.kartra.profile import profile_of
from integrations.kartra.replies import ChainReply, WholeCallRefused, parse_chain

TAG, LIST = Action("assign_tag"), Action("subscribe_lead_to_list")
OK = {"status": "Success", "message": "Tag added to lead", "type": "103"}
NO = {"status": "Error", "message": "List does not exist", "type": 231}


def states(body, *actions):
    text = body if isinstance(body, str) else json.dumps(body)
    reply = parse_chain(text, actions)
    assert isinstance(reply, ChainReply)
    return [(outcome.state, outcome.code) for outcome in reply.outcomes]


@pytest.mark.parametrize(
    "body",
    [
        {"status": "Success", "actions": [{"assign_tag": OK}]},
        {"status": "success", "actions": {"0": {"assign_tag": OK}}},
        {"status": "Success", "actions": {"assign_tag": OK}},
        {"status": "Success", "assign_tag": OK},
        OK,
        {"status": "Success", "actions": json.dumps([{"assign_tag": OK}])},
        "\ufeff " + json.dumps(OK),
        "<br />\n<b>Warning</b>: x in <b>/a.php</b><br />\n"
        + json.dumps({"status": "Success", "actions": [{"assign_tag": OK}]}),
        json.dumps(OK) + "\n<!-- 0.2 s -->",
        {**OK, "type": 103},
    ],
    ids=range(10),
)
def test_one_success_is_found_wherever_it_stands(body):
    assert states(body, TAG) == [("done", "103")]


def test_each_action_is_judged_by_itself():
    body = {"status": "Success", "actions": [{"assign_tag": OK}, {"subscribe_lead_to_list": NO}]}
    assert states(body, TAG, LIST) == [("done", "103"), ("refused", "231")]


def test_error_on_top_does_not_hide_what_was_done():
    body = {"status": "Error", "actions": [{"assign_tag": OK}, {"subscribe_lead_to_list": NO}]}
    assert states(body, TAG, LIST) == [("done", "103"), ("refused", "231")]


@pytest.mark.parametrize("entries", [[], [{"assign_tag": OK}], [{"other": OK}]])
def test_action_the_answer_does_not_mention_is_not_taken_for_done(entries):
    found = states({"status": "Success", "actions": entries}, TAG, LIST)
    assert found[1] == ("missing", "")


def test_one_of_two_alike_is_never_guessed():
    assert states({"status": "Success", "actions": [{"assign_tag": OK}]}, TAG, TAG) == [
        ("missing", ""),
        ("missing", ""),
    ]


def test_empty_list_of_results_is_no_success_of_a_single_action():
    assert states({"status": "Success", "actions": []}, TAG) == [("missing", "")]


@pytest.mark.parametrize(
    ("code", "actions", "blamed"),
    [
        ("212", (TAG, LIST), 0),
        ("231", (TAG, LIST), 1),
        ("243", (TAG, LIST), None),
        ("212", (TAG, TAG), None),
        ("999", (TAG,), 0),
    ],
)
def test_flat_error_blames_the_action_its_code_belongs_to(code, actions, blamed):
    reply = parse_chain(json.dumps({"status": "Error", "message": "No", "type": code}), actions)
    assert reply == WholeCallRefused(code, "No", blamed, reply.text)


@pytest.mark.parametrize(
    ("code", "scope"), [("203", "connection"), ("233", "connection"), ("239", "app"), ("242", "app"), ("201", "app")]
)
def test_refused_credentials_are_not_the_changes_fault(code, scope):
    with pytest.raises(CredentialsRefused) as caught:
        parse_chain(json.dumps({"status": "Error", "type": code}), [TAG])
    assert (caught.value.code, caught.value.scope) == (code, scope)


@pytest.mark.parametrize(
    "text", ["", "  ", "<html>blocked</html>", '{"status": "Succ', "null", "[1, 2]", "OK", '"Success"']
)
def test_what_cannot_be_read_says_nothing_of_the_call(text):
    with pytest.raises(OutcomeUnknown):
        parse_chain(text, [TAG])


@given(
    st.text(max_size=200)
    | st.recursive(
        st.none() | st.text() | st.integers() | st.floats(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(st.sampled_from(["status", "actions", "assign_tag", "type", "message", "0"]), x)
        ),
        max_leaves=10,
    ).map(json.dumps)
)
def test_any_answer_is_a_reply_or_an_error_of_ours(text):
    try:
        reply = parse_chain(text, [TAG, LIST])
    except errors.KartraError:
        return
    if isinstance(reply, ChainReply):
        assert len(reply.outcomes) == 2
        for outcome in reply.outcomes:
            assert outcome.state in ("done", "refused", "missing")


def test_every_code_has_a_next_step_and_advice():
    assert len(errors.CODES) == 75  # 74 and the 429
    for code in errors.CODES:
        assert errors.advice(code).endswith(".")
        assert errors.next_step(code) is not Next.HOLD
    assert errors.next_step("287") is Next.HOLD
    assert "does not document" in errors.advice("287")


@pytest.mark.parametrize("value", [1, "1", " 1 ", 1.0, "1\0"])
def test_ids_are_the_same_however_they_come(value):
    assert values.ident(value) == "1"


@pytest.mark.parametrize("value", ["", "N/A", "n/a", "0000-00-00 00:00:00", None, float("nan"), [], {}])
def test_what_kartra_writes_for_nothing_is_nothing(value):
    assert values.text(value) == ""


def test_lead_is_read_in_both_styles():
    profile = profile_of(
        {
            "id": 50417,
            "email": " A@example.com ",
            "score": 15,
            "blacklisted": "0",
            "unheard_of": {"x": 1},
            "tags": ["plain", {"tag_id": 7, "tag_name": "VIP"}],
            "lists": {"0": {"list_name": "Buyers", "active": 0}},
            "sequences": '[{"sequence_name": "Welcome", "step": 2, "status": "active"}]',
            "memberships": [
                {"id": 5, "name": "Club", "level_name": "Gold", "active": "1"},
                {"membership_name": "Other", "level_name": "A", "active": 0},
            ],
            "custom_fields": [
                {
                    "field_identifier": "size",
                    "field_type": "drop_down",
                    "field_value": [{"option_id": 611, "option_value": "Large"}],
                },
                {"field_identifier": "ref", "field_type": "input_field", "field_value": "A-1"},
                {"field_identifier": "empty", "field_type": "checkbox", "field_value": ""},
            ],
        }
    )
    assert (profile.id, profile.email, profile.tags) == ("50417", "A@example.com", ("plain", "VIP"))
    assert [(each.name, each.active) for each in profile.lists] == [("Buyers", False)]
    assert [(each.name, each.step, each.status) for each in profile.sequences] == [("Welcome", "2", "active")]
    assert [(m.membership_name, m.active) for m in profile.memberships] == [("Club", True), ("Other", False)]
    assert profile.custom_fields["size"].options == (("611", "Large"),)
    assert profile.custom_fields["ref"].text == "A-1"
    assert profile.custom_fields["empty"].options == ()
    assert profile.extra == {"unheard_of": {"x": 1}}


def test_what_was_not_told_is_not_there():
    profile = profile_of({"id": "5"})
    assert (profile.fields, profile.tags, profile.lists, profile.custom_fields) == ({}, None, None, None)
