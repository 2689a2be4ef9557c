"""Reads that tell nothing new are noted together; anything else is taken in as ever."""

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.models import ApiCall
from integrations.read import refresh
from leads.models import Activity, Lead, LeadTag

pytestmark = pytest.mark.django_db


@pytest.fixture
def leads(sandbox, connection):
    """Twenty leads whose copy is what Kartra has."""
    made = [sandbox.mirrored_lead(connection, f"lead{n}@example.com") for n in range(20)]
    refresh.read_many(connection, made)
    ApiCall.objects.all().delete()
    Activity.objects.all().delete()
    return list(Lead.objects.order_by("pk"))


def test_statements_of_a_read_do_not_grow_with_what_is_unchanged(connection, leads, settings):
    settings.REFRESH_READERS = 20
    with CaptureQueriesContext(database) as captured:
        assert refresh.read_many(connection, leads) == (20, None)

    assert len(captured) < 5 * 20
    assert ApiCall.objects.count() == 20
    assert not Activity.objects.exists()


def test_unchanged_lead_is_read_from_then_on_and_no_dirt_of_before_is_left(connection, leads):
    Lead.objects.update(dirty_at=timezone.now(), said_deleted_at=timezone.now(), read_not_before=timezone.now())
    before = dict(Lead.objects.values_list("pk", "changed_seq"))
    began_at = timezone.now()

    refresh.read_many(connection, leads)

    assert not Lead.objects.exclude(dirty_at=None, said_deleted_at=None, read_not_before=None).exists()
    assert not Lead.objects.filter(read_at__lt=began_at).exists()
    assert dict(Lead.objects.values_list("pk", "changed_seq")) == before


@pytest.mark.parametrize(
    ("act", "given", "field"),
    [
        ("assign_tag", {"tag": "VIP"}, "tag VIP"),
        ("subscribe_list", {"list": "Buyers"}, "list Buyers"),
        ("start_sequence", {"sequence": "Welcome series"}, "sequence Welcome series"),
        ("grant_membership", {"membership": "Trail Club", "level": "Gold"}, "membership Trail Club: Gold"),
        ("edit_lead", {"fields": {"city": "Bend"}}, "city"),
    ],
)
def test_lead_that_was_changed_is_told_among_those_that_were_not(sandbox, connection, leads, act, given, field):
    sandbox.act(act, lead=leads[3].kartra_id, **given)

    refresh.read_many(connection, leads)

    assert list(Activity.objects.values_list("lead", "details__field")) == [(leads[3].pk, field)]


def test_tie_that_only_our_copy_has_is_taken_off(connection, leads):
    tag = connection.account.tags.get(name="VIP")
    LeadTag.objects.create(lead=leads[0], tag=tag, since=timezone.now(), source="refresh")

    refresh.read_many(connection, leads)

    assert not LeadTag.objects.exists()


def test_lead_that_a_call_of_ours_has_just_touched_is_not_counted_as_read(connection, leads):
    at = timezone.now()
    ApiCall.objects.create(
        connection=connection,
        lead=leads[0],
        cause="push",
        writes=True,
        commands="assign_tag",
        claimed_at=at,
        sent_at=at,
        lease_until=at,
    )
    read_at = leads[0].read_at

    refresh.read_many(connection, leads)

    leads[0].refresh_from_db()
    assert leads[0].read_at == read_at
    assert leads[0].dirty_at is not None
