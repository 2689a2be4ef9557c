"""Any schedule: any requests about one thing, calls lost any number of times at any place, people in Kartra in between, with and
without the safety field, with what was before known or not."""

from hypothesis import given, strategies as st

from leads.models import ChangeStatus
from tests.integrations.push.proof.story import Story, edit, ends_as, on_list, points, step, tag

BOOLS = st.booleans()
FAMILIES = {
    "tag:VIP": (st.booleans(), st.builds(tag, BOOLS)),
    "list:News": (st.sampled_from(["never", "on", "left"]), st.builds(on_list, BOOLS)),
    "sequence:Welcome": (
        st.one_of(st.none(), st.tuples(st.sampled_from("123"), st.sampled_from(["active", "unsubscribed"])).map(list)),
        st.builds(step, st.sampled_from([None, 1, 2, 3])),
    ),
    "profile": (
        st.fixed_dictionaries({"city": st.sampled_from("AB"), "zip": st.sampled_from("12")}),
        st.one_of(
            st.builds(edit, city=st.sampled_from("ABC")),
            st.builds(edit, zip=st.sampled_from("123")),
            st.builds(edit, city=st.sampled_from("ABC"), zip=st.sampled_from("123")),
        ),
    ),
}


@st.composite
def schedules(draw):
    family = draw(st.sampled_from(sorted(FAMILIES)))
    starts, wishes = FAMILIES[family]
    requests = draw(st.lists(wishes, min_size=1, max_size=4))
    if family.startswith("sequence"):  # one that must not be told twice is never behind another of its family
        requests = [each for n, each in enumerate(requests) if n == 0 or each[0] == "unsubscribe_sequence"]
    story = Story(
        family, requests, draw(starts), with_receipt=draw(BOOLS), before_known=draw(BOOLS) or family == "profile"
    )
    rival = st.tuples(st.integers(0, 4), wishes, BOOLS).map(lambda drawn: (drawn[0], *drawn[1], drawn[2]))
    losses = draw(
        st.lists(st.tuples(st.integers(0, 4), st.lists(rival, max_size=2 if family != "profile" else 0)), max_size=4)
    )
    return story, losses, draw(st.sampled_from(["happened", "again", "give-up"]))


@given(schedules())
def test_no_schedule_ends_with_done_and_kartra_otherwise_nor_with_the_earlier_over_the_later(drawn):
    story, losses, answer = drawn

    for done, rivals in losses:
        story.send(done, rivals=rivals)
    story.send(None, answered=True)

    assert story.wrong() == []
    if story.left_to_a_person:
        story.answer(answer)
    assert not story.open
    last = story.statuses[len(story.requests) - 1]
    assert last != ChangeStatus.SUPERSEDED
    if last == ChangeStatus.ACCEPTED and not story.rival_wrote and answer != "happened":
        assert ends_as(*story.requests[-1], story.state)


@given(
    st.integers(1, 9),
    st.integers(-20, 20),
    st.booleans(),
    st.lists(
        st.tuples(st.integers(0, 1), st.lists(st.tuples(st.integers(0, 1), st.integers(1, 9)), max_size=1)), max_size=4
    ),
)
def test_what_adds_up_is_never_repeated(number, score, with_receipt, losses):
    story = Story("points", [points(number)], score, with_receipt=with_receipt)

    for done, others in losses:
        rivals = [(at, *points(more), False) for at, more in others] if with_receipt else []
        story.send(done, rivals=rivals)
    story.send(None, answered=True)

    assert story.carried.count(0) <= 1
    if story.statuses.get(0) == ChangeStatus.ACCEPTED:
        assert story.carried.count(0) == 1
