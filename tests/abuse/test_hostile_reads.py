"""Answers to `get_lead` that nobody foresaw: what they tell is taken, what they do not tell takes nothing away."""

import contextlib
import json
from urllib.parse import unquote_plus

import pytest
import responses
from django.utils import timezone

from integrations.kartra.errors import KartraError
from integrations.models import DeletionReport
from integrations.read import refresh
from leads.models import Activity, Lead, LeadTag, ListSubscription, MailingList, MembershipGrant, Tag
from tests.factories import ConnectionFactory, LeadFactory

pytestmark = pytest.mark.django_db(transaction=True)

HTML = "<html><body>Forbidden</body></html>"


@pytest.fixture
def lead(db):
    connection = ConnectionFactory(get_lead_by_id=True)
    lead = LeadFactory(
        account=connection.account,
        kartra_id="5",
        email="ada@example.com",
        city="Bend",
        score=7,
        read_at=timezone.datetime(2026, 1, 1, tzinfo=timezone.get_current_timezone()),
    )
    lead.refresh_from_db()
    lead.connection = connection
    tag = Tag.objects.create(account=lead.account, name="VIP")
    LeadTag.objects.create(lead=lead, tag=tag, since=timezone.now(), source="push")
    buyers = MailingList.objects.create(account=lead.account, name="Buyers")
    ListSubscription.objects.create(lead=lead, mailing_list=buyers, since=timezone.now(), source="push")
    return lead


def answering(body=None, *, by_id=None, by_email=None, search=None):
    """Kartra answers so, whatever it is asked; or according to what it is asked."""
    kartra = responses.RequestsMock(assert_all_requests_are_fired=False)

    def answer(request):
        asked = unquote_plus(str(request.body))
        special = by_id if "get_lead[id]" in asked else by_email if "get_lead[email]" in asked else search
        said = body if special is None else special
        return 200, {"Content-Type": "text/html"}, said if isinstance(said, str) else json.dumps(said)

    kartra.add_callback(responses.POST, "http://127.0.0.1:9/api", callback=answer)
    return kartra


def refused(code):
    return {"status": "Error", "type": code, "message": "?"}


def told(**details):
    return {"status": "Success", "lead_details": {"id": "5", "email": "ada@example.com", **details}}


def state(lead):
    """What our copy says of the lead, ties included; when it is to be read is not part of it."""
    row = Lead.objects.values().get(pk=lead.pk)
    for name in ("read_not_before", "dirty_at"):
        row.pop(name)
    return (
        row,
        sorted(LeadTag.objects.filter(lead=lead).values_list("tag__name", flat=True)),
        sorted(ListSubscription.objects.filter(lead=lead).values_list("mailing_list__name", "active")),
    )


FOUND = {"status": "Success", "actions": [{"search_lead": {"status": "Success"}}]}
OTHER = {"status": "Success", "lead_details": {"id": "6", "email": "ada@example.com", "city": "Salem"}}
NOTHING_TOLD = {
    "empty body": {"body": ""},
    "web page": {"body": HTML},
    "half of the JSON": {"body": '{"status": "Success", "lead_details": {"id": "5", "ci'},
    "no lead in it": {"body": {"status": "Success"}},
    "lead is an empty list": {"body": {"status": "Success", "lead_details": []}},
    "lead is null": {"body": {"status": "Success", "lead_details": None}},
    "two leads": {"body": {"status": "Success", "lead_details": [{"id": "5"}, {"id": "6"}]}},
    "lead is a text": {"body": {"status": "Success", "lead_details": "ada"}},
    "no status": {"body": {"lead_details": {}}},
    "a list": {"body": "[]"},
    "undocumented error": {"body": refused("999")},
    "error without a code": {"body": {"status": "Error", "message": "?"}},
    "nobody's answer": {"body": {"status": "Success", "lead_details": {"email": "ada@example.com", "city": "Salem"}}},
    "another lead, though ours exists": {"body": OTHER, "search": FOUND},
    "another lead at the address is deleted, ours exists": {
        "by_id": refused("234"),
        "by_email": refused("245"),
        "search": FOUND,
    },
    "not found, and the search may not be used": {"body": refused("234"), "search": refused("262")},
    "not found, and the search fails": {"body": refused("234"), "search": HTML},
}


