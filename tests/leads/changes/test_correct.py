"""A failed change is corrected, tried again or dismissed once: whoever is first does it, and the other hears so."""

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone

from leads import kinds
from leads.changes import correct, retry
from leads.models import LeadChange
from tests.beside import Beside, on_postgresql
from tests.factories import LeadChangeFactory, LeadFactory, StaffFactory
from tests.two_sources import waits_or_is_over


def refused(**more):
    return LeadChangeFactory(status="rejected", code="212", settled_at=timezone.now(), **more)


@pytest.mark.django_db
def test_a_correction_records_another_change_and_closes_the_failed_one():
    ada = StaffFactory(username="ada", is_superuser=True)
    failed = refused(parameters={"tag": "VPI"})
    failed.account.tags.create(name="VIP")

    [change] = correct.correct(failed, {"tag": "VIP"}, by=ada, why="a slip")

    failed.refresh_from_db()
    assert (failed.closed_by, failed.closed_at is not None, failed.retried_in) == (ada, True, None)
    assert (change.parameters, change.status, change.why) == ({"tag": "VIP"}, "waiting", "a slip")
    assert list(failed.retries.all()) == [change]
    assert "ada asked for it again on" in correct.dealt_with(failed)
    assert "Assign the tag VIP" in correct.dealt_with(failed)


@pytest.mark.django_db
def test_what_may_not_be_recorded_leaves_the_failed_change_open():
    failed = refused(parameters={"tag": "VPI"})

    with pytest.raises(kinds.BadParameters):
        correct.correct(failed, {"tag": "nowhere"})

    assert LeadChange.objects.failed().get() == failed
    assert LeadChange.objects.count() == 1


@pytest.mark.django_db
def test_money_is_not_asked_for_again_by_a_correction():
    failed = refused(kind="refund_transaction", parameters={"transaction": "1", "amount": "5.00"}, family="sale:1")

    with pytest.raises(correct.CannotRecord, match="money"):
        correct.correct(failed, failed.parameters)

    assert LeadChange.objects.failed().exists()


@pytest.mark.django_db
def test_an_edit_is_corrected_against_what_the_field_holds_now():
    failed = refused(
        lead=LeadFactory(city="Porto"), kind="update_lead", parameters={"city": "Lisbn"}, family="profile", baseline={}
    )

    [change] = correct.correct(failed, {"city": "Lisbon"})

    assert (change.parameters, change.baseline) == ({"city": "Lisbon"}, {"city": ["Porto"]})


@pytest.mark.django_db
def test_a_creation_is_corrected_with_another_address():
    failed = refused(
        lead=LeadFactory(email="ada@exmple.com", kartra_id=None),
        kind="create_lead",
        parameters={"email": "ada@exmple.com"},
        family="profile",
    )

    [change] = correct.correct(failed, {"email": "ada@example.com"})

    assert (change.lead.email, change.kind) == ("ada@example.com", "create_lead")
    assert not LeadChange.objects.failed().exists()


@pytest.mark.django_db
def test_own_failed_changes_are_dismissed_without_the_right_to_decide():
    clerk = StaffFactory()
    clerk.groups.add(Group.objects.get(name="Support"))
    own, other = refused(requested_by=clerk), refused()

    assert list(correct.may_dismiss(LeadChange.objects.failed(), clerk)) == [own]
    manager = StaffFactory()
    manager.groups.add(Group.objects.get(name="Manager"))
    assert set(correct.may_dismiss(LeadChange.objects.failed(), manager)) == {own, other}


@pytest.mark.django_db
def test_dealing_with_it_twice_says_what_was_done():
    ada = StaffFactory(username="ada")
    failed = refused()
    correct.dismiss(failed, by=ada, why="Not wanted any more.")

    for again in (lambda: correct.dismiss(failed), lambda: correct.correct(failed, failed.parameters)):
        with pytest.raises(correct.DealtWith, match=r"ada dismissed it on .*: Not wanted any more\."):
            again()
    assert LeadChange.objects.count() == 1


WAYS = {
    "correct": lambda failed: correct.correct(failed, failed.parameters),
    "dismiss": lambda failed: correct.dismiss(failed, why="Not wanted."),
    "retry the group": lambda failed: retry.retry(failed.account, LeadChange.objects.filter(pk=failed.pk)),
    "close the group": lambda failed: retry.close(LeadChange.objects.filter(pk=failed.pk), why="Not wanted."),
}


def said(way, failed):
    """What came of it: the words of who was too late, the number closed, or nothing."""
    try:
        return WAYS[way](failed)
    except correct.CannotRecord as problem:
        return str(problem)


@on_postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("first", "second", "heard"),
    [
        ("correct", "dismiss", "asked for it again"),
        ("dismiss", "correct", "dismissed it"),
        ("correct", "correct", "asked for it again"),
        ("correct", "close the group", 0),
        ("close the group", "correct", "dismissed it"),
        ("correct", "retry the group", "Nothing is left to try again"),
        ("retry the group", "correct", "in the bulk action"),
        ("dismiss", "close the group", 0),
    ],
)
def test_of_two_at_once_the_first_deals_with_it_and_the_other_hears_so(first, second, heard):
    failed = refused(kind="give_points", parameters={"points": 5}, family="points")
    later = Beside(lambda: said(second, LeadChange.objects.get(pk=failed.pk)))

    with transaction.atomic():
        WAYS[first](failed)
        later.begin()
        waits_or_is_over(later.pid, later)
    answer = later.end()

    assert heard in answer if isinstance(heard, str) else answer == heard
    failed.refresh_from_db()
    by_first = {"correct": (False, ""), "dismiss": (False, "Not wanted."), "close the group": (False, "Not wanted.")}
    assert (failed.retried_in is not None, failed.closed_why) == by_first.get(first, (True, ""))
    assert LeadChange.objects.count() == (1 if first in ("dismiss", "close the group") else 2)
