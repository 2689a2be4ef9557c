"""Or groups: an address says them, a selection keeps them, and lists, segments and exports mean the same by them. Ranges that
cannot be say so in words."""

import json

import pytest

from kartra_mirror.ui import filter_notes
from leads import filters
from leads.changes import moved_names
from leads.filters import CannotResolve, selection
from leads.filters.segments import CannotHold, as_kept, built_on, conditions_of, refined
from leads.filters.selection import AllOf, AnyOf, as_conditions, as_json, fits, from_json
from leads.models import Lead
from tests.factories import AccountFactory, LeadFactory, SegmentFactory, StaffFactory, TagFactory
from tests.leads.filters.cases import lead_with_everything

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada():
    """Ada of Spain with 50 points; Bo with 5 points of nowhere; Cy of Japan with 50."""
    ada = lead_with_everything(AccountFactory())
    LeadFactory(account=ada.account, first_name="Cy", country="Japan", score=50)
    return ada


WANTED = {
    "either": ({"or1.1.country": ["Spain"], "or1.2.score_max": ["10"]}, ["Ada", "Bo"]),
    "and either": ({"score_min": ["40"], "or1.1.country": ["Spain"], "or1.2.score_max": ["10"]}, ["Ada"]),
    "two groups": (
        {
            "or1.1.country": ["Spain"],
            "or1.2.country": ["Japan"],
            "or2.1.bought": ["any"],
            "or2.2.score_max": ["10"],
        },
        ["Ada"],
    ),
    "several in one": (
        {"or1.1.country": ["Japan"], "or1.1.score_min": ["40"], "or1.2.score_max": ["10"]},
        ["Bo", "Cy"],
    ),
    "leaves out": ({"or1.1.not_country": ["Spain", "Japan"], "or1.2.country": ["Japan"]}, ["Bo", "Cy"]),
    "the same twice": ({"or1.1.score_max": ["10"], "or1.2.score_min": ["50"]}, ["Ada", "Bo", "Cy"]),
    "one alone": ({"or1.1.country": ["Spain"]}, ["Ada"]),
    "numbers with gaps": ({"or7.3.country": ["Spain"], "or7.9.score_max": ["10"]}, ["Ada", "Bo"]),
    "empty ones": ({"or1.1.country": [""], "or1.2.score_max": ["10"]}, ["Bo"]),
}


@pytest.mark.parametrize("name", WANTED)
def test_groups_mean_what_they_say_in_a_list_and_in_what_is_kept(ada, name):
    wanted, names = WANTED[name]
    chosen = selection.of_conditions(wanted)
    kept = from_json(json.loads(json.dumps(as_json(chosen))))

    assert kept == chosen
    assert sorted(filters.resolve(kept, None).values_list("first_name", flat=True)) == names
    assert sorted(filters.matching(Lead.objects.all(), wanted).values_list("first_name", flat=True)) == names
    assert selection.of_conditions(as_conditions(kept)) == kept
    assert filters.in_words(wanted, None)


def test_group_is_told_as_one_and_taken_away_as_one(ada):
    wanted = {"country": ["Spain"], "or1.1.bought": ["any"], "or1.2.score_min": ["40"], "or1.2.not_source": ["api"]}

    told = filters.told(wanted, None)

    assert [each.words for each in told] == [
        "from Spain",
        "bought any product or score 40 or more and not: came by api",
    ]
    assert set(told[1].parameters) == set(wanted) - {"country"}


@pytest.mark.parametrize("name", ["or0.1.country", "or1.country", "or1.1.nonsense", "or100.1.country", "or1.1.q"])
def test_group_that_is_not_understood_fits_nobody(ada, name):
    assert not filters.is_parameter(name)
    assert not filters.matching(Lead.objects.all(), {name: ["Spain"]}).exists()


def test_alternative_that_is_not_understood_lets_nobody_in(ada):
    wanted = {"or1.1.country": ["Spain"], "or1.2.tag": ["987654321"]}

    assert not filters.matching(Lead.objects.all(), wanted).exists()
    with pytest.raises(CannotResolve, match="was deleted or cannot be read"):
        filters.resolve(selection.of_conditions(wanted), None)


