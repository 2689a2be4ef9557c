"""A watched segment: leads that have the tag "buyer", and the recipe that is started for them."""

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from leads import mirror, watching
from leads.models import LeadTag, Watch
from leads.watching import looking
from leads.watching.looking import WHOLE_APART
from tests.factories import AccountFactory, LeadFactory, RecipeFactory, SegmentFactory, StaffFactory, TagFactory


@pytest.fixture
def account(db):
    return AccountFactory()


@pytest.fixture
def owner(db):
    owner = StaffFactory(email="mara@example.com")
    owner.groups.add(Group.objects.get(name="Marketer"))
    return owner


@pytest.fixture
def tags(account):
    return {name: TagFactory(account=account, name=name) for name in ("buyer", "welcomed", "asked")}


@pytest.fixture
def segment(account, tags):
    return SegmentFactory(account=account, name="Buyers", conditions={"tag": [str(tags["buyer"].pk)]})


@pytest.fixture
def recipe(account, tags):
    return RecipeFactory(account=account, name="Welcome", steps=[["assign_tag", {"tag": "welcomed"}]])


@pytest.fixture
def watch(segment, owner, recipe):
    """Watched, and filled in."""
    return looked(watching.set_watch(segment, owner=owner, recipe=recipe, by_notice=True))


def looked(watch, at=None):
    """The watch after a look at all leads of the account, as there is one every day."""
    at = at or timezone.now()
    Watch.objects.filter(pk=watch.pk, whole_at__isnull=False).update(whole_at=at - WHOLE_APART)
    looking.look(fresh(watch), at)
    return fresh(watch)


def fresh(watch):
    return Watch.objects.select_related("segment__account", "recipe__account", "owner").get(pk=watch.pk)


def tagged(account, name="buyer", number=1):
    """New leads that get the tag by a message."""
    leads = LeadFactory.create_batch(number, account=account)
    for lead in leads:
        mirror.set_tag(lead, name, True, source="webhook", at=timezone.now())
    return leads


def untag(lead, name="buyer"):
    mirror.set_tag(lead, name, False, source="webhook", at=timezone.now())


def tag(lead, name="buyer"):
    mirror.set_tag(lead, name, True, source="webhook", at=timezone.now())


def tag_unseen(lead, name="buyer"):
    """By a row that does not say that the lead changed."""
    LeadTag.objects.create(lead=lead, tag=lead.account.tags.get(name=name), since=timezone.now(), source="refresh")
