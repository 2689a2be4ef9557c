"""From a text to rows: whom each means, what is repeated, who stays out, and that a kill in the middle changes nothing."""

import io

import pytest
from django.utils import timezone

from leads import changes
from leads.erasure import forget
from leads.filters import CannotResolve, resolve
from leads.filters.selection import AllOf, NoneOf, OnPeopleLists, as_json, fits, from_json
from leads.models import Lead, LeadTag, PeopleList, PeopleListChunk, PeopleListRow, PersonState
from leads.people import lists, reading
from leads.people.newcomers import Newcomers
from tests.factories import AccountFactory, LeadFactory, TagFactory
from tests.leads.people.making import listed, rows_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def account():
    return AccountFactory()


def test_whom_each_row_means(account):
    LeadFactory(account=account, email="Known@example.com")
    LeadFactory(account=account, email="gone@example.com", gone_at=timezone.now(), gone_reason="deleted")
    LeadFactory(account=account, email="absent@example.com", kartra_id=None, absent_at=timezone.now())
    LeadFactory(account=AccountFactory(), email="elsewhere@example.com")
    changes.create_lead(account, {"email": "underway@example.com"})
    by_id = LeadFactory(account=account, email="by.id@example.com")
    before = Lead.objects.count()

    made = listed(
        account,
        "Kartra id,Email\n,known@EXAMPLE.com\n,gone@example.com\n,absent@example.com\n,elsewhere@example.com\n"
        f",underway@example.com\n,KNOWN@example.com\n{by_id.kartra_id},\n{by_id.kartra_id},by.id@example.com\n999,\n,nobody\n",
    )

    assert [state for state, _ in rows_of(made)] == [
        "known", "gone", "to_look_up", "to_look_up", "known", "repeated", "known", "repeated", "unreadable", "unreadable",
    ]  # fmt: skip
    assert (made.state, made.rows_read, Lead.objects.count()) == ("looking_up", 10, before)
    assert not PeopleListChunk.objects.exists()


SPELLINGS = [
    "Forgotten@Example.com",
    "  forgotten@example.com ",
    "for\u200bgotten@example.com",
    '"Ada" <FORGOTTEN@example.com>',
    "mailto:forgotten@example.com",
    "\uff46orgotten@example.com",
    "forgotten\uff20example.com",
    "forgotten%40example.com",
    "forgotten&#64;example.com",
    "forgotten @ example.com",
]


def test_who_asked_to_be_forgotten_stays_out_in_any_spelling(account):
    forget.forget(LeadFactory(account=account, email="forgotten@example.com", kartra_id="777001"))

    made = listed(account, "\n".join([*SPELLINGS, "other@example.com"]))
    by_id = listed(account, "Kartra id,Email\n777001,new@example.com\n")

    rows = PeopleListRow.objects.filter(people_list=made)
    assert [row.state for row in rows] == ["forgotten"] * len(SPELLINGS) + ["to_look_up"]
    assert rows_of(by_id) == [("forgotten", "")]
    told = str(list(PeopleListRow.objects.filter(state="forgotten").values()))
    assert "example" not in told
    assert {row.email for row in rows} == {"", "other@example.com"}


def test_a_kill_in_the_middle_goes_on_where_it_was(account):
    LeadFactory(account=account, email="p7@example.com")
    text = "Email,City\n" + "".join(f"p{n % 40}@example.com,Bend\n" for n in range(50))
    whole = rows_of(listed(account, text))
    cut = lists.create(account, io.BytesIO(text.encode()), "cut.csv", piece=64)

    class Killed(Exception):
        pass

    def kill(people_list):
        raise Killed

    for _ in range(3):  # each time another process begins and dies
        with pytest.raises(Killed):
            reading.read(PeopleList.objects.get(pk=cut.pk), batch=7, piece=64, on_progress=kill)
    assert PeopleListRow.objects.filter(people_list=cut).count() == 21
    assert reading.read(cut, batch=7, piece=64) is False

    assert rows_of(cut) == whole
    assert [row.number for row in cut.people.all()] == list(range(1, 51))
    assert reading.counts_of(cut)["repeated"] == 10


def test_lines_go_on_within_a_line(account):
    text = ", ".join(f"p{n}@example.com" for n in range(9000))
    made = lists.create_pasted(account, text)
    reading.read(made, until_s=0, batch=100)
    assert 0 < made.rows_read < 9000
    assert reading.read(made) is False
    assert (made.rows_read, made.state) == (9000, "looking_up")


