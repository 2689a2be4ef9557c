"""A file of people: what is read of it, who of them is new, and the wishes for them."""

import io

import pytest
from django.utils import timezone

from leads import access, changes, transitions
from leads.changes import create_many, undo
from leads.erasure import forget
from leads.importing import CannotImport, people_list
from leads.models import CustomField, Lead, LeadChange, LeadEmail, StaffLimits
from leads.models.remarks import sentence_of
from tests.factories import (
    AccountFactory,
    LeadFactory,
    MailingListFactory,
    StaffFactory,
    TagFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(db):
    account = AccountFactory()
    TagFactory(account=account, name="VIP")
    MailingListFactory(account=account, name="Buyers")
    CustomField.objects.create(
        account=account, identifier="shirt_size", type="drop_down", options=[[611, "Large"], [612, "Small"]]
    )
    return account


def read(account, text, **given):
    return people_list.read(account, io.BytesIO(text.encode()), **given)


def people(account, *emails):
    return read(account, "Email\n" + "\n".join(emails)).people


def test_rows_become_what_a_new_lead_is_to_have(account):
    found = read(
        account,
        "First name;E-Mail Address;Tags;Lists;shirt_size;Score;Odd\n"
        'Ada;ada@example.com;"VIP";Buyers;Large;12;x\n'
        ";bo@example.com;;;;;\n",
    )

    assert [(person.line, person.parameters) for person in found.people] == [
        (
            2,
            {
                "email": "ada@example.com",
                "first_name": "Ada",
                "custom.shirt_size": "611",
                "tag": ["VIP"],
                "list": ["Buyers"],
            },
        ),
        (3, {"email": "bo@example.com"}),
    ]
    assert found.not_read == ["Score", "Odd"]


def test_bad_rows_are_told_and_hide_nobody(account):
    found = read(
        account,
        "Email,Tags\nnobody,\nada@example.com,\nADA@example.com ,\nbo@example.com,Nowhere\n,\ncy@example.com,VIP;VIP\n",
    )

    assert [person.email for person in found.people] == ["ada@example.com", "cy@example.com"]
    assert found.people[1].parameters["tag"] == ["VIP"]
    assert (found.twice, found.bad_number) == (1, 2)
    assert [line for line, _ in found.bad] == [2, 5]
    assert "Nowhere" in sentence_of(found.bad[1][1])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Name\nAda\n", "No column is called Email"),
        ("", "empty"),
        ("Email\n" + "".join(f"p{n}@example.com\n" for n in range(4)), "more than 3 people"),
    ],
)
def test_file_that_cannot_be_taken_says_why(account, text, words):
    with pytest.raises(CannotImport, match=words):
        read(account, text, most=3)


def test_reading_costs_the_same_queries_for_more_people(account, django_assert_max_num_queries):
    with django_assert_max_num_queries(20):
        read(account, "Email,Tags\n" + "".join(f"p{n}@example.com,VIP\n" for n in range(300)))


def test_who_is_new_and_who_is_left_out(account):
    LeadFactory(account=account, email="Known@example.com")
    LeadFactory(account=account, email="gone@example.com", gone_at=timezone.now(), gone_reason="deleted")
    LeadFactory(account=AccountFactory(), email="elsewhere@example.com")
    changes.create_lead(account, {"email": "underway@example.com"})
    forgotten = LeadFactory(account=account, email="forgotten@example.com")
    forget.forget(forgotten)
    expected = LeadFactory(account=account, email="expected@example.com", kartra_id=None, absent_at=timezone.now())

    found = create_many.sort_people(
        account,
        people(
            account,
            "known@example.com",
            "gone@example.com",
            "underway@example.com",
            "forgotten@example.com",
            "elsewhere@example.com",
            expected.email,
            "new@example.com",
        ),
    )

    assert [person.email for person in found.new] == ["elsewhere@example.com", expected.email, "new@example.com"]
    assert (found.known, found.gone, found.being_created, found.forgotten) == (1, 1, 1, 1)


def test_looking_counts_nobody_as_met(account):
    forget.forget(LeadFactory(account=account, email="forgotten@example.com"))
    create_many.sort_people(account, people(account, "forgotten@example.com"))
    assert set(account.forgotten.values_list("met", flat=True)) == {0}


def test_new_people_become_one_bulk_action(account):
    listed = read(account, "Email,First name,Tags\nada@example.com,Ada,VIP\nbo@example.com,Bo,\n").people
    LeadFactory(account=account, email="ada@example.com", kartra_id=None, absent_at=timezone.now())

    run = create_many.create_leads(account, listed, why="Fair in May")

    assert (run.name, run.state, run.expected, run.why) == ("Create 2 leads", "running", 2, "Fair in May")
    asked = [
        (change.lead.email, change.kind, change.parameters, change.family) for change in run.changes.order_by("pk")
    ]
    assert asked == [
        ("ada@example.com", "create_lead", {"email": "ada@example.com", "first_name": "Ada"}, "profile"),
        ("ada@example.com", "assign_tag", {"tag": "VIP"}, "tag:VIP"),
        ("bo@example.com", "create_lead", {"email": "bo@example.com", "first_name": "Bo"}, "profile"),
    ]
    assert Lead.objects.filter(account=account).count() == 2
    assert Lead.objects.get(email="bo@example.com").absent_at is not None
    assert LeadEmail.objects.filter(email_key="bo@example.com", until=None).count() == 1


def test_asking_twice_creates_nobody_twice(account):
    listed = people(account, "ada@example.com")
    create_many.create_leads(account, listed)
    with pytest.raises(changes.CannotRecord, match="Nobody of this list is new"):
        create_many.create_leads(account, listed)
    assert LeadChange.objects.count() == 1


def test_it_obeys_accounts_and_bounds(account):
    listed = people(account, "ada@example.com", "bo@example.com")
    one = StaffFactory()
    with pytest.raises(changes.CannotRecord, match="one lead at a time"):
        create_many.create_leads(account, listed, by=one)
    elsewhere = StaffFactory(is_superuser=False)
    StaffLimits.objects.create(user=elsewhere, limited=True)
    with pytest.raises(changes.CannotRecord, match="do not work in this account"):
        create_many.create_leads(account, listed[:1], by=elsewhere)
    assert not Lead.objects.filter(account=account).exists()
    assert access.largest_run(one) == 1


def test_undo_of_many_new_leads_is_one_part_that_cannot_be_taken_back(account, django_assert_max_num_queries):
    run = create_many.create_leads(account, people(account, *(f"p{n}@example.com" for n in range(30))))
    run.changes.update(status="accepted", settled_at=timezone.now())
    transitions.finish_run_if_over(run.pk)

    with django_assert_max_num_queries(10):
        [group] = undo.groups(run)
    assert (group.kind.name, group.number["never"], group.number["stands"]) == ("create_lead", 30, 0)