@pytest.mark.parametrize("bodies", NOTHING_TOLD.values(), ids=NOTHING_TOLD)
@pytest.mark.parametrize("how", ["one", "many"])
def test_answer_that_tells_nothing_of_the_lead_changes_nothing(lead, bodies, how):
    before = state(lead)

    with answering(**bodies):
        if how == "many":
            refresh.drain(lead.connection, until_s=5)
        else:
            with contextlib.suppress(KartraError):
                refresh.read_lead(lead.connection, lead=lead)

    assert state(lead) == before
    assert Lead.objects.count() == 1
    assert not DeletionReport.objects.exists()
    assert not Activity.objects.exclude(kind="address_moved").exists()


@pytest.mark.parametrize("bodies", NOTHING_TOLD.values(), ids=NOTHING_TOLD)
def test_lead_that_cannot_be_read_stops_nobody(lead, bodies):
    """It waits; the next drain does not begin with it again."""
    with answering(**bodies):
        refresh.drain(lead.connection, until_s=5)

    lead.refresh_from_db()
    assert lead.read_not_before > timezone.now()


def memberships(*active):
    return [{"membership_name": "Club", "level_name": "Gold", "active": each} for each in active]


TOLD = {
    "id as number with spaces": (told(id=" 5 ", city="Salem"), {"city": "Salem"}),
    "id as float": (told(id=5.0, city="Salem"), {"city": "Salem"}),
    "lead as a JSON string": (
        {"status": "success", "lead_details": json.dumps(told(city="Salem")["lead_details"])},
        {"city": "Salem"},
    ),
    "a PHP warning before it": ("<br />\n<b>Warning</b>: x\n" + json.dumps(told(city="Salem")), {"city": "Salem"}),
    "a missing key blanks nothing": (told(), {"city": "Bend", "score": 7}),
    "an empty one does": (told(city=""), {"city": ""}),
    "N/A is none": (told(city="N/A"), {"city": ""}),
    "an empty address never": (told(email=""), {"email": "ada@example.com"}),
    "another spelling of the address": (told(email=" ADA@example.com "), {"email": "ADA@example.com"}),
    "a number for a text": (told(city=7), {"city": "7"}),
    "an object for a text": (told(city={"x": 1}), {"city": "Bend"}),
    "a score beyond all bounds": (told(score="9" * 40), {"score": 7}),
    "a score that is none": (told(score="many"), {"score": 7}),
    "a date that is none": (told(date_joined="0000-00-00 00:00:00"), {"date_joined": None}),
    "NUL and half a letter": (told(city="Be\0nd \ud800"), {"city": "Bend ?"}),
    "an unknown key": (told(shoe={"size": [1, None]}), {"extra": {"shoe": {"size": [1, None]}}}),
    "a very long value": (told(source="x" * 900), {"source": "x" * 64}),
}


@pytest.mark.parametrize(("body", "expected"), TOLD.values(), ids=TOLD)
def test_odd_answer_tells_what_it_tells(lead, body, expected):
    with answering(body):
        assert refresh.read_lead(lead.connection, lead=lead).applied
    assert {name: getattr(Lead.objects.get(), name) for name in expected} == expected
    before = state(lead)[1:]
    with answering(body):
        assert refresh.read_lead(lead.connection, lead=lead).taken.differences == ()
    assert state(lead)[1:] == before


