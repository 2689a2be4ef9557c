"""Every pair and triple of requests about one thing that share a call whose answer is lost × done as far as any of them × every
start × a hand in Kartra or none × every answer of a person: Kartra ends as the last one says, or a person decides."""

from collections import Counter

import pytest

from integrations.push.proof import Evidence, Request, classify
from leads.models import ChangeStatus
from tests.integrations.push.proof.story import CLASS, Story, edit, ends_as, on_list, points, runs_of, step, tag

TAGS = ("tag:VIP", (False, True), (tag(True), tag(False)))
LISTS = ("list:News", ("never", "on", "left"), (on_list(True), on_list(False)))
STEPS = (
    "sequence:Welcome",
    (None, ["1", "active"], ["2", "active"], ["2", "unsubscribed"]),
    (step(1), step(2), step(None)),
)
EDITS = (
    "profile",
    ({"city": "Bend", "zip": "1"}, {"city": "Reno", "zip": "1"}),
    (edit(city="Bend"), edit(city="Reno"), edit(zip="2"), edit(city="Salem", zip="3")),
)


def stories(noun, *, with_receipt=False, before_known=True, most=3):
    family, starts, wishes = noun
    for requests in runs_of(wishes, most):
        if family.startswith("sequence") and any(kind == "subscribe_sequence" for kind, _ in requests[1:]):
            continue  # never behind an earlier one of its family
        for start in starts:
            for done in range(len(requests) + 1):
                yield done, Story(family, list(requests), start, with_receipt=with_receipt, before_known=before_known)


def told(noun, **how):
    """Play every story without a hand in Kartra: how often a person is asked, and the cells in which that is so."""
    counts, cells = Counter(), Counter()
    for done, story in stories(noun, **how):
        start = story.state
        story.send(done)
        for _ in range(3):
            story.send(None, answered=True)
        assert story.wrong() == [], (story, start)
        counts["all"] += 1
        if story.left_to_a_person:
            counts["person"] += 1
            shown = story.state if isinstance(story.state, str) else "at a step" if story.state else "not in it"
            cells[shown, story.requests[-1][0]] += 1
            continue
        assert not story.open
        assert ends_as(*story.requests[-1], story.state), (story, start)
        assert story.statuses[len(story.requests) - 1] == ChangeStatus.ACCEPTED
    return counts, cells


@pytest.mark.parametrize("before_known", [True, False])
@pytest.mark.parametrize("noun", [TAGS, EDITS], ids=["tags", "edits"])
def test_nobody_is_asked_about_tags_and_edits(noun, before_known):
    counts, _ = told(noun, before_known=before_known)

    assert counts["person"] == 0
    assert counts["all"] > 50


@pytest.mark.parametrize("before_known", [True, False])
def test_of_lists_a_person_is_asked_only_about_who_is_seen_to_have_left_and_is_wanted_on_it(before_known):
    counts, cells = told(LISTS, before_known=before_known)

    print(f"lists: {counts['person']} of {counts['all']} are left to a person: {dict(cells)}")
    assert set(cells) == {("left", "subscribe_list")}
    assert counts["person"] / counts["all"] < 0.2


def test_of_sequences_a_person_is_asked_only_where_no_read_could_tell():
    counts, cells = told(STEPS)

    print(f"sequences: {counts['person']} of {counts['all']} are left to a person: {dict(cells)}")
    assert set(cells) == {("at a step", "subscribe_sequence")}  # it was at that step before, so the read proves nothing
    assert counts["person"] / counts["all"] < 0.2


def test_with_the_safety_field_nobody_is_asked_where_nothing_of_the_call_was_begun():
    asked = Counter()
    for done, story in stories(STEPS, with_receipt=True):
        story.send(done)
        asked[done > 0] += story.left_to_a_person
        story.send(None, answered=True)
        assert story.wrong() == [], story
    for done in (0, 1):
        story = Story("points", [points(5)], 10, with_receipt=True)
        story.send(done)
        asked[done > 0] += story.left_to_a_person
        story.send(None, answered=True)
        assert story.state == 15

    assert asked[False] == 0


@pytest.mark.parametrize("noticed", [True, False])
@pytest.mark.parametrize("noun", [TAGS, LISTS, STEPS], ids=["tags", "lists", "sequences"])
def test_a_hand_in_kartra_never_makes_done_of_what_is_otherwise(noun, noticed):
    family, _, wishes = noun
    asked = Counter()
    for done, example in stories(noun):
        for place in range(len(example.requests) + 1):
            for kind, given in wishes:
                story = Story(family, list(example.requests), example.state)
                story.send(done, rivals=[(place, kind, given, noticed)])
                asked["all"] += 1
                asked["person"] += story.left_to_a_person
                story.send(None, answered=True)
                assert story.wrong() == [], (story, done, place, kind)
                if not story.left_to_a_person:
                    assert ends_as(*story.requests[-1], story.state), (story, done, place, kind)
    print(f"{family}, noticed {noticed}: {asked['person']} of {asked['all']} are left to a person")


@pytest.mark.parametrize("answer", ["happened", "again", "give-up"])
@pytest.mark.parametrize("noun", [LISTS, STEPS], ids=["lists", "sequences"])
def test_one_answer_holds_for_all_that_was_left_to_a_person(noun, answer):
    for done, story in stories(noun):
        story.send(done)
        if not story.left_to_a_person:
            continue
        story.answer(answer)
        assert not story.asked
        assert not story.open
        if answer == "again":
            assert ends_as(*story.requests[-1], story.state)
        if answer == "happened":
            assert story.statuses[len(story.requests) - 1] == ChangeStatus.ACCEPTED


def test_points_are_given_once_and_what_nobody_can_know_is_asked():
    for with_receipt in (True, False):
        for number in (5, -5):
            for done in (0, 1):
                for again in (0, 1):
                    story = Story("points", [points(number)], 40, with_receipt=with_receipt)
                    story.send(done)
                    story.send(again)
                    story.send(None, answered=True)
                    assert story.wrong() == []
                    if not story.left_to_a_person:
                        assert story.state == 40 + number


def test_points_whose_score_somebody_else_changed_are_left_to_a_person():
    story = Story("points", [points(5)], 40)

    story.send(1, rivals=[(1, *points(2), False)])

    assert story.asked == [0]


def test_what_a_later_request_replaces_before_it_is_known_to_be_done_is_not_called_so():
    booked = Request(0, "subscribe_calendar", {**CLASS, "date": "2031-01-01", "hour": "10:00"})
    verdicts = classify(Evidence("calendar:Coaching:Intro call", (booked, Request(1, "cancel_calendar", CLASS))))

    assert [str(verdicts[n].status) for n in (0, 1)] == ["superseded", "waiting"]
    assert "is done" not in verdicts[0].message
