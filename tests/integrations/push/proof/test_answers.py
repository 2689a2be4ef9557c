"""What an answer says at once of each change of a call."""

import pytest

from integrations.kartra.replies import ActionOutcome, ChainReply, WholeCallRefused
from integrations.push.proof import Request, classify_answer
from integrations.push.proof.answers import Sent
from integrations.push.proof.evidence import MOST_NOT_DONE, UNTYPED

TAG = ("assign_tag", {"tag": "VIP"})
LIST = ("subscribe_list", {"list": "Buyers"})
EDIT = ("update_lead", {"email": "taken@example.com"})
CREATE = ("create_lead", {"email": "taken@example.com"})
POINTS = ("give_points", {"points": 5})


def sent(*changes, creates=False, not_done=0):
    return [
        Sent(Request(number, kind, given, not_done=not_done), number, creates, 30.0)
        for number, (kind, given) in enumerate(changes)
    ]


def outcome(state, code="", message=""):
    return ActionOutcome("cmd", state, code, message, {})


def told(changes, answer):
    return [str(verdict.status) for verdict in classify_answer(changes, answer)]


def chain(*outcomes):
    return ChainReply(tuple(outcomes), {}, "")


def test_each_action_is_judged_by_its_own_outcome():
    answer = chain(outcome("done", "103"), outcome("refused", "231"), outcome("missing"))

    assert told(sent(TAG, LIST, POINTS), answer) == ["accepted", "rejected", "unknown"]


def test_action_turned_away_is_sent_again_but_not_without_end():
    answer = chain(outcome("done", "103"), outcome("refused", "429"))

    assert told(sent(TAG, POINTS), answer) == ["accepted", "waiting"]
    assert told(sent(TAG, POINTS, not_done=MOST_NOT_DONE - 1), answer) == ["accepted", "undecided"]


@pytest.mark.parametrize("change", [TAG, LIST, EDIT, POINTS], ids=lambda change: change[0])
def test_error_without_a_code_is_looked_at_where_a_read_can_tell(change):
    [verdict] = classify_answer(sent(change), WholeCallRefused("", "Something went wrong", 0))

    assert (verdict.status, verdict.code) == ("unknown", UNTYPED)


def test_error_without_a_code_about_what_no_read_shows_is_left_to_a_person():
    booking = ("subscribe_calendar", {"calendar": "C", "class": "K"})

    assert told(sent(booking), WholeCallRefused("", "Something went wrong", 0)) == ["undecided"]


def test_lead_exists_is_adopted_at_a_creation_and_takes_the_rest_with_it():
    assert told(sent(CREATE, TAG, creates=True), WholeCallRefused("244", "Lead already exists", 0)) == [
        "unknown",
        "unknown",
    ]


@pytest.mark.parametrize("blamed", [0, None])
def test_lead_exists_is_a_refusal_of_an_edit_and_the_rest_is_looked_at(blamed):
    verdicts = classify_answer(sent(EDIT, TAG), WholeCallRefused("244", "Lead already exists", blamed))

    assert [(v.status, v.send_alone) for v in verdicts] == [("rejected", None), ("unknown", True)]


def test_lead_exists_inside_an_answer_is_a_refusal_of_the_edit_alone():
    answer = chain(outcome("refused", "244"), outcome("done", "103"))

    assert told(sent(EDIT, TAG), answer) == ["rejected", "accepted"]


def test_edits_of_one_call_are_one_action_and_what_is_overtaken_was_never_in_kartra():
    edits = sent(
        ("update_lead", {"city": "A"}), ("update_lead", {"city": "A", "zip": "1"}), ("update_lead", {"city": "B"})
    )
    merged = [Sent(each.request, 0, False, 30.0) for each in edits]

    verdicts = classify_answer(merged, chain(outcome("done")))

    assert [v.status for v in verdicts] == ["superseded", "accepted", "accepted"]
    assert [v.gave for v in verdicts] == [None, frozenset({"zip"}), frozenset({"city"})]
    assert verdicts[0].superseded_by == 2


REFUSED, NO_LEAD = outcome("refused", "244"), outcome("refused", "243")


@pytest.mark.parametrize(
    ("answer", "codes"),
    [
        ((REFUSED, NO_LEAD, NO_LEAD), [("unknown", "244"), ("unknown", "244"), ("unknown", "244")]),
        (
            (REFUSED, outcome("missing"), outcome("missing")),
            [("unknown", "244"), ("unknown", "244"), ("unknown", "244")],
        ),
        ((REFUSED, outcome("refused", "212"), NO_LEAD), [("unknown", "244"), ("rejected", "212"), ("unknown", "244")]),
        (
            (REFUSED, outcome("done", "103"), outcome("missing")),
            [("unknown", "244"), ("accepted", "103"), ("unknown", "")],
        ),
    ],
    ids=["no lead", "not mentioned", "refused by itself", "went on"],
)
def test_244_at_the_creation_itself_is_the_rest_not_done_unless_it_is_said_to_be(answer, codes):
    verdicts = classify_answer(sent(CREATE, TAG, POINTS, creates=True), chain(*answer))

    assert [(str(verdict.status), verdict.code) for verdict in verdicts] == codes


OFF = ("unassign_tag", {"tag": "VIP"})
BOOKED = ("subscribe_calendar", {"calendar": "C", "class": "K", "date": "2031-01-01", "hour": "10:00"})
CANCELLED = ("cancel_calendar", {"calendar": "C", "class": "K"})


@pytest.mark.parametrize(
    "first",
    [
        outcome("refused", "429"),
        outcome("refused", "262"),
        outcome("refused", "999"),
        outcome("refused", "243"),
        outcome("missing"),
    ],
    ids=["turned away", "not allowed", "undocumented", "no such lead", "not mentioned"],
)
def test_what_was_not_done_does_not_go_out_over_a_later_one_that_is_done(first):
    verdicts = classify_answer(sent(TAG, OFF), chain(first, outcome("done", "104")))

    assert [str(each.status) for each in verdicts] == ["superseded", "accepted"]
    assert verdicts[0].superseded_by == 1


def test_what_was_not_done_is_looked_at_with_a_later_one_that_is_unclear():
    verdicts = classify_answer(sent(TAG, OFF), chain(outcome("refused", "429"), outcome("missing")))

    assert [(str(each.status), each.look_in_s) for each in verdicts] == [("unknown", 30.0), ("unknown", 30.0)]


def test_what_was_not_done_waits_for_the_answer_about_a_later_one():
    verdicts = classify_answer(sent(TAG, OFF), chain(outcome("refused", "429"), outcome("refused", "999")))

    assert [(str(each.status), each.decided_with) for each in verdicts] == [("undecided", 1), ("undecided", None)]


def test_points_that_were_turned_away_are_not_overtaken():
    answer = chain(outcome("refused", "429"), outcome("done", "105"))

    assert told(sent(POINTS, POINTS), answer) == ["waiting", "accepted"]


def test_cancel_refused_because_the_booking_before_it_was_turned_away_goes_out_again_behind_it():
    answer = chain(outcome("refused", "429"), outcome("refused", "259"))

    assert told(sent(BOOKED, CANCELLED), answer) == ["waiting", "waiting"]
    assert told(sent(CANCELLED), chain(outcome("refused", "259"))) == ["rejected"]
