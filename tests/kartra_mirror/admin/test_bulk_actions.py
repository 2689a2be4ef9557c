"""From a selection to a run: the draft, the preview, the start, and who may."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from leads.models import BulkRun, LeadChange, LeadTag, RunDraft
from tests.factories import AccountFactory, ConnectionFactory, LeadFactory, StaffFactory, TagFactory

pytestmark = pytest.mark.django_db

LEADS = "/admin/leads/lead/"


@pytest.fixture
def staff(client):
    client.user = StaffFactory(is_superuser=True)
    client.force_login(client.user)
    return client


@pytest.fixture
def account(db):
    account = ConnectionFactory(sending="on").account
    TagFactory(account=account, name="VIP")
    return account


def choose(client, leads=(), *, everything=False, query="", kind="assign_tag"):
    """The drop-down action, as the browser sends it."""
    given = {
        "action": kind,
        "_selected_action": [lead.pk for lead in leads],
        "select_across": "1" if everything else "0",
        "index": "0",
    }
    answer = client.post(f"{LEADS}{query}", given)
    assert answer.status_code == 302, answer.content[:300]
    return answer.url


def preview(client, url, **given):
    client.post(url, {"do": "preview", "tag": "VIP", **given})
    return client.get(url).context["preview"]


def test_chosen_leads_become_a_run(staff, account):
    chosen = LeadFactory.create_batch(3, account=account)
    LeadFactory.create_batch(2, account=account)
    url = choose(staff, chosen)

    shown = preview(staff, url, why="Spring offer")
    answer = staff.post(url, {"do": "start", "mark": shown["mark"]})

    run = BulkRun.objects.get()
    assert answer.url == LEADS.rstrip("?")
    assert (run.why, run.expected, run.created_by, run.changes.count()) == ("Spring offer", 3, staff.user, 3)
    assert "Watch it" in staff.get(answer.url).content.decode()


def test_select_all_is_kept_as_the_lists_query_however_many(staff, account):
    leads = LeadFactory.create_batch(1200, account=account, country="Spain")
    LeadFactory.create_batch(5, account=account, country="Japan")
    url = choose(staff, leads[:50], everything=True, query="?country=Spain")

    shown = preview(staff, url)
    staff.post(url, {"do": "start", "mark": shown["mark"]})

    assert (shown["counted"].total, BulkRun.objects.get().changes.count()) == (1200, 1200)
    assert RunDraft.objects.get().selection == {"query": "country=Spain"}


def test_preview_counts_what_is_already_so_and_gone(staff, account, settings):
    from django.utils import timezone

    tagged, gone, free = LeadFactory.create_batch(3, account=account)
    LeadTag.objects.create(lead=tagged, tag=account.tags.get(), since=timezone.now(), source="refresh")
    gone.gone_at, gone.gone_reason = timezone.now(), "deleted"
    gone.save()
    shown = preview(staff, choose(staff, [tagged, gone, free]))

    counted = shown["counted"]
    assert (counted.total, counted.will_change, counted.already_so, counted.gone) == (3, 1, 1, 1)


def test_starting_twice_makes_one_run(staff, account):
    url = choose(staff, LeadFactory.create_batch(2, account=account))
    shown = preview(staff, url)

    for _ in range(2):
        staff.post(url, {"do": "start", "mark": shown["mark"]})

    assert BulkRun.objects.count() == 1
    assert staff.get(url).url == BulkRun.objects.get().get_absolute_url()


def test_changed_selection_is_said_and_asked_again(staff, account):
    leads = LeadFactory.create_batch(2, account=account)
    url = choose(staff, leads, everything=True)
    shown = preview(staff, url)
    LeadFactory(account=account)

    answer = staff.post(url, {"do": "start", "mark": shown["mark"]}, follow=True)

    assert not BulkRun.objects.exists()
    assert "now 3 of 3 would change" in answer.content.decode()


def test_opening_the_page_changes_nothing(staff, account):
    url = choose(staff, LeadFactory.create_batch(1, account=account))
    before = RunDraft.objects.values().get()

    staff.get(url)

    assert RunDraft.objects.values().get() == before
    assert not LeadChange.objects.exists()


def test_another_persons_draft_is_not_found(staff, account, client):
    url = choose(staff, LeadFactory.create_batch(1, account=account))
    client.force_login(StaffFactory(is_superuser=True))

    assert client.get(url).status_code == 404


def test_leads_of_two_accounts_are_refused_with_the_reason(staff, account):
    leads = [LeadFactory(account=account), LeadFactory(account=AccountFactory())]
    answer = staff.get(choose(staff, leads), follow=True)

    assert "more than one account" in answer.content.decode()


def test_without_the_permission_there_is_no_action_and_the_page_is_403(client, account):
    lead = LeadFactory(account=account)
    user = StaffFactory()
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_lead", "unassign_tag", "start_bulkrun"]))
    client.force_login(user)

    page = client.get(LEADS).content.decode()

    assert 'value="unassign_tag"' in page
    assert 'value="assign_tag"' not in page
    assert client.post(reverse("admin:leads_lead_prepare", args=[lead.pk, "assign_tag"])).status_code == 403
    draft = RunDraft.objects.create(created_by=user, kind="assign_tag", selection={"query": "", "ids": [lead.pk]})
    assert client.get(draft.get_absolute_url()).status_code == 403


@pytest.mark.parametrize("tag", ["", "nope", "vip", "VIP ", "x" * 10_000, "<script>", "\x00", "‮VIP"])
def test_a_tag_that_is_not_in_the_catalogue_is_refused_in_words(staff, account, tag):
    url = choose(staff, LeadFactory.create_batch(1, account=account))

    answer = staff.post(url, {"do": "preview", "tag": tag})

    assert answer.status_code == 200
    assert answer.context["form"].errors["tag"]
    assert RunDraft.objects.get().parameters == {}


def test_one_lead_goes_the_same_way(staff, account):
    lead = LeadFactory(account=account)
    url = staff.post(reverse("admin:leads_lead_prepare", args=[lead.pk, "assign_tag"])).url
    shown = preview(staff, url)

    staff.post(url, {"do": "start", "mark": shown["mark"]})

    assert LeadChange.objects.get().lead == lead


def test_page_says_why_nothing_is_sent(staff, account):
    account.connection.sending = "look_only"
    account.connection.save()

    shown = preview(staff, choose(staff, LeadFactory.create_batch(1, account=account)))

    assert "look-only" in shown["why_not"]
