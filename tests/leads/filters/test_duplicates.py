"""Likely second profiles of a lead: who, and why."""

import pytest
from django.utils import timezone

from leads.filters import duplicates
from leads.models import GoneReason, LeadEmail
from tests.factories import AccountFactory, LeadFactory

pytestmark = pytest.mark.django_db


def found(lead):
    return {each.lead: str(each.why) for each in duplicates.likely(lead)}


def had(lead, email):
    now = timezone.now()
    LeadEmail.objects.create(lead=lead, email=email, email_key=email.lower(), since=now, until=now)


def test_phone_and_addresses_now_and_before_tell_the_same_person():
    account = AccountFactory()
    lead = LeadFactory(account=account, email="Ada@Example.com", phone="5551")
    phone = LeadFactory(account=account, phone="5551")
    address = LeadFactory(account=account, email="ada@example.com")
    had_ours, has_our_old = LeadFactory(account=account), LeadFactory(account=account, email="old@example.com")
    had(had_ours, "ada@example.com")
    had(lead, "old@example.com")
    LeadFactory(account=account)
    LeadFactory(phone="5551", email="ada@example.com")  # of another account
    LeadFactory(account=account, phone="5551", gone_at=timezone.now(), gone_reason=GoneReason.DELETED)

    assert found(lead) == {
        address: "the same address",
        has_our_old: "has an address that this lead had",
        phone: "the same phone number",
        had_ours: "had an address of this lead's",
    }


def test_nothing_in_common_is_nobody():
    account = AccountFactory()
    lead = LeadFactory(account=account, email="", phone="")
    LeadFactory.create_batch(2, account=account, email="", phone="")

    assert found(lead) == {}


def test_at_most_ten_and_three_queries(django_assert_num_queries):
    account = AccountFactory()
    lead = LeadFactory(account=account, phone="0")
    LeadFactory.create_batch(25, account=account, phone="0")

    with django_assert_num_queries(3):
        assert len(duplicates.likely(lead)) == duplicates.SHOWN
