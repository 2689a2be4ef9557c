"""Recipes that feed each other are found before they start, and stopped while they run."""

import datetime as dt

import pytest
from django.utils import timezone

from leads import mirror, watching
from leads.models import LeadChange, Sequence, Watch
from tests.factories import MailingListFactory, RecipeFactory, SegmentFactory
from tests.leads.watching.conftest import fresh, looked, tag, tagged, untag

pytestmark = pytest.mark.django_db


@pytest.fixture
def things(account, tags):
    made = {name: tag.pk for name, tag in tags.items()}
    made["members"] = MailingListFactory(account=account, name="members").pk
    made["course"] = Sequence.objects.create(account=account, name="course").pk
    return made


def has(name):
    return lambda things: {"tag": [str(things[name])]}


def lacks(name):
    return lambda things: {"not_tag": [str(things[name])]}


def gives(name):
    return ["assign_tag", {"tag": name}]


def takes(name):
    return ["unassign_tag", {"tag": name}]


FOUND = {
    "each gives what the other asks for": [
        (has("buyer"), [gives("welcomed")]),
        (has("welcomed"), [gives("buyer")]),
    ],
    "one takes what the other puts back": [
        (has("buyer"), [takes("buyer")]),
        (lacks("buyer"), [gives("buyer")]),
    ],
    "one alone": [(has("buyer"), [takes("welcomed"), gives("buyer")])],
    "three in a row": [
        (has("buyer"), [gives("welcomed")]),
        (has("welcomed"), [["subscribe_list", {"list": "members"}]]),
        (lambda things: {"list": [str(things["members"])]}, [gives("buyer")]),
    ],
    "any list at all": [
        (has("buyer"), [["subscribe_list", {"list": "members"}]]),
        (lambda things: {"list_state": ["active"]}, [gives("buyer")]),
    ],
    "a sequence": [
        (has("buyer"), [["subscribe_sequence", {"sequence": "course", "step": "1"}]]),
        (lambda things: {"sequence": [str(things["course"])]}, [gives("buyer")]),
    ],
    "by points": [
        (lambda things: {"score_min": ["10"]}, [gives("buyer")]),
        (has("buyer"), [["give_points", {"points": 5}]]),
    ],
    "by an alternative": [
        (lambda things: {"or1.1.tag": [str(things["buyer"])], "or1.2.country": ["Peru"]}, [gives("welcomed")]),
        (has("welcomed"), [gives("buyer")]),
    ],
}
NONE = {
    "another tag": [(has("buyer"), [gives("welcomed")]), (has("asked"), [gives("buyer")])],
    "what is taken away lets nobody in": [(has("buyer"), [takes("buyer")])],
    "what is given shuts the other out": [(has("buyer"), [gives("welcomed")]), (lacks("welcomed"), [gives("buyer")])],
}


def set_up(account, owner, things, rows):
    """Watches of these, in order; the last one is what is refused."""
    for number, (conditions, steps) in enumerate(rows, start=1):
        segment = SegmentFactory(account=account, name=f"Set {number}", conditions=conditions(things))
        recipe = RecipeFactory(account=account, name=f"Recipe {number}", steps=steps)
        watching.set_watch(segment, owner=owner, recipe=recipe)


@pytest.mark.parametrize("rows", FOUND.values(), ids=FOUND)
def test_circle_is_refused_with_a_sentence_that_names_it(account, owner, things, rows):
    with pytest.raises(watching.CannotWatch, match="feed each other: “Set ") as refused:
        set_up(account, owner, things, rows)

    names = [f"“Set {number}”" for number in range(1, len(rows) + 1)]
    assert " → ".join([names[-1], *names[:-1], names[-1]]) in str(refused.value)
    assert Watch.objects.count() == len(rows) - 1


@pytest.mark.parametrize("rows", NONE.values(), ids=NONE)
def test_what_is_no_circle_is_not_refused(account, owner, things, rows):
    set_up(account, owner, things, rows)

    assert Watch.objects.count() == len(rows)


def test_circle_by_way_of_a_segment_below_is_found(account, owner, things):
    below = SegmentFactory(account=account, name="Below", conditions=has("welcomed")(things))
    by_segment = {"segment": [str(below.pk)]}

    with pytest.raises(watching.CannotWatch, match="Set 2"):
        set_up(
            account,
            owner,
            things,
            [(has("buyer"), [gives("welcomed")]), (lambda _: by_segment, [gives("buyer")])],
        )


def test_recipe_that_is_changed_later_is_found_before_it_acts(account, owner, things, watch, recipe):
    other = SegmentFactory(account=account, name="Asked", conditions=has("asked")(things))
    watching.set_watch(other, owner=owner, recipe=RecipeFactory(account=account, steps=[gives("buyer")]))
    recipe.steps = [gives("asked")]
    recipe.save()
    tagged(account)
    looked(watch)

    assert watching.act(fresh(watch), timezone.now()) is None
    assert "“Buyers” → “Asked” → “Buyers”" in fresh(watch).why_paused


def carried_out(run):
    """As if Kartra had taken it."""
    for change in LeadChange.objects.filter(run=run, status="waiting").select_related("lead"):
        on = change.kind == "assign_tag"
        mirror.set_tag(change.lead, change.parameters["tag"], on, source="push", at=timezone.now(), change=change)
        LeadChange.objects.filter(pk=change.pk).update(status="accepted", settled_at=timezone.now())


@pytest.fixture
def second(account, owner, things, watch):
    """A segment that an automation in Kartra joins with the first: nothing here says so."""
    welcomed = SegmentFactory(account=account, name="Welcomed", conditions=has("welcomed")(things))
    recipe = RecipeFactory(account=account, name="Ask", steps=[gives("asked")])
    return looked(watching.set_watch(welcomed, owner=owner, recipe=recipe))


def go_round(watch, second, lead, at):
    """Enters the first, whose recipe leads to the second, whose recipe makes Kartra put the lead back where it began."""
    for each in (watch, second):
        looked(each, at)
        if run := watching.act(fresh(each), at):
            carried_out(run)
    untag(lead)
    looked(watch, at)
    tag(lead)
    looked(watch, at + dt.timedelta(seconds=1))


def test_lead_that_recipes_lead_round_stops_both(watch, second, account):
    [lead] = tagged(account)

    go_round(watch, second, lead, timezone.now())

    for each in (watch, second):
        assert "“Buyers” → “Welcomed” → “Buyers”" in fresh(each).why_paused
        assert "came in again within a day" in fresh(each).why_paused


def test_lead_that_comes_in_again_by_itself_stops_nothing(watch, second, account):
    """Without the second recipe in between, or days later."""
    [lead] = tagged(account)
    looked(watch)
    carried_out(watching.act(fresh(watch), timezone.now()))
    for later in (dt.timedelta(0), dt.timedelta(days=2)):
        untag(lead)
        looked(watch, timezone.now() + later)
        tag(lead)
        looked(watch, timezone.now() + later)

    assert [fresh(each).is_on for each in (watch, second)] == [True, True]
