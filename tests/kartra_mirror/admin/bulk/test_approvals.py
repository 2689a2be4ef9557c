"""Bulk actions over the bound of a group: a manager is asked, and says yes or no to what they have seen."""

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from leads.models import BulkRun, RunDraft
from tests.factories import LeadFactory, StaffFactory, TagFactory
from tests.kartra_mirror.admin.drafts import choose, preview

pytestmark = pytest.mark.django_db


@pytest.fixture
def marketer(db):
    user = StaffFactory(username="mia")
    group = Group.objects.get(name="Marketer")
    group.limits.largest_run = 2
    group.limits.save()
    user.groups.add(group)
    return user


@pytest.fixture
def manager(db):
    user = StaffFactory(username="max")
    user.groups.add(Group.objects.get(name="Manager"))
    return user


def test_who_may_start_none_is_offered_no_trial(client, account):
    supporter = StaffFactory()
    supporter.groups.add(Group.objects.get(name="Support"))
    client.force_login(supporter)
    LeadFactory.create_batch(11, account=account)
    draft = RunDraft.objects.create(
        created_by=supporter, kind="assign_tag", selection={"version": 1, "leads": {"everybody": True}}
    )
    preview(client, draft.get_absolute_url())

    text = client.get(draft.get_absolute_url()).content.decode()

    assert "Ask a manager to start it" in text
    assert 'value="try"' not in text


def asked(client, account, marketer):
    leads = LeadFactory.create_batch(3, account=account)
    client.force_login(marketer)
    url = choose(client, leads[:1], everything=True)
    shown = preview(client, url, why="Spring")
    assert "Ask a manager to start it" in client.get(url).content.decode()
    client.post(url, {"do": "start", "mark": shown["mark"]})
    assert not BulkRun.objects.exists()
    client.post(url, {"do": "ask"})
    return url


def test_over_their_size_a_manager_is_asked_and_starts_it(client, account, marketer, manager):
    url = asked(client, account, marketer)
    client.force_login(manager)
    page = " ".join(client.get(reverse("admin:approvals")).content.decode().split())
    assert '<td class="num">3</td> <td class="soft">mia · ' in page
    assert "bulk action needs your approval" in client.get(reverse("admin:index")).content.decode()
    page = client.get(url)

    assert "mia asks you to start this bulk action: Spring" in " ".join(page.content.decode().split())
    assert client.post(url, {"do": "preview", "tag": "VIP"}).status_code == 403
    client.post(url, {"do": "start", "mark": page.context["preview"]["mark"]})

    run = BulkRun.objects.get()
    assert (run.created_by, run.approved_by, run.changes.count()) == (marketer, manager, 3)
    assert url not in client.get(reverse("admin:leads_bulkrun_changelist")).content.decode()


def test_a_manager_refuses_with_a_reason_and_it_can_be_asked_again(client, account, marketer, manager):
    url = asked(client, account, marketer)
    client.force_login(manager)
    client.post(url, {"do": "refuse", "refused_why": "Too many mails this week"})

    client.force_login(marketer)
    assert "Too many mails this week" in client.get(url).content.decode()
    preview(client, url)
    client.post(url, {"do": "ask"})
    assert RunDraft.objects.asked_for().count() == 1


def test_nobody_without_the_permission_sees_or_starts_anothers(client, account, marketer):
    url = asked(client, account, marketer)
    other = StaffFactory()
    other.groups.add(Group.objects.get(name="Marketer"))
    client.force_login(other)

    assert client.get(url).status_code == 404
    assert client.post(url, {"do": "start"}).status_code == 404


def test_a_manager_starts_only_what_they_have_seen(client, account, marketer, manager):
    url = asked(client, account, marketer)
    TagFactory(account=account, name="Spam")
    client.force_login(manager)
    seen = client.get(url).context["preview"]["mark"]
    client.force_login(marketer)
    preview(client, url, tag="Spam")
    client.post(url, {"do": "ask"})
    client.force_login(manager)

    client.post(url, {"do": "start", "mark": seen})

    assert not BulkRun.objects.exists()
