"""People come in by messages of Kartra, and a recipe is started for each of them once."""

import json

import pytest
from django.core import mail
from django.db import connection as database
from django.utils import timezone

from integrations import push, receive, tasks
from integrations.models import Delivery
from integrations.watching import entering
from leads import watching
from leads.models import BulkRun, Lead, LeadChange, LeadTag, SegmentMember, Watch, WatchEntry
from leads.watching import looking
from tests.all_are_over import all_are_over
from tests.beside import Beside
from tests.factories import (
    LeadFactory,
    RecipeFactory,
    SegmentFactory,
    StaffFactory,
    TagFactory,
    WebhookEndpointFactory,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def watch(sandbox, connection):
    """Buyers get the tag greeted; their owner gets a mail."""
    account = connection.account
    tag = TagFactory(account=account, name="came by a trial")
    TagFactory(account=account, name="greeted")
    segment = SegmentFactory(account=account, name="Buyers", conditions={"tag": [str(tag.pk)]})
    recipe = RecipeFactory(account=account, name="Welcome", steps=[["assign_tag", {"tag": "greeted"}]])
    owner = StaffFactory(is_superuser=True, email="mara@example.com")
    watch = watching.set_watch(segment, owner=owner, recipe=recipe, by_mail=True)
    tasks.look_at_watch(watch.pk)
    return watch


def bought(endpoint, leads):
    """Kartra's messages that these got the tag, as they are stored."""
    at = timezone.now()
    Delivery.objects.bulk_create(
        Delivery(
            endpoint=endpoint,
            channel="outbound",
            received_at=at,
            body=(body := json.dumps(told(lead)).encode()),
            size=len(body),
            digest=f"{lead.pk:064x}",
        )
        for lead in leads
    )


def told(lead):
    who = {"id": lead.kartra_id, "email": lead.email}
    return {"action": "assign_tag", "action_details": {"tag": {"tag_name": "came by a trial"}}, "lead": who}


def test_500_who_enter_by_messages_are_each_acted_on_once(watch, connection, notified, settings):
    settings.MAIL_IS_SET_UP = True
    endpoint = WebhookEndpointFactory(connection=connection)
    leads = [LeadFactory.build(account=connection.account) for _ in range(500)]
    for lead in leads:
        lead.email_key = lead.email
    Lead.objects.bulk_create(leads)
    notified.clear()

    for first in range(0, 500, 100):
        bought(endpoint, leads[first : first + 100])
        receive.drain()
        if database.vendor == "postgresql":  # two workers at once, one of them while messages are still committed
            workers = [Beside(lambda: entering.work(watch.pk, until_s=8)) for _ in range(2)]
            for each in workers:
                each.begin()
            for each in workers:
                each.end()
        else:
            entering.work(watch.pk, until_s=8)
    all_are_over()
    entering.work(watch.pk, until_s=8)

    acted = list(LeadChange.objects.values_list("lead", flat=True))
    assert sorted(acted) == sorted(lead.pk for lead in leads)
    assert set(WatchEntry.objects.values_list("times", "waits")) == {(1, False)}
    assert SegmentMember.objects.count() == 500
    assert sum(sum(run.counts().values()) for run in BulkRun.objects.all()) == 500
    assert len(mail.outbox) == 1  # those who came a moment later are in the next
    assert "example.com" not in mail.outbox[0].body


def test_applied_messages_ring_and_the_recipe_is_carried_out_at_kartra(sandbox, watch, connection, notified):
    for name in ("came by a trial", "greeted"):
        sandbox.act("create_tag", name=name)
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    bought(WebhookEndpointFactory(connection=connection), [lead])
    Watch.objects.update(looked_at=None)

    tasks.apply_deliveries()
    assert ("look_at_watch", (watch.pk,)) in notified
    all_are_over()
    tasks.look_at_watch(watch.pk)
    push.drain(connection, until_s=2)

    assert LeadChange.objects.get().status == "accepted"
    assert LeadTag.objects.filter(lead=lead, tag__name="greeted").exists()
    assert "greeted" in str(sandbox.lead("ada@example.com"))


def test_who_enters_while_nothing_is_sent_waits(watch, connection):
    type(connection).objects.update(switched_on_at=None)
    lead = LeadFactory(account=connection.account)
    LeadTag.objects.create(
        lead=lead, tag=connection.account.tags.get(name="came by a trial"), since=timezone.now(), source="refresh"
    )
    Watch.objects.update(whole_at=timezone.now() - looking.WHOLE_APART)

    entering.work(watch.pk, until_s=8)

    assert WatchEntry.objects.get().waits
    assert not BulkRun.objects.exists()
    type(connection).objects.update(switched_on_at=timezone.now())
    entering.work(watch.pk, until_s=8)
    assert Lead.objects.get(changes__run__isnull=False) == lead
