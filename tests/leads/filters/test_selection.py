"""A selection is a value: stored as JSON and read back it means the same, and what is not understood is refused with words."""

import json

import pytest

from leads import filters
from leads.filters import CannotResolve, selection
from leads.filters.selection import (
    AllOf,
    AnyOf,
    Everybody,
    InSegments,
    NoneOf,
    WithIds,
    as_conditions,
    as_json,
    fits,
    from_json,
)
from leads.models import Lead, Segment
from tests.factories import AccountFactory, LeadFactory, SegmentFactory, TagFactory
from tests.leads.filters.cases import CASES, UNREADABLE, lead_with_everything


@pytest.fixture
def account():
    return AccountFactory()


@pytest.fixture
def ada(account):
    return lead_with_everything(account)


def names(chosen, accounts=None):
    """Who is meant, after a stay in the database."""
    kept = from_json(json.loads(json.dumps(as_json(chosen))))
    assert kept == chosen
    return sorted(filters.resolve(kept, accounts).values_list("first_name", flat=True))


SPAIN = fits("country", {"country": ["Spain"]})
LOW = fits("score", {"score_max": ["10"]})
FOUND = fits("search", {"q": ["ada loom"]})
TREES = {
    "everybody": (Everybody(), ["Ada", "Bo"]),
    "not everybody": (NoneOf(Everybody()), []),
    "any, everybody among them": (AnyOf((Everybody(), SPAIN)), ["Ada", "Bo"]),
    "all, everybody among them": (AllOf((Everybody(), SPAIN)), ["Ada"]),
    "a condition": (SPAIN, ["Ada"]),
    "not": (NoneOf(SPAIN), ["Bo"]),
    "all": (AllOf((SPAIN, LOW)), []),
    "any": (AnyOf((SPAIN, LOW)), ["Ada", "Bo"]),
    "neither": (NoneOf(AnyOf((SPAIN, LOW))), []),
    "a search": (FOUND, ["Ada"]),
    "all but a search": (NoneOf(FOUND), ["Bo"]),
    "a search of spaces": (fits("search", {"q": ["  "]}), ["Ada", "Bo"]),
    "all but a search of spaces": (NoneOf(fits("search", {"q": ["  "]})), []),
    "no ids": (WithIds(()), []),
    "not those of no ids": (NoneOf(WithIds(())), ["Ada", "Bo"]),
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", TREES)
def test_tree_means_what_it_says(ada, name):
    chosen, found = TREES[name]

    assert names(chosen) == found


@pytest.mark.django_db
@pytest.mark.parametrize("name", CASES)
def test_every_condition_of_the_filters_is_one_of_a_selection(ada, name):
    wanted = CASES[name]()
    left_out = {f"not_{key}": value for key, value in wanted.items()}

    assert names(selection.of_conditions(wanted)) == ["Ada"]
    assert names(selection.of_conditions(left_out)) == ["Bo"]


def test_cases_are_of_every_condition():
    told = {name for wanted in CASES.values() for name in wanted.__code__.co_consts if isinstance(name, str)}
    told |= {
        name for wanted in CASES.values() for each in wanted.__code__.co_consts if type(each) is tuple for name in each
    }

    missing = {each.name for each in filters.ALL if not {part.name for part in each.parts} & told}

    assert missing == {"segment", "account"}  # of both there are tests of their own


@pytest.mark.django_db
def test_ids_and_accounts(ada):
    other = LeadFactory(first_name="Cy")
    both = WithIds((ada.pk, other.pk))

    assert names(both) == ["Ada", "Cy"]
    assert names(both, frozenset({ada.account_id})) == ["Ada"]
    assert names(fits("account", {"account": [str(other.account_id)]})) == ["Cy"]
    assert names(Everybody(), frozenset({other.account_id})) == ["Cy"]
    assert names(Everybody(), frozenset()) == []


@pytest.mark.django_db
def test_segment_holds_who_is_in_it_now_and_another_accounts_nobody_of_ours(ada):
    segment = SegmentFactory(account=ada.account, name="Spain", conditions={"country": ["Spain"]})
    theirs = SegmentFactory(account=AccountFactory(), name="All", conditions={"score_min": ["0"]})

    assert names(InSegments((segment.pk,))) == ["Ada"]
    assert names(NoneOf(InSegments((segment.pk,)))) == ["Bo"]
    assert names(InSegments((theirs.pk,)), frozenset({ada.account_id})) == []
    assert selection.of_conditions({"not_segment": [str(segment.pk)]}) == NoneOf(InSegments((segment.pk,)))


@pytest.mark.django_db
@pytest.mark.parametrize("prefix", ["", "not_"])
@pytest.mark.parametrize("wanted", UNREADABLE)
def test_what_a_filter_does_not_understand_is_refused_with_words(ada, prefix, wanted):
    wanted = {f"{prefix}{name}": values for name, values in wanted.items()}
    try:
        chosen = selection.of_conditions(wanted)
    except filters.Unreadable:
        return
    with pytest.raises(CannotResolve, match=r"Choose the(m| leads) again"):
        filters.resolve(chosen, None)


@pytest.mark.django_db
@pytest.mark.parametrize("around", [lambda chosen: chosen, NoneOf, lambda chosen: AnyOf((chosen, Everybody()))])
def test_segment_that_is_gone_or_builds_on_itself_is_refused_with_words(ada, around):
    gone = SegmentFactory(account=ada.account, name="Gone", conditions={})
    pk = gone.pk
    gone.delete()
    one, other = (SegmentFactory(account=ada.account, name=name, conditions={}) for name in "ab")
    one.selection, other.selection = as_json(InSegments((other.pk,))), as_json(NoneOf(InSegments((one.pk,))))
    one.save()
    other.save()

    for chosen in (InSegments((pk,)), InSegments((one.pk,)), InSegments((other.pk,))):
        with pytest.raises(CannotResolve, match=r"Choose the(m| leads) again"):
            filters.resolve(around(chosen), None)


def deep(levels):
    node = {"everybody": True}
    for _level in range(levels):
        node = {"not": node}
    return {"version": 1, "leads": node}


COUNTRY = {"condition": "country", "values": {"country": ["Spain"]}}
HOSTILE = {
    "nothing": (None, "a form that this version does not know"),
    "an empty object": ({}, "a form that this version does not know"),
    "a list": ([], "a form that this version does not know"),
    "the list's query of old": ({"query": "country=Spain"}, "a form that this version does not know"),
    "ids of old": ({"query": "", "ids": [1]}, "a form that this version does not know"),
    "no version": ({"leads": {"everybody": True}}, "a form that this version does not know"),
    "a later version": ({"version": 2, "leads": {"everybody": True}}, "a form that this version does not know"),
    "a version as text": ({"version": "1", "leads": {"everybody": True}}, "a form that this version does not know"),
    "a version that is true": (
        {"version": True, "leads": {"everybody": True}},
        "a form that this version does not know",
    ),
    "a version that is a list": (
        {"version": [1], "leads": {"everybody": True}},
        "a form that this version does not know",
    ),
    "a version of its own beside": ({"version": 1, "leads": {"everybody": True}, "more": 1}, "cannot be read"),
    "no leads": ({"version": 1}, "cannot be read"),
    "a condition nobody knows": ({"condition": "moon", "values": {"moon": ["full"]}}, "“moon” is no condition"),
    "a segment as a condition": ({"condition": "segment", "values": {"segment": ["1"]}}, "“segment” is no condition"),
    "a value of another condition": ({"condition": "country", "values": {"tag": ["1"]}}, "cannot be read"),
    "a condition without values": ({"condition": "country", "values": {}}, "cannot be read"),
    "a condition of no value": ({"condition": "country", "values": {"country": []}}, "cannot be read"),
    "a value that is no list": ({"condition": "country", "values": {"country": "Spain"}}, "cannot be read"),
    "a value that is no text": ({"condition": "score", "values": {"score_min": [5]}}, "cannot be read"),
    "more values than an address holds": (
        {"condition": "country", "values": {"country": ["x"] * 501}},
        "cannot be read",
    ),
    "two in one": ({**COUNTRY, "everybody": True}, "cannot be read"),
    "a word nobody knows": ({"nobody": True}, "cannot be read"),
    "an empty node": ({"all": [{}]}, "cannot be read"),
    "not everybody": ({"everybody": False}, "cannot be read"),
    "everybody as a number": ({"everybody": 1}, "cannot be read"),
    "all of nothing": ({"all": []}, "cannot be read"),
    "any of nothing": ({"any": []}, "cannot be read"),
    "all of a text": ({"all": "everybody"}, "cannot be read"),
    "not of a list": ({"not": [COUNTRY]}, "cannot be read"),
    "not of nothing": ({"not": None}, "cannot be read"),
    "a text for a node": ("everybody", "cannot be read"),
    "true for a node": (True, "cannot be read"),
    "no segments": ({"segments": []}, "cannot be read"),
    "a segment as a text": ({"segments": ["1"]}, "cannot be read"),
    "an id as a text": ({"ids": ["1"]}, "cannot be read"),
    "an id that is true": ({"ids": [True]}, "cannot be read"),
    "an id with a fraction": ({"ids": [1.0]}, "cannot be read"),
    "an id below nothing": ({"ids": [-1]}, "cannot be read"),
    "an id beyond what databases hold": ({"ids": [2**63]}, "cannot be read"),
    "an id inside a list": ({"ids": [[1]]}, "cannot be read"),
    "ids as an object": ({"ids": {"1": 1}}, "cannot be read"),
    "a million ids": ({"ids": list(range(1_000_000))}, "More than 5,000 leads"),
    "a million parts": ({"all": [COUNTRY] * 1_000_000}, "cannot be read"),
    "many parts at many levels": ({"all": [{"any": [COUNTRY] * 100}] * 100}, "too many conditions"),
    "ten levels too many": (deep(10), "nested too deeply"),
    "a thousand levels": (deep(900), "nested too deeply"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_stored_but_not_understood_is_refused_with_words(name):
    stored, words = HOSTILE[name]
    whole = isinstance(stored, dict) and {"version", "leads", "query"} & set(stored)
    with pytest.raises(CannotResolve, match=words):
        from_json(stored if whole or words.startswith("a form") else {"version": 1, "leads": stored})


def test_levels_up_to_the_limit_are_read():
    assert as_json(from_json(deep(9))) == deep(9)


@pytest.mark.django_db
def test_catalogues_are_asked_once_for_a_whole_tree(account, django_assert_num_queries):
    tags = [str(TagFactory(account=account).pk) for _ in range(20)]
    tree = AllOf(
        (*(AnyOf((fits("tag", {"tag": [tag]}), NoneOf(fits("tag_all", {"tag_all": [tag]})))) for tag in tags),)
    )

    with django_assert_num_queries(2):
        assert list(filters.resolve(tree, None)) == list(Lead.objects.none())


@pytest.mark.parametrize("name", CASES)
@pytest.mark.django_db
def test_what_a_segment_keeps_is_opened_as_the_filter_it_was_made_of(ada, name):
    wanted = {**CASES[name](), "not_country": ["Peru"], "q": ["lind"], "not_segment": ["5", "6"]}

    assert as_conditions(selection.of_conditions(wanted)) == wanted


@pytest.mark.parametrize(
    "name", ["any, everybody among them", "neither", "all but a search", "no ids", "not everybody"]
)
def test_what_no_address_can_say_is_refused(name):
    with pytest.raises(CannotResolve):
        as_conditions(TREES[name][0])


@pytest.mark.django_db
@pytest.mark.parametrize("kept", [{"version": 2, "leads": {"everybody": True}}, {"country": ["Spain"]}, [], {}])
def test_segment_that_is_not_understood_holds_nobody_and_leaves_nobody_in(ada, kept):
    segment = Segment.objects.create(account=ada.account, name="Later", selection=kept)

    assert not filters.of_segment(segment).exists()
    with pytest.raises(CannotResolve):
        filters.resolve(NoneOf(InSegments((segment.pk,))), None)