TIES = {
    "tags not told": ({}, ["VIP"], [("Buyers", True)]),
    "no tags": ({"tags": []}, [], [("Buyers", True)]),
    "tags null": ({"tags": None}, ["VIP"], [("Buyers", True)]),
    "tags as a text that is none": ({"tags": ""}, ["VIP"], [("Buyers", True)]),
    "tags as an unreadable text": ({"tags": "VIP and others"}, ["VIP"], [("Buyers", True)]),
    "tags as half a JSON": ({"tags": '[{"tag_name": "VIP"'}, ["VIP"], [("Buyers", True)]),
    "tags as a number": ({"tags": 3}, ["VIP"], [("Buyers", True)]),
    "tags as an object": (
        {"tags": {"0": {"tag_name": "VIP"}, "1": {"tag_name": "cold"}}},
        ["VIP", "cold"],
        [("Buyers", True)],
    ),
    "tags as plain texts": ({"tags": ["VIP", "VIP", "", None]}, ["VIP"], [("Buyers", True)]),
    "tags as a JSON string": ({"tags": '["cold"]'}, ["cold"], [("Buyers", True)]),
    "left a list": ({"lists": [{"list_name": "Buyers", "active": 0}]}, ["VIP"], [("Buyers", False)]),
    "a list told twice": (
        {"lists": [{"list_name": "Buyers", "active": "0"}, {"list_name": "Buyers", "active": "1"}]},
        ["VIP"],
        [("Buyers", True)],
    ),
    "lists gone": ({"lists": []}, ["VIP"], [("Buyers", False)]),
    "lists unreadable": ({"lists": "?"}, ["VIP"], [("Buyers", True)]),
}


@pytest.mark.parametrize(("details", "tags", "lists"), TIES.values(), ids=TIES)
def test_ties_told_oddly(lead, details, tags, lists):
    for _ in range(2):
        with answering(told(**details)):
            taken = refresh.read_lead(lead.connection, lead=lead).taken
        assert state(lead)[1:] == (tags, lists)
    assert taken.differences == ()


@pytest.mark.parametrize(
    ("entries", "active"),
    [
        (memberships("0", "1"), [True]),
        (memberships("1", "0"), [True]),
        (memberships("0", "0"), [False]),
        ([{"id": "9", "name": "Club", "active": 1}], [True]),
        ([{"membership_id": 9, "level_id": 4, "active": "1"}], [True]),
        ([{"x": 1}, None, "Club"], []),
        ("?", []),
    ],
)
def test_membership_told_twice_does_not_come_and_go(lead, entries, active):
    for _ in range(3):
        with answering(told(memberships=entries)):
            taken = refresh.read_lead(lead.connection, lead=lead).taken
        assert list(MembershipGrant.objects.values_list("active", flat=True)) == active
    assert taken.differences == ()


def test_answer_about_somebody_else_is_not_taken_for_one_known_by_address_alone(lead):
    alone = LeadFactory(account=lead.account, kartra_id=None, email="bo@example.com", read_at=None)
    with answering(told(id="9", email="cy@example.com")), pytest.raises(KartraError, match="another address"):
        refresh.read_lead(lead.connection, lead=alone)
    alone.refresh_from_db()
    assert (alone.kartra_id, alone.email, alone.absent_at) == (None, "bo@example.com", None)


def test_in_test_mode_only_what_stands_before_the_at_counts(lead):
    lead.connection.test_mode = True
    alone = LeadFactory(account=lead.account, kartra_id=None, email="bo@example.com", read_at=None)
    with answering(told(id="9", email="bo@kartra.com")):
        assert refresh.read_lead(lead.connection, lead=alone).applied
    alone.refresh_from_db()
    assert (alone.kartra_id, alone.email) == ("9", "bo@example.com")
    with answering(told(email="ada@kartra.com")):
        assert refresh.read_lead(lead.connection, lead=lead).taken.differences == ()


def test_stranger_at_an_address_of_ours_is_not_taken_in(lead):
    """Keys of another account would fill our copy with its leads."""
    stranger = {"status": "Success", "lead_details": {"id": "77", "email": "ada@example.com"}}
    none = {"status": "Error", "type": "243", "message": "No lead found"}
    with answering(by_id=none, by_email=stranger, search=none):
        refresh.read_many(lead.connection, [lead])
    assert list(Lead.objects.values_list("kartra_id", flat=True)) == ["5"]
