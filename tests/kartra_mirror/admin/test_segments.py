"""The leads list with its filters, and filters saved as segments."""

import json

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from leads.models import BulkRun, LeadTag, ListSubscription, RunDraft, Segment, StaffLimits
from tests.factories import AccountFactory, ConnectionFactory, LeadFactory, MailingListFactory, StaffFactory, TagFactory
from tests.kartra_mirror.admin.test_bulk_actions import preview

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
    LeadFactory.create_batch(3, account=account, country="Spain")
    LeadFactory.create_batch(2, account=account, country="Japan")
    return account


def listed(client, query):
    return {lead.country for lead in client.get(f"{LEADS}{query}").context["cl"].result_list}


def test_list_is_filtered_by_several_values_and_says_by_what(staff, account):
    tagged = account.leads.filter(country="Spain").first()
    LeadTag.objects.create(lead=tagged, tag=account.tags.get(), since=timezone.now(), source="refresh")

    both = staff.get(f"{LEADS}?country=Spain&country=Japan&not_tag={account.tags.get().pk}")

    assert both.context["cl"].result_count == 4
    text = both.content.decode()
    assert "from Japan or Spain" in text or "from Spain or Japan" in text
    assert "not: has the tag VIP" in text
    assert listed(staff, "?not_country=Spain") == {"Japan"}


def test_filter_that_cannot_be_read_lists_nobody(staff, account):
    assert listed(staff, "?score_min=lots") == set()


def test_search_that_finds_nobody_offers_to_ask_kartra(staff, account):
    text = staff.get(f"{LEADS}?q=nobody@example.com").content.decode()

    assert f"{reverse('admin:leads_lead_find')}?q=nobody%40example.com" in text


def test_list_with_its_filters_costs_the_same_for_more_rows(staff, account, django_assert_max_num_queries):
    tag = account.tags.get()
    url = f"{LEADS}?country=Spain&not_list=1"
    staff.get(url)
    with django_assert_max_num_queries(40) as few:
        staff.get(url)
    for lead in LeadFactory.create_batch(30, account=account, country="Spain"):
        LeadTag.objects.create(lead=lead, tag=tag, since=timezone.now(), source="refresh")

    with django_assert_max_num_queries(len(few.captured_queries) + 1):
        staff.get(url)


def save(client, query, name="Spaniards", **more):
    return client.post(reverse("admin:leads_segment_save"), {"query": query, "name": name, **more})


def test_filter_is_saved_under_a_name_and_opened_from_it(staff, account):
    answer = save(staff, "country=Spain&p=2&o=1&q=lind")

    segment = Segment.objects.get()
    assert (segment.name, segment.account, segment.created_by) == ("Spaniards", account, staff.user)
    assert segment.conditions == {"country": ["Spain"], "q": ["lind"]}
    assert listed(staff, answer.url.removeprefix(LEADS)) == {"Spain"}
    page = staff.get(segment.get_absolute_url()).content.decode()
    assert "<strong>3</strong> leads" in page
    assert "from Spain" in page


def test_taken_name_is_said_and_replaced_only_when_asked(staff, account):
    save(staff, "country=Spain")

    again = save(staff, "country=Japan", name="spaniards")
    assert "There is a segment of this name" in again.content.decode()
    assert Segment.objects.get().conditions == {"country": ["Spain"]}
    save(staff, "country=Japan", name="spaniards", replace="on")

    assert Segment.objects.get().conditions == {"country": ["Japan"]}


def test_with_several_accounts_the_account_is_asked_for(staff, account):
    other = AccountFactory(name="Other")

    page = staff.get(f"{reverse('admin:leads_segment_save')}?query=country%3DSpain").content.decode()
    assert "Other" in page
    save(staff, "country=Spain", account=other.pk)
    save(staff, f"country=Spain&account={account.pk}", name="Mine")

    assert dict(Segment.objects.values_list("name", "account")) == {"Spaniards": other.pk, "Mine": account.pk}


