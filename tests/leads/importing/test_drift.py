"""What an export tells otherwise than our copy is written down, as what a read finds is."""

import pytest
from django.utils import timezone

from leads.models import Activity, LeadTag, ListSubscription, MailingList, Tag
from tests.factories import AccountFactory, LeadFactory
from tests.files import loaded

pytestmark = pytest.mark.django_db

READ_AT = "2026-01-01T00:00:00Z"


def told():
    rows = Activity.objects.filter(kind="changed_in_kartra").order_by("pk")
    return [(row.details["field"], row.details["was"], row.details["is"]) for row in rows]


def test_differences_of_an_import_are_told_with_source_and_time():
    lead = LeadFactory(
        account=AccountFactory(),
        kartra_id="5",
        email="ada@example.com",
        city="Bend",
        read_at=READ_AT,
        first_name="Ada",
        custom_values={"size": [["611", "Large"]], "ref": "A"},
    )
    LeadTag.objects.create(
        lead=lead, tag=Tag.objects.create(account=lead.account, name="VIP"), since=timezone.now(), source="push"
    )
    buyers = MailingList.objects.create(account=lead.account, name="Buyers")
    ListSubscription.objects.create(lead=lead, mailing_list=buyers, active=False, since=timezone.now(), source="push")
    text = (
        "id,email,first_name,city,instagram,tags,lists,custom.size,custom.ref\n"
        "5,ada@example.net,Ada,Salem,@ada,VIP;cold,Buyers;Partners,Large,B\n"
    )

    custom = {"custom.size": "custom.size", "custom.ref": "custom.ref"}

    loaded(lead.account, text, custom)

    assert told() == [
        ("email", "ada@example.com", "ada@example.net"),
        ("city", "Bend", "Salem"),
        ("custom.ref", "A", "B"),
        ("tag cold", False, True),
        ("list Partners", False, True),
    ]
    row = Activity.objects.filter(kind="changed_in_kartra").first()
    assert (row.source, row.between_from.isoformat()) == ("import", "2026-01-01T00:00:00+00:00")
    loaded(lead.account, text, custom)
    assert len(told()) == 5


def test_first_word_on_a_lead_is_no_change():
    account = AccountFactory()
    LeadFactory(account=account, kartra_id="5", email="ada@example.com", city="Bend", read_at=None)
    loaded(account, "id,email,city,tags\n5,ada@example.com,Salem,VIP\n6,bo@example.com,Bonn,VIP\n")
    assert told() == []


def test_dry_run_tells_nothing():
    lead = LeadFactory(kartra_id="5", email="ada@example.com", city="Bend", read_at=READ_AT)
    loaded(lead.account, "id,email,city\n5,ada@example.com,Salem\n", dry_run=True)
    assert told() == []
