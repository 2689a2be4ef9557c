"""The drawer of filters: what its buttons make of the conditions, and what it draws of them."""

import re
from urllib.parse import parse_qs, urlencode

import pytest
from django.contrib.auth.models import Permission

from kartra_mirror.admin.leads.listing.conditions import changed, places
from leads.models import StaffLimits
from tests.factories import AccountFactory, LeadFactory, SegmentFactory, StaffFactory, TagFactory
from tests.kartra_mirror.admin.drafts import LEADS

DRAWER = f"{LEADS}filters/"
BOTH = {"score_min": ["20"], "tag": ["5"]}
EITHER = {"or1.1.country": ["Spain"], "or1.2.score_max": ["10"]}

ORDERS = {
    "a first one": ({}, "add all country", {"country": [""]}),
    "one more": (BOTH, "add all country", {**BOTH, "country": [""]}),
    "the same, which then leaves out": (BOTH, "add all tag", {**BOTH, "not_tag": [""]}),
    "the same a third time": ({**BOTH, "not_tag": ["6"]}, "add all tag", {**BOTH, "not_tag": ["6"]}),
    "a new group": (BOTH, "add or country", {**BOTH, "or1.1.country": [""]}),
    "a second group": (EITHER, "add or tag", {**EITHER, "or2.1.tag": [""]}),
    "an alternative": (EITHER, "add or1 country", {**EITHER, "or1.3.country": [""]}),
    "an alternative of no group": (EITHER, "add or7 country", EITHER),
    "a condition that is none": (BOTH, "add all nonsense", BOTH),
    "too many alternatives": ({"or1.99.tag": ["5"]}, "add or1 tag", {"or1.99.tag": ["5"]}),
    "away with one": (BOTH, "remove score", {"tag": ["5"]}),
    "away with an alternative": (EITHER, "remove or1.1.country", {"or1.2.score_max": ["10"]}),
    "away with what is not there": (BOTH, "remove not_score", BOTH),
    "turned": (BOTH, "turn tag", {"score_min": ["20"], "not_tag": ["5"]}),
    "turned back": ({"or1.1.not_tag": ["5"]}, "turn or1.1.not_tag", {"or1.1.tag": ["5"]}),
    "turned onto another": ({**BOTH, "not_tag": ["6"]}, "turn tag", {**BOTH, "not_tag": ["6"]}),
    "any instead of all": (BOTH, "any", {"or1.1.score_min": ["20"], "or1.2.tag": ["5"]}),
    "any, beside words and a group": (
        {"q": ["lind"], **BOTH, **EITHER},
        "any",
        {
            "q": ["lind"],
            "or1.1.score_min": ["20"],
            "or1.2.tag": ["5"],
            "or2.1.country": ["Spain"],
            "or2.2.score_max": ["10"],
        },
    ),
    "all instead of any": (EITHER, "all 1", {"country": ["Spain"], "score_max": ["10"]}),
    "all, which stands there already": ({**EITHER, "country": ["Peru"]}, "all 1", {**EITHER, "country": ["Peru"]}),
    "nonsense": (BOTH, "add", BOTH),
    "nothing": (BOTH, "", BOTH),
}


@pytest.mark.parametrize("name", ORDERS)
def test_button_changes_the_conditions(name):
    making, order, expected = ORDERS[name]

    assert changed(making, order) == expected


def test_condition_of_several_inputs_is_one_place():
    making = {"or1.2.score_max": ["3"], "score_min": [""], "score_max": ["9"], "or1.2.score_min": ["1"], "q": ["x"]}

    assert [place.key for place in places(making)] == ["or1.2.score", "score"]


def drawn(text):
    """The conditions as they are drawn: [(label, is or is not)]."""
    rows = re.split(r'class="cond"', text)[1:]
    return [
        (re.search(r"<b class=\"small\">(.*?)</b>", row)[1], re.search(r">\s*(is not|is)\s*<", row)[1]) for row in rows
    ]