def test_segment_of_groups_is_opened_as_the_filter_it_was_made_of_and_takes_more(ada):
    wanted = {"country": ["Spain"], "or1.1.bought": ["any"], "or1.2.score_min": ["40"]}
    segment = SegmentFactory(account=ada.account, name="Warm", conditions=wanted)

    more = refined(segment, {"segment": [str(segment.pk)], "or1.1.source": ["api"], "or1.2.gdpr": ["2"]})

    assert conditions_of(segment.selection) == wanted
    assert more == {**wanted, "or2.1.source": ["api"], "or2.2.gdpr": ["2"]}
    assert list(filters.of_segment(segment)) == [ada]


def test_segments_tags_and_sales_in_a_group_are_seen(ada, django_assert_num_queries):
    gone = TagFactory(account=ada.account, name="Old", missing_since=ada.read_at)
    segment = SegmentFactory(account=ada.account, name="Spain", conditions={"country": ["Spain"]})
    wanted = {"or1.1.tag": [str(gone.pk)], "or1.2.not_segment": [str(segment.pk)], "or1.3.bought": ["any"]}

    assert built_on(wanted) == {segment.pk}
    assert "is no longer in Kartra" in moved_names.in_conditions(wanted)[0]
    assert "have not checked the transactions" in filter_notes.of_sales(wanted, StaffFactory(is_superuser=True))
    with django_assert_num_queries(2):  # a query for each catalogue that is named
        filters.names_of([wanted])


def test_tree_that_says_a_group_in_another_way_is_opened_too():
    tree = AllOf((AnyOf((AllOf((fits("country", {"country": ["Spain"]}), fits("source", {"source": ["api"]}))),)),))

    assert as_conditions(tree) == {"or1.1.country": ["Spain"], "or1.1.source": ["api"]}


IMPOSSIBLE = {
    "points": ({"score_min": ["50"], "score_max": ["20"]}, "Score: from 50 to 20 ends before it begins"),
    "days": (
        {"joined_from": ["2026-05-02"], "joined_to": ["2026-05-01"]},
        "Joined: from 2 May 2026 to 1 May 2026 ends before it begins",
    ),
    "money": ({"bought_from": ["2026-05-02"], "bought_to": ["2026-05-01"]}, "Bought: from 2 May 2026"),
    "money back": ({"refunded_from": ["2026-05-02"], "refunded_to": ["2026-05-01"]}, "Refunded: from 2 May 2026"),
    "plans": ({"plan_from": ["2026-05-02"], "plan_to": ["2026-05-01"]}, "Payment plan active: from 2 May 2026"),
    "bookings": ({"calendar_from": ["2026-05-02"], "calendar_to": ["2026-05-01"]}, "Calendar: from 2 May 2026"),
}


def test_every_range_is_looked_at():
    ranges = {
        part.name for condition in filters.ALL for part in condition.parts if part.name.endswith(("_from", "_min"))
    }

    assert {name for wanted, _words in IMPOSSIBLE.values() for name in wanted} >= ranges


@pytest.mark.parametrize("prefix", ["", "not_", "or1.1."])
@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_range_that_cannot_be_says_so_and_fits_nobody(ada, name, prefix):
    wanted, words = IMPOSSIBLE[name]
    wanted = {f"{prefix}{key}": values for key, values in wanted.items()}

    assert words in filters.why_impossible(wanted)[0]
    assert words in filters.in_words(wanted, None)[0]
    assert not filters.matching(Lead.objects.all(), wanted).exists()
    with pytest.raises(CannotResolve, match="ends before it begins"):
        filters.resolve(selection.of_conditions(wanted), None)
    with pytest.raises(CannotHold, match="ends before it begins"):
        as_kept(wanted)


def test_range_of_one_day_or_of_one_number_can_be(ada):
    assert filters.why_impossible({"score_min": ["50"], "score_max": ["50"], "joined_from": ["2026-05-01"]}) == []