def test_segment_is_shared_but_changed_and_deleted_by_its_author_or_with_permission(client, account):
    segment = Segment.objects.create(
        account=account, name="Spain", conditions={"country": ["Spain"]}, created_by=StaffFactory()
    )
    other = StaffFactory()
    other.user_permissions.set(Permission.objects.filter(codename__in=["view_lead", "view_segment"]))
    client.force_login(other)

    page = client.get(segment.get_absolute_url())
    assert page.status_code == 200
    assert "Delete this segment" not in page.content.decode()
    do = [reverse("admin:leads_segment_do", args=[segment.pk, what]) for what in ("delete", "rename")]
    assert [client.post(url, {"name": "x"}).status_code for url in do] == [403, 403]
    assert save(client, "country=Spain").status_code == 403
    client.force_login(segment.created_by)
    segment.created_by.user_permissions.set(Permission.objects.filter(codename="view_segment"))
    client.post(do[1], {"name": "Iberia"})
    assert Segment.objects.get().name == "Iberia"
    client.post(do[0])
    assert not Segment.objects.exists()


def test_bulk_action_starts_from_a_segment(staff, account):
    segment = Segment.objects.create(account=account, name="Spain", conditions={"country": ["Spain"]})

    draft = staff.post(reverse("admin:leads_segment_do", args=[segment.pk, "start"]), {"kind": "assign_tag"}).url
    shown = preview(staff, draft)
    staff.post(draft, {"do": "start", "mark": shown["mark"]})

    assert RunDraft.objects.get().selection == {"query": f"segment={segment.pk}"}
    assert set(BulkRun.objects.get().changes.values_list("lead__country", flat=True)) == {"Spain"}


def test_who_may_start_none_is_offered_none_on_a_segment(client, account):
    segment = Segment.objects.create(account=account, name="Spain", conditions={"country": ["Spain"]})
    for group, offered in (("Support", False), ("Marketer", True)):
        user = StaffFactory()
        user.groups.add(Group.objects.get(name=group))
        client.force_login(user)
        assert (
            "Start a bulk action on all of them" in client.get(segment.get_absolute_url()).content.decode()
        ) is offered


def test_change_takes_a_segment_by_name(account, capsys):
    Segment.objects.create(account=account, name="Spain", conditions={"country": ["Spain"]})

    call_command("change", "assign_tag", "--set", "tag=VIP", "--segment", "spain")

    assert set(BulkRun.objects.get().changes.values_list("lead__country", flat=True)) == {"Spain"}
    with pytest.raises(CommandError, match=r"no segment called Peru. There are: Spain\."):
        call_command("change", "assign_tag", "--set", "tag=VIP", "--segment", "Peru")


def test_one_who_works_in_one_account_sees_no_names_of_another(client, account):
    other = ConnectionFactory().account
    TagFactory(account=other, name="theirs alone")
    LeadFactory(account=other, country="Peru")
    Segment.objects.create(account=other, name="their segment", conditions={"country": ["Peru"]})
    user = StaffFactory()
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_lead", "view_segment", "add_segment"]))
    StaffLimits.objects.create(user=user, limited=True).accounts.add(account)
    client.force_login(user)

    text = client.get(f"{LEADS}?country=Spain").content.decode()

    assert "VIP" in text
    assert not any(secret in text for secret in ("theirs alone", "Peru", "their segment"))
    assert save(client, "country=Spain").status_code == 302
    assert Segment.objects.get(name="Spaniards").account == account


def test_change_leaves_out_who_left_the_list_unless_it_is_said(account, capsys):
    lead = account.leads.first()
    news = MailingListFactory(account=account, name="News")
    ListSubscription.objects.create(lead=lead, mailing_list=news, active=False, since=timezone.now(), source="webhook")
    given = ["change", "subscribe_list", "--set", "list=News", "--all", "--dry-run"]

    call_command(*given)
    assert "1 who left the list themselves, left out (--include-left adds them again)" in capsys.readouterr().out
    call_command(*given, "--include-left", "--json")
    assert json.loads(capsys.readouterr().out)["will_change"] == 5