@pytest.mark.django_db
def test_drawer_draws_what_must_hold_and_groups(staff):
    tag = TagFactory(name="VIP")
    query = {"or1.1.not_tag": tag.pk, "or1.2.country": "Spain", "score_min": "5", "q": "lind", "o": "2"}

    text = staff.get(DRAWER, query).content.decode()

    assert drawn(text) == [("Score", "is"), ("Tag", "is not"), ("Country", "is")]
    assert "And any of these" in text
    assert 'name="or1.2.country"' in text
    assert f'<option value="{tag.pk}" selected>VIP</option>' in text
    for kept in ('name="q" value="lind"', 'name="o" value="2"'):
        assert f'<input type="hidden" {kept}>' in text


@pytest.mark.django_db
def test_condition_without_a_value_stays_until_it_is_removed(staff):
    added = staff.get(DRAWER, {"score_min": "5", "do": "add or country"}).content.decode()

    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="">', added)
    assert hidden == ["score_min", "or1.1.country"]
    again = staff.get(f"{DRAWER}?score_min=&or1.1.country=&do=turn+or1.1.country").content.decode()
    assert drawn(again) == [("Score", "is"), ("Country", "is not")]


@pytest.mark.django_db
def test_conditions_without_values_narrow_nothing(staff):
    LeadFactory()

    assert staff.get(f"{LEADS}?score_min=&or1.1.country=").context["cl"].result_count == 1


@pytest.mark.django_db
def test_drawer_is_a_part_for_scripts_and_a_page_without(staff):
    part = staff.get(DRAWER, {"score_min": "5"}, headers={"HX-Request": "true"}).content.decode()
    page = staff.get(DRAWER, {"score_min": "5"}).content.decode()

    assert "<html" not in part
    assert 'aria-label="Close"' in part
    assert 'aria-label="Close"' not in page
    assert "<html" in page
    assert f'<form id="filters" class="card narrow" action="{LEADS}"' in page
    assert 'formaction="/admin/leads/lead/filters/"' in page


@pytest.mark.django_db
def test_main_button_says_how_many_would_be_shown(staff):
    LeadFactory(score=9)

    text = staff.get(f"{LEADS}count/", {"score_min": "5"}, headers={"HX-Request": "true"}).content.decode()

    assert text == '1 lead<span id="filter-show" hx-swap-oob="true">Show 1 lead</span>'


@pytest.mark.django_db
def test_filter_in_the_making_is_saved_as_a_segment(staff):
    answer = staff.get(f"{DRAWER}?score_min=5&tag=&or1.1.country=Spain&do=save")

    query = parse_qs(answer.url.partition("?")[2])["query"][0]
    assert parse_qs(query) == {"score_min": ["5"], "or1.1.country": ["Spain"]}


@pytest.mark.django_db
def test_filter_starts_from_a_segment_of_ones_own_account(client):
    account = AccountFactory()
    mine = SegmentFactory(account=account, name="Mine", conditions={"country": ["Spain"], "not_score_min": ["5"]})
    theirs = SegmentFactory(account=AccountFactory(), name="Secret", conditions={"country": ["Peru"]})
    user = StaffFactory()
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_lead", "view_segment"]))
    StaffLimits.objects.create(user=user, limited=True).accounts.add(account)
    client.force_login(user)

    text = client.get(DRAWER, {"score_min": "5", "do": f"start {mine.pk}"}).content.decode()
    assert "Mine" in text
    assert "Secret" not in text
    assert sorted(drawn(text)) == [("Country", "is"), ("Score", "is not")]
    text = client.get(DRAWER, {"score_min": "5", "do": f"start {theirs.pk}"}).content.decode()
    assert drawn(text) == [("Score", "is")]
    assert "Peru" not in text


@pytest.mark.django_db
def test_drawer_costs_the_same_for_more_conditions_of_a_kind(staff, django_assert_max_num_queries):
    tag = TagFactory()
    few = {"or1.1.tag": tag.pk, "or1.2.country": "Spain"}
    many = few | {f"or2.{number}.tag": tag.pk for number in range(1, 9)}
    staff.get(DRAWER, few)

    with django_assert_max_num_queries(30) as asked:
        staff.get(f"{DRAWER}?{urlencode(few)}")
    with django_assert_max_num_queries(len(asked.captured_queries)):
        staff.get(f"{DRAWER}?{urlencode(many)}")
