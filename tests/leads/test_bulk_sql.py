"""Many plain rows at once, alike on both databases."""

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from django.utils import timezone

from leads.bulk_sql import insert_new, insert_objects
from leads.models import Account, Lead, LeadEmail
from tests.factories import LeadFactory

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def leads(account, *ids):
    return [
        Lead(account=account, kartra_id=id, email=f"{id}@example.com", custom_values={"a": [["1", "é\t\\N"]]})
        for id in ids
    ]


def test_objects_are_inserted_whole_and_have_their_keys():
    made = leads(Account.objects.create(name="One"), "7", "8")
    made[0].date_joined, made[0].notes, made[0].blacklisted, made[0].score = NOW, 'a\tb\nc\\N "d"', False, 0

    insert_objects(made)

    for each in made:
        stored = Lead.objects.get(pk=each.pk)
        assert {f.attname: getattr(stored, f.attname) for f in Lead._meta.concrete_fields} == {
            f.attname: getattr(each, f.attname) for f in Lead._meta.concrete_fields
        }
        each.save()  # an update, not a second row
    assert Lead.objects.count() == 2


def test_object_that_a_constraint_refuses_leaves_none():
    lead = LeadFactory(kartra_id="8")

    with pytest.raises(IntegrityError), transaction.atomic():
        insert_objects(leads(lead.account, "7", "8"))

    assert list(Lead.objects.all()) == [lead]


def test_new_rows_alone_are_returned_in_their_order():
    lead = LeadFactory(email="b@example.com")
    rows = [(lead.pk, f"{name}@example.com", f"{name}@example.com", NOW) for name in ("c", "a", "c")]
    columns = ["lead", "email", "email_key", "since"]

    assert insert_new(LeadEmail, columns, rows, returning=["email"]) == [("c@example.com",), ("a@example.com",)]
    assert insert_new(LeadEmail, columns, rows, returning=["email"]) == []
    assert insert_new(LeadEmail, columns, []) == []


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite bounds no text")
def test_text_that_is_too_long_is_refused_and_not_cut():
    lead = LeadFactory()

    with pytest.raises(DataError), transaction.atomic():
        insert_new(LeadEmail, ["lead", "email", "email_key", "since"], [(lead.pk, "a", "a" * 321, NOW)])