def test_a_list_that_is_too_long_is_stopped_and_says_so(account):
    made = lists.create_pasted(account, "\n".join(f"p{n}@example.com" for n in range(30)))
    assert reading.read(made, batch=10, most=15) is False
    assert (made.state, "more than 15 rows" in made.why_stopped) == ("stopped", True)


def test_reading_costs_the_same_queries_for_more_people(account, django_assert_max_num_queries):
    made = lists.create_pasted(account, "\n".join(f"p{n}@example.com" for n in range(900)))
    with django_assert_max_num_queries(25):
        reading.read(made)
    assert made.rows_read == 900


def test_names_are_unique_in_an_account(account):
    names = [listed(account, "ada@example.com\n", "Webinar.csv").name for _ in range(3)]
    other = listed(AccountFactory(), "ada@example.com\n", "webinar.csv")
    assert (names, other.name) == (["Webinar", "Webinar (2)", "Webinar (3)"], "webinar")
    with pytest.raises(lists.NameTaken):
        lists.rename(PeopleList.objects.get(name="Webinar (2)"), "WEBINAR")


def test_a_list_is_a_selection_like_any_other(account):
    ada, bo = (LeadFactory(account=account, email=f"{name}@example.com") for name in ("ada", "bo"))
    LeadFactory(account=account, email="cy@example.com")
    tag = TagFactory(account=account)
    LeadTag.objects.create(lead=bo, tag=tag, since=timezone.now(), source="refresh")
    made = listed(account, "ada@example.com\nbo@example.com\nnew@example.com\nada@example.com\n")
    on_it = OnPeopleLists((made.pk,))
    buyers = fits("tag", {"tag": [str(tag.pk)]})

    def emails(chosen, accounts=None):
        return sorted(resolve(from_json(as_json(chosen)), accounts).values_list("email", flat=True))

    assert emails(on_it) == [ada.email, bo.email]
    assert emails(AllOf((on_it, NoneOf(buyers)))) == [ada.email]
    assert emails(NoneOf(on_it)) == ["cy@example.com"]
    assert emails(on_it, frozenset({AccountFactory().pk})) == []
    made.delete()
    for gone in (on_it, NoneOf(on_it)):
        with pytest.raises(CannotResolve):
            emails(gone)


def test_a_person_says_which_address_was_meant(account):
    LeadFactory(account=account, email="maya@example.com")
    made = listed(account, "maya@exmaple.com\nbo@exmaple.com\nbo@example.com\nnobody\n")
    maya, bo, _other, nobody = made.people.all()

    assert all(
        lists.correct(*each)
        for each in ((maya, "maya@example.com"), (bo, "bo@example.com"), (nobody, "cy@example.com"))
    )

    assert rows_of(made) == [
        ("known", "maya@example.com"),
        ("repeated", "bo@example.com"),
        ("to_look_up", "bo@example.com"),
        ("to_look_up", "cy@example.com"),
    ]
    assert lists.correct(nobody, "CY@example.com")  # a second click
    assert rows_of(made)[3] == ("to_look_up", "cy@example.com")
    assert (maya.written, lists.correct(maya, "x@example.com")) == ("maya@exmaple.com", False)


def test_newcomers_have_what_their_columns_say(account):
    TagFactory(account=account, name="VIP")
    made = listed(
        account, "Email,First name,Tags,Phone,Seat\nada@example.com,Ada,VIP,1.5E+11,7\nbo@example.com,Bo,VIP,5,8\n"
    )
    made.people.update(state=PersonState.NOT_IN_KARTRA)

    people, bad = Newcomers(made).sorted(5)

    assert [each.parameters for each in people] == [
        {"email": "bo@example.com", "first_name": "Bo", "phone": "5", "tag": ["VIP"]}
    ]
    assert [each.row.email for each in bad] == ["ada@example.com"]


def test_an_id_that_names_somebody_else_is_told(account):
    moved = LeadFactory(account=account)
    made = listed(account, f"Kartra id,Email\n{moved.kartra_id},nobody@example.com\n")
    row = made.people.get()
    assert (row.state, made.notes["differ"]) == ("unreadable", 1)
    assert f"is that of Mara Lind ({moved.email}, {moved.kartra_id})" in row.words
