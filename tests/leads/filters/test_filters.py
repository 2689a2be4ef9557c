"""Filters of leads: each finds who fits, its "not" finds all others, and what is not understood finds nobody."""

import pytest
from django.utils import timezone

from leads import filters
from leads.filters import duplicates
from leads.filters.selection import as_json, of_conditions
from leads.models import (
    Account,
    Lead,
    LeadEmail,
    LeadTag,
)
from tests.factories import AccountFactory, LeadFactory, SegmentFactory, TagFactory
from tests.leads.filters.cases import AT, CASES, UNREADABLE, lead_with_everything, pk

pytestmark = pytest.mark.django_db


@pytest.fixture
def account():
    return AccountFactory()


@pytest.fixture
def ada(account):
    return lead_with_everything(account)


@pytest.mark.parametrize("name", CASES)
def test_filter_finds_who_fits_and_its_not_finds_the_others(ada, name):
    wanted = CASES[name]()
    names = Lead.objects.values_list("first_name", flat=True)

    found = filters.matching(Lead.objects.all(), wanted)
    others = filters.matching(Lead.objects.all(), {f"not_{key}": value for key, value in wanted.items()})

    assert list(names.filter(pk__in=found)) == ["Ada"]
    assert list(names.filter(pk__in=others)) == ["Bo"]
    assert len(filters.in_words(wanted, None)) == 1


def test_filters_combine_and_a_date_outside_finds_nobody(ada):
    both = {"country": ["Spain"], "not_tag": [pk(LeadTag.tag.field.related_model, "VIP")]}

    assert not filters.matching(Lead.objects.all(), both).exists()
    assert not filters.matching(Lead.objects.all(), {"bought": ["any"], "bought_from": ["2026-06-01"]}).exists()


@pytest.mark.parametrize("wanted", UNREADABLE)
@pytest.mark.parametrize("prefix", ["", "not_"])
def test_what_is_not_understood_fits_nobody_and_leaves_nobody_in(ada, prefix, wanted):
    wanted = {f"{prefix}{name}": values for name, values in wanted.items()}

    assert not filters.matching(Lead.objects.all(), wanted).exists()
    if "nonsense" not in wanted and "not_nonsense" not in wanted:
        assert "no lead matches" in " ".join(filters.in_words(wanted, None))


def test_state_of_our_copy(account):
    now = timezone.now()
    gone = LeadFactory(account=account, gone_at=now, gone_reason="deleted")
    unread = LeadFactory(account=account, read_at=None)
    by_address = LeadFactory(account=account, kartra_id=None)
    absent = LeadFactory(account=account, absent_at=now)

    def found(state):
        return list(filters.matching(Lead.objects.all(), {"copy": [state]}))

    assert [found("gone"), found("unread"), found("no_id"), found("absent")] == [
        [gone],
        [unread],
        [by_address],
        [absent],
    ]
    assert gone not in found("here")


def test_possible_second_profiles_share_a_phone_or_an_address_now_or_before(account):
    same_phone = LeadFactory.create_batch(2, account=account, phone="5551234")
    one, other = LeadFactory.create_batch(2, account=account)
    LeadEmail.objects.create(lead=one, email=other.email, email_key=other.email, since=AT, until=AT)
    LeadFactory(account=account)
    LeadFactory(phone="5551234")

    assert not filters.matching(Lead.objects.all(), {"not_copy": ["second"]})  # nobody was looked for yet

    def found():
        for each in Account.objects.all():
            duplicates.search(each, AT)
        return set(filters.matching(Lead.objects.all(), {"copy": ["second"]}))

    assert found() == {*same_phone, other}
    Lead.objects.filter(pk=same_phone[0].pk).update(phone="")
    one.emails.all().delete()
    again = LeadFactory(account=account, email=other.email)
    assert found() == {other, again}
    assert not filters.matching(Lead.objects.all(), {"copy": ["second"], "not_copy": ["second"]})


def test_search_takes_every_word_in_name_address_phone_company_and_the_id(ada):
    def found(text):
        return list(filters.search(Lead.objects.all(), text).values_list("first_name", flat=True))

    assert [found(t) for t in ("ada lind", "loom", "5550001", ada.kartra_id, "ada bo", "\x00")] == [
        ["Ada"],
        ["Ada"],
        ["Ada"],
        ["Ada"],
        [],
        ["Bo", "Ada"],
    ]


def test_more_words_than_a_search_takes_find_nobody(ada):
    many = " ".join(f"{number}" for number in range(2000))

    assert not filters.search(Lead.objects.all(), many).exists()
    assert not filters.matching(Lead.objects.all(), {"q": many.split()}).exists()
    assert list(filters.matching(Lead.objects.all(), {"q": ["ada", "lind ada " * 100]})) == [ada]


def test_segment_holds_who_fits_now_and_only_of_its_account(account, ada):
    segment = SegmentFactory(account=account, name="Spain", conditions={"country": ["Spain"]})
    LeadFactory(country="Spain")

    assert list(filters.of_segment(segment)) == [ada]
    assert list(filters.matching(Lead.objects.all(), {"segment": [str(segment.pk)]})) == [ada]
    assert ada not in filters.matching(Lead.objects.all(), {"not_segment": [str(segment.pk)]})


ROUND = {
    "itself": lambda one, other: ({"segment": [one]}, {}),
    "all but itself": lambda one, other: ({"not_segment": [one]}, {}),
    "another that builds on it": lambda one, other: ({"segment": [other]}, {"not_segment": [one]}),
    "all but another that builds on it": lambda one, other: ({"not_segment": [other]}, {"not_segment": [one]}),
    "all but one that is not understood": lambda one, other: ({"not_segment": [other]}, {"tag": ["987654321"]}),
    "all but one that asks for too many words": lambda one, other: (
        {"not_segment": [other]},
        {"q": [" ".join(map(str, range(60)))]},
    ),
    "all but one that is gone": lambda one, other: ({"not_segment": ["987654321"]}, {}),
}


@pytest.mark.parametrize("name", ROUND)
def test_segment_that_builds_on_itself_or_on_what_is_not_understood_is_empty(account, ada, name):
    one, other = (SegmentFactory(account=account, name=name, conditions={}) for name in "ab")
    one.selection, other.selection = (as_json(of_conditions(each)) for each in ROUND[name](str(one.pk), str(other.pk)))
    one.save()
    other.save()

    assert not filters.of_segment(one).exists()
    assert not filters.matching(Lead.objects.all(), {"not_segment": [str(one.pk)]}).exists()


def test_catalogues_are_asked_once_for_any_number_of_values_and_sets(account, django_assert_num_queries):
    tags = [str(TagFactory(account=account).pk) for _ in range(30)]
    sets = [{"tag": tags[:n], "not_tag_all": tags[n:], "bought": ["any"]} for n in range(30)]

    with django_assert_num_queries(1):
        names = filters.names_of(sets)
    with django_assert_num_queries(0):
        assert all(filters.in_words(each, None, names) for each in sets)
    with django_assert_num_queries(2):
        assert not filters.matching(Lead.objects.all(), sets[20]).exists()


def test_names_say_the_account_where_there_are_several_and_none_of_anothers(account):
    mine, theirs = TagFactory(account=account, name="VIP"), TagFactory(name="Secret")
    wanted = {"tag": [str(mine.pk), str(theirs.pk)]}

    assert filters.in_words(wanted, None) == [f"has the tag VIP ({account}) or Secret ({theirs.account})"]
    assert filters.in_words(wanted, frozenset({account.pk})) == [f"has the tag VIP or {theirs.pk}"]
