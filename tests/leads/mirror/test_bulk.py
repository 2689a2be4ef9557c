"""Many rows at once: what says nothing new is told apart in bulk, and the rest is as if each row came alone."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from leads import forgotten, mirror
from leads.mirror import Row
from leads.models import Forgotten, Lead, LeadEmail, ListSubscription
from tests.factories import AccountFactory, LeadFactory

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def rows_of(number, **told):
    return [
        Row(
            n,
            str(1000 + n),
            f"lead{n}@example.com",
            {"city": "Bend", "score": n, **told},
            {"size": "L"},
            ("VIP",),
            ("News",),
        )
        for n in range(number)
    ]


def counted(written):
    return written.created, written.updated, written.unchanged, len(written.refused)


def test_rows_that_say_nothing_new_write_nothing_and_hold_nobody():
    account = AccountFactory()
    mirror.write_rows(account, rows_of(20), at=NOW)
    before = list(Lead.objects.order_by("pk").values())

    with CaptureQueriesContext(
        connection,
    ) as queries:
        written = mirror.write_rows(account, rows_of(20), at=NOW)

    assert counted(written) == (0, 0, 20, 0)
    assert written.ids_agree == 20
    assert list(Lead.objects.order_by("pk").values()) == before
    told = " ".join(query["sql"] for query in queries)
    assert not [verb for verb in ("INSERT INTO", "UPDATE ", "FOR NO KEY") if verb in told.replace("SAVEPOINT", "")]


def test_only_the_row_that_says_something_new_is_written():
    account = AccountFactory()
    rows = rows_of(3)
    mirror.write_rows(account, rows, at=NOW)
    marks = dict(Lead.objects.values_list("email", "changed_seq"))
    rows[1] = Row(1, "1001", "lead1@example.com", {"city": "Salem"})

    written = mirror.write_rows(account, rows, at=NOW)

    assert counted(written) == (0, 1, 2, 0)
    moved = [lead.email for lead in Lead.objects.order_by("pk") if lead.changed_seq != marks[lead.email]]
    assert moved == ["lead1@example.com"]
    assert Lead.objects.get(email="lead1@example.com").city == "Salem"


@pytest.mark.parametrize(
    "second",
    [
        Row(2, "", "ada@example.com", {"city": "Bend"}),
        Row(2, "901", "", {"city": "Bend"}),
    ],
    ids=["by address", "by id"],
)
def test_last_of_two_rows_of_one_lead_counts_though_it_says_what_was_so_before(second):
    lead = LeadFactory(kartra_id="901", email="ada@example.com", city="Bend")

    written = mirror.write_rows(lead.account, [Row(1, "901", "ada@example.com", {"city": "Salem"}), second], at=NOW)

    lead.refresh_from_db()
    assert (lead.city, written.updated) == ("Bend", 2)


@pytest.mark.parametrize(
    "row",
    [
        Row(1, "901", "ada@example.com", {}, {}, ("New",)),
        Row(1, "901", "ada@example.com", {}, {}, (), ("New",)),
        Row(1, "901", "ada@example.com", {"score": 0}),
        Row(1, "901", "ada@example.com", {}, {"size": "L"}),
        Row(1, "901", "other@example.com"),
        Row(1, "", "ada@example.com", {"city": "Salem"}),
    ],
    ids=["tag", "list", "number", "custom field", "address", "without an id"],
)
def test_any_one_thing_that_is_new_is_written(row):
    lead = LeadFactory(kartra_id="901", email="ada@example.com", city="Bend", score=None)

    assert counted(mirror.write_rows(lead.account, [row], at=NOW)) == (0, 1, 0, 0)
    assert counted(mirror.write_rows(lead.account, [row], at=NOW)) == (0, 0, 1, 0)


def test_list_said_to_be_left_of_which_we_had_not_heard_is_kept():
    lead = LeadFactory(kartra_id="901", email="ada@example.com")

    mirror.write_rows(lead.account, [Row(1, "901", "ada@example.com", left_lists=("News",))], at=NOW)

    assert list(ListSubscription.objects.values_list("mailing_list__name", "active")) == [("News", False)]


@pytest.mark.parametrize(
    "state",
    [{"gone_at": NOW, "gone_reason": "deleted"}, {"absent_at": NOW}, {"known_from": "webhook", "read_at": None}],
)
def test_row_that_says_nothing_new_vouches_for_its_lead(state):
    lead = LeadFactory(kartra_id="901", email="ada@example.com", **state)

    written = mirror.write_rows(lead.account, [Row(1, "901", "ada@example.com")], at=NOW)

    lead.refresh_from_db()
    assert written.updated == 1
    assert (lead.gone_at, lead.absent_at, lead.known_from == "webhook") == (None, None, False)


def test_somebody_forgotten_is_refused_though_the_row_says_nothing_new():
    lead = LeadFactory(kartra_id="901", email="ada@example.com")
    [digest] = forgotten.kept_of(lead.account, email="ada@example.com")
    Forgotten.objects.create(account=lead.account, digest=digest, at=NOW)

    written = mirror.write_rows(lead.account, [Row(7, "901", "ada@example.com")], at=NOW)

    assert (written.refused, written.unchanged) == ([(7, forgotten.REMARK)], 0)


def test_two_leads_of_one_address_are_not_told_apart_by_it():
    lead = LeadFactory(kartra_id="901", email="ada@example.com")
    LeadFactory(account=lead.account, kartra_id="902", email="ada@example.com")

    assert counted(mirror.write_rows(lead.account, [Row(1, "", "ada@example.com")], at=NOW)) == (0, 0, 0, 1)


def test_id_that_is_not_believed_stays_unsaid_and_the_row_is_as_before():
    account = AccountFactory()
    for expected in ((3, 0, 0, 0), (0, 0, 3, 0)):
        assert counted(mirror.write_rows(account, rows_of(3), at=NOW, believed=False)) == expected

    assert not Lead.objects.filter(kartra_id__startswith="100").exists()
    assert LeadEmail.objects.filter(email__startswith="lead", lead__kartra_id=None, until=None).count() == 3
