"""The mirror: facts written once, identity by id, nothing blanked by silence."""

import datetime as dt

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from leads import mirror
from leads.mirror import LeadFacts, MembershipFact
from leads.models import Activity, Lead, LeadChange, LeadTag, Tag
from tests.factories import AccountFactory, LeadChangeFactory, LeadFactory

pytestmark = pytest.mark.django_db

NOW = timezone.now()


def facts(id="5", email="ada@example.com", **fields):
    return LeadFacts(kartra_id=id, fields={"email": email, **fields} if email is not None else fields)


def take(account, told, **more):
    return mirror.apply_facts(account, told, source="refresh", at=NOW, **more)


def test_taking_the_same_twice_changes_nothing_the_second_time():
    account = AccountFactory()
    told = LeadFacts(
        "5",
        {"email": "ada@example.com", "city": "Bend"},
        tags=frozenset({"VIP"}),
        lists={"Buyers": True},
        sequences={"Welcome": ("2", "active")},
        memberships=(MembershipFact("Club", "Gold", True),),
        custom_values={"ref": "A"},
    )

    first = take(account, told, read_began_at=NOW)
    second = take(account, told, read_began_at=NOW + dt.timedelta(seconds=1))

    assert (first.created, second.created, second.differences) == (True, False, ())
    assert Activity.objects.count() == 0


def test_differences_of_a_known_lead_are_told_in_the_timeline():
    account = AccountFactory()
    take(
        account,
        LeadFacts("5", {"email": "ada@example.com", "city": "Bend"}, tags=frozenset({"VIP"})),
        read_began_at=NOW,
    )

    taken = take(
        account, LeadFacts("5", {"city": "Salem"}, tags=frozenset({"cold"})), read_began_at=NOW + dt.timedelta(1)
    )

    assert {d.field for d in taken.differences} == {"city", "tag VIP", "tag cold"}
    assert Activity.objects.get(details__field="city").label == "city: Bend → Salem"
    assert list(taken.lead.leadtags.values_list("tag__name", flat=True)) == ["cold"]


def test_silence_blanks_nothing_emptiness_does_and_never_the_address():
    account = AccountFactory()
    take(account, facts(city="Bend", phone="5"))
    lead = take(account, facts(email="", phone="")).lead
    assert (lead.email, lead.city, lead.phone) == ("ada@example.com", "Bend", "")


def test_identity_is_the_id_and_the_address_has_a_history():
    account = AccountFactory()
    first = take(account, facts()).lead
    again = take(account, facts(email="ada.lind@example.com")).lead
    assert first.pk == again.pk
    assert list(again.emails.order_by("pk").values_list("email", "until")) == [
        ("ada@example.com", NOW),
        ("ada.lind@example.com", None),
    ]


def test_two_leads_may_swap_addresses():
    account = AccountFactory()
    take(account, facts("1", "a@example.com")), take(account, facts("2", "b@example.com"))
    take(account, facts("1", "b@example.com")), take(account, facts("2", "a@example.com"))
    assert dict(Lead.objects.values_list("kartra_id", "email")) == {"1": "b@example.com", "2": "a@example.com"}


def test_id_is_learnt_for_one_known_by_address_alone():
    account = AccountFactory()
    lead = LeadFactory(account=account, kartra_id=None, email="Ada@Example.com")
    assert take(account, facts(email=" ada@example.com ")).lead.pk == lead.pk
    assert Lead.objects.get().kartra_id == "5"


def test_two_rows_that_are_one_person_become_one_with_all_their_changes():
    account = AccountFactory()
    by_address = LeadFactory(account=account, kartra_id=None, email="ada@example.com")
    change = LeadChangeFactory(lead=by_address)
    by_id = LeadFactory(account=account, kartra_id="5", email="old@example.com")

    lead = take(account, facts(), lead=by_address, read_began_at=NOW + dt.timedelta(seconds=5)).lead

    assert lead.pk == by_id.pk
    assert Lead.objects.count() == 1
    assert LeadChange.objects.get(pk=change.pk).lead == by_id


def test_older_read_is_dropped():
    account = AccountFactory()
    take(account, facts(city="new"), read_began_at=NOW)
    lead = take(account, facts(city="old"), read_began_at=NOW - dt.timedelta(seconds=5)).lead
    lead.refresh_from_db()
    assert lead.city == "new"


def test_gone_is_a_mark_and_is_lifted_when_seen_alive():
    account = AccountFactory()
    lead = take(account, facts()).lead
    assert mirror.mark_gone(lead, "deleted", NOW, source="refresh") is True
    assert mirror.mark_gone(lead, "deleted", NOW, source="refresh") is False
    assert Activity.objects.filter(kind="gone").count() == 1
    assert take(account, facts()).lead.gone_at is None


def test_dirt_newer_than_the_read_stays():
    account = AccountFactory()
    lead = take(account, facts()).lead
    mirror.mark_dirty(lead, NOW)
    take(account, facts(), read_began_at=NOW - dt.timedelta(seconds=1))
    lead.refresh_from_db()
    assert lead.dirty_at == NOW
    take(account, facts(), read_began_at=NOW + dt.timedelta(seconds=1))
    lead.refresh_from_db()
    assert lead.dirty_at is None


@pytest.mark.parametrize(("write", "left"), [(mirror.set_tag, False), (mirror.set_list, True)])
def test_ties_are_set_once_and_told_once(write, left):
    """Of a list one can have left, even where nobody knew that it was joined."""
    lead = LeadFactory()
    results = [write(lead, "X", on, source="webhook", at=NOW) for on in (False, False, True, True, False, False)]
    assert results == [left, False, True, False, True, False]
    assert Activity.objects.count() == sum(results)


def test_catalogue_marks_what_is_missing_and_forgives_its_return():
    account = AccountFactory()
    mirror.set_catalogue(account, Tag, ["a", "b"], NOW)
    mirror.set_catalogue(account, Tag, ["b"], NOW)
    assert Tag.objects.get(name="a").missing_since == NOW
    mirror.set_catalogue(account, Tag, ["a", "b"], NOW)
    assert Tag.objects.get(name="a").missing_since is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"kartra_id": "", "email": "x@example.com"},
        {"kartra_id": None, "email": ""},
        {"kartra_id": "5", "gone_at": NOW},
        {"kartra_id": "5", "gone_reason": "deleted"},
    ],
)
def test_what_must_never_be_false_is_a_constraint(wrong):
    with pytest.raises(IntegrityError), transaction.atomic():
        LeadFactory(**wrong)


def test_one_id_and_one_unclaimed_address_an_account():
    lead = LeadFactory(kartra_id="5", email="a@example.com")
    with pytest.raises(IntegrityError), transaction.atomic():
        LeadFactory(account=lead.account, kartra_id="5")
    LeadFactory(account=lead.account, kartra_id=None, email="a@example.com")
    with pytest.raises(IntegrityError), transaction.atomic():
        LeadFactory(account=lead.account, kartra_id=None, email=" A@example.com")


def test_comparing_writes_nothing():
    account = AccountFactory()
    lead = take(account, LeadFacts("5", {"email": "a@example.com", "city": "Bend"}, tags=frozenset({"VIP"}))).lead
    found = mirror.compare(lead, LeadFacts("5", {"city": "Salem"}, tags=frozenset()))
    assert {d.field for d in found} == {"city", "tag VIP"}
    assert LeadTag.objects.count() == 1
    assert mirror.compare(None, facts())[0].field == "lead"
