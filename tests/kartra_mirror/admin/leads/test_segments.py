"""The leads list with its filters, and filters saved as segments."""

import json
import re

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from kartra_mirror.admin.leads.listing.segment_menu import sized
from leads.filters.choosing import MOST_CHOICES, MOST_OCCURRING
from leads.filters.segments import conditions_of
from leads.models import BulkRun, CustomField, LeadTag, ListSubscription, RunDraft, Segment, StaffLimits, Tag
from tests.factories import (
    AccountFactory,
    ConnectionFactory,
    LeadFactory,
    MailingListFactory,
    SegmentFactory,
    StaffFactory,
    TagFactory,
)
from tests.kartra_mirror.admin.drafts import LEADS, preview

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(account):
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
    url = f"{LEADS}?country=Spain&not_list={MailingListFactory(account=account).pk}"
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
    assert conditions_of(segment.selection) == {"country": ["Spain"], "q": ["lind"]}
    assert listed(staff, answer.url.removeprefix(LEADS)) == {"Spain"}
    page = staff.get(segment.get_absolute_url()).content.decode()
    assert "<strong>3</strong> leads" in page
    assert "from Spain" in page


def test_taken_name_is_said_and_replaced_only_when_asked(staff, account):
    save(staff, "country=Spain")

    again = save(staff, "country=Japan", name="spaniards")
    assert "There is a segment of this name" in again.content.decode()
    assert conditions_of(Segment.objects.get().selection) == {"country": ["Spain"]}
    save(staff, "country=Japan", name="spaniards", replace="on")

    assert conditions_of(Segment.objects.get().selection) == {"country": ["Japan"]}


def conditions():
    return {each.name: conditions_of(each.selection) for each in Segment.objects.all()}


def chain(account, **on):
    """Two more segments in a row: all but the given one, all but that."""
    [(name, below)] = on.items()
    built = SegmentFactory(account=account, name=f"not {name}", conditions={"not_segment": [str(below)]})
    far = SegmentFactory(account=account, name=f"not not {name}", conditions={"not_segment": [str(built.pk)]})
    return {"built": built.pk, "far": far.pk}


REFINED = {
    "a further condition": ("country=Spain", "segment={own}&score_max=50", {"country": ["Spain"], "score_max": ["50"]}),
    "leaving out": ("country=Spain", "segment={own}&not_country=Peru", {"country": ["Spain"], "not_country": ["Peru"]}),
    "the same again": ("country=Spain", "segment={own}&country=Spain", {"country": ["Spain"]}),
    "a search": ("country=Spain", "segment={own}&q=lind", {"country": ["Spain"], "q": ["lind"]}),
    "another segment in it": (
        "segment={other}",
        "segment={own}&score_max=50",
        {"segment": ["{other}"], "score_max": ["50"]},
    ),
    "another value of a condition": (
        "country=Spain",
        "segment={own}&country=Japan",
        "has a condition “Country” already",
    ),
    "another part of a condition": ("list={list}", "segment={own}&list_state=left", "has a condition “List” already"),
    "another search": ("q=ada", "segment={own}&q=lind", "has a condition “Search” already"),
    "itself or another": ("country=Spain", "segment={own}&segment={other}", "cannot be a part of itself"),
    "all but itself": ("country=Spain", "not_segment={own}", "cannot be a part of itself"),
    "what builds on it": ("country=Spain", "segment={built}", "cannot be a part of itself"),
    "all but what builds on it": ("country=Spain", "not_segment={built}", "cannot be a part of itself"),
    "what builds on what builds on it": ("country=Spain", "segment={far}", "cannot be a part of itself"),
    "another below what builds on it": ("country=Spain", "segment={own}&not_segment={other}", "At most 3 segments"),
}


@pytest.mark.parametrize("name", REFINED)
def test_segment_refined_under_its_own_name_holds_both_or_says_why_not(staff, account, name):
    before, query, wanted = REFINED[name]
    told = {"other": SegmentFactory(account=account, name="Other", conditions={"country": ["Japan"]}).pk}
    told["list"] = MailingListFactory(account=account).pk
    save(staff, before.format(**told))
    told["own"] = Segment.objects.get(name="Spaniards").pk
    kept = conditions()["Spaniards"]
    told |= chain(account, Spaniards=told["own"]) if "{other}" not in before else {}

    answer = save(staff, query.format(**told), replace="on")

    if isinstance(wanted, str):
        assert wanted in answer.content.decode()
        assert conditions()["Spaniards"] == kept
    else:
        held = {key: [value.format(**told) for value in values] for key, values in wanted.items()}
        assert conditions()["Spaniards"] == held


def test_segments_build_on_one_another_as_far_as_databases_follow(staff, account):
    save(staff, "country=Spain")
    pks = chain(account, Spaniards=Segment.objects.get().pk)

    refused = save(staff, f"not_segment={pks['far']}&q=lind", name="Fourth")

    assert "At most 3 segments can build on one another" in refused.content.decode()
    assert not Segment.objects.filter(name="Fourth").exists()
    assert listed(staff, f"?segment={pks['far']}&q=lind") == {"Spain"}
    draft = staff.post(reverse("admin:leads_segment_do", args=[pks["far"], "start"]), {"kind": "assign_tag"}).url
    shown = preview(staff, draft)
    staff.post(draft, {"do": "start", "mark": shown["mark"]})
    assert BulkRun.objects.get().changes.count() == 3
    fourth = SegmentFactory(account=account, name="Fourth", conditions={"not_segment": [str(pks["far"])]})
    assert listed(staff, f"?segment={fourth.pk}") == listed(staff, f"?not_segment={fourth.pk}") == set()


def test_refined_segment_holds_what_was_seen(staff, account):
    save(staff, "country=Spain")
    own = Segment.objects.get()
    low = account.leads.filter(country="Spain").first()
    account.leads.update(score=90)
    account.leads.filter(pk=low.pk).update(score=10)
    query = f"segment={own.pk}&score_max=50"
    seen = set(staff.get(f"{LEADS}?{query}").context["cl"].result_list)

    save(staff, query, replace="on")

    assert seen == set(staff.get(f"{LEADS}?segment={own.pk}").context["cl"].result_list) == {low}


def test_name_of_a_colleagues_segment_offers_no_tick_to_one_who_may_not_replace_it(client, account):
    SegmentFactory(account=account, name="Spain", conditions={"country": ["Spain"]}, created_by=StaffFactory())
    user = StaffFactory()
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_lead", "view_segment", "add_segment"]))
    client.force_login(user)

    for more in ({}, {"replace": "on"}):
        text = save(client, "country=Japan", name="spain", **more).content.decode()
        assert "Choose another name" in text
        assert "Replace what it holds" not in text
    assert conditions() == {"Spain": {"country": ["Spain"]}}


def test_segment_on_which_others_build_is_not_deleted(client, account):
    segment = SegmentFactory(account=account, name="Spain", conditions={"country": ["Spain"]})
    others = SegmentFactory(account=account, name="Others", conditions={"not_segment": [str(segment.pk)]})
    theirs = SegmentFactory(
        account=AccountFactory(), name="Secret", conditions={"segment": [str(segment.pk)], "country": ["Peru"]}
    )
    user = StaffFactory()
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_lead", "view_segment", "delete_segment"]))
    StaffLimits.objects.create(user=user, limited=True).accounts.add(account)
    client.force_login(user)
    delete = [reverse("admin:leads_segment_do", args=[each.pk, "delete"]) for each in (segment, others)]

    text = client.post(delete[0], follow=True).content.decode()

    assert "stays, because others build on it: Others, 1 other. Change or delete those first." in text
    theirs.delete()
    for url in reversed(delete):
        client.post(url)
    assert not Segment.objects.exists()


def test_deleting_a_segment_asks_first_and_says_what_uses_it(staff, account):
    segment = SegmentFactory(account=account, name="Spain", conditions={"country": ["Spain"]})
    delete = reverse("admin:leads_segment_do", args=[segment.pk, "delete"])

    assert f'class="btn bad" href="{delete}"' in staff.get(segment.get_absolute_url()).content.decode()
    assert "No other segment and no prepared bulk action uses it." in staff.get(delete).content.decode()
    staff.post(reverse("admin:leads_segment_do", args=[segment.pk, "start"]), {"kind": "assign_tag"})
    assert "1 bulk action is prepared for it and not started." in staff.get(delete).content.decode()
    SegmentFactory(account=account, name="Others", conditions={"not_segment": [str(segment.pk)]})
    text = staff.get(delete).content.decode()
    assert "<li>Others</li>" in text
    assert "Delete segment</button>" not in text
    assert Segment.objects.count() == 2


def test_menu_of_segments_has_their_sizes_and_marks_the_one_that_is_shown(staff, account):
    spain = SegmentFactory(account=account, name="Spain", conditions={"country": ["Spain"]})
    SegmentFactory(account=account, name="Peru", conditions={"country": ["Peru"]})

    page = staff.get(LEADS, {"segment": spain.pk})
    menu = staff.get(f"{LEADS}segments/", {"segment": spain.pk}).content.decode()

    assert "Segment: Spain" in page.content.decode()
    assert "Peru" not in page.content.decode()
    assert re.findall(r"<span>(\w+)</span>\s*<span class=\"size\">([\d,+]+)</span>", menu) == [
        ("Peru", "0"),
        ("Spain", "3"),
    ]
    assert menu.count('aria-current="true"') == 1


def test_menu_of_segments_names_the_rest_where_counting_took_too_long(account):
    rows = [SegmentFactory(account=account, name="Spain", conditions={"country": ["Spain"]})]

    assert sized(rows, 60.0) == [{"segment": rows[0], "number": 3, "more": False}]
    assert sized(rows, 0.0) == [{"segment": rows[0], "number": None, "more": False}]


def test_list_of_segments_costs_the_same_for_more_rows(staff, account, django_assert_max_num_queries):
    def made(number):
        for n in range(number):
            tag, listing = TagFactory(account=account), MailingListFactory(account=account)
            said = {"tag": [str(tag.pk)], "not_list": [str(listing.pk)], "custom": ["nothing"], "bought": ["any"]}
            SegmentFactory(account=account, name=f"{number} {n}", conditions=said)

    made(2)
    staff.get("/admin/leads/segment/")
    with django_assert_max_num_queries(30) as few:
        staff.get("/admin/leads/segment/")
    made(20)

    with django_assert_max_num_queries(len(few.captured_queries)):
        text = staff.get("/admin/leads/segment/").content.decode()
    assert text.count("has the tag") == 22


CHOSEN_BEYOND = {
    "tag": lambda account: (TagFactory(account=account, name="zz").pk, "zz"),
    "not_tag_all": lambda account: (TagFactory(account=account, name="zz").pk, "zz"),
    "country": lambda account: ("Zz", "Zz"),
    "not_custom": lambda account: (
        CustomField.objects.create(account=account, identifier="zz", type="input_field").identifier,
        "zz",
    ),
}


@pytest.mark.parametrize("name", CHOSEN_BEYOND)
def test_choice_beyond_what_a_form_can_offer_stays_chosen(staff, account, name):
    Tag.objects.bulk_create(Tag(account=account, name=f"a{n:04}") for n in range(MOST_CHOICES))
    CustomField.objects.bulk_create(
        CustomField(account=account, identifier=f"a{n:04}", type="input_field") for n in range(MOST_OCCURRING)
    )
    value, words = CHOSEN_BEYOND[name](account)

    page = staff.get(f"{LEADS}?{name}={value}")

    text = staff.get(f"{LEADS}filters/?{name}={value}").content.decode()
    inputs = re.findall(rf'<option value="{value}" selected>|<input[^>]*value="{value}"[^>]*checked', text)
    assert len(inputs) == 1
    assert words in page.context["conditions"][0]["words"]


def test_with_several_accounts_the_account_is_asked_for(staff, account):
    other = AccountFactory(name="Other")

    page = staff.get(f"{reverse('admin:leads_segment_save')}?query=country%3DSpain").content.decode()
    assert "Other" in page
    save(staff, "country=Spain", account=other.pk)
    save(staff, f"country=Spain&account={account.pk}", name="Mine")

    assert dict(Segment.objects.values_list("name", "account")) == {"Spaniards": other.pk, "Mine": account.pk}


def test_segment_is_shared_but_changed_and_deleted_by_its_author_or_with_permission(client, account):
    segment = SegmentFactory(
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
    segment = SegmentFactory(account=account, name="Spain", conditions={"country": ["Spain"]})

    draft = staff.post(reverse("admin:leads_segment_do", args=[segment.pk, "start"]), {"kind": "assign_tag"}).url
    shown = preview(staff, draft)
    staff.post(draft, {"do": "start", "mark": shown["mark"]})

    assert RunDraft.objects.get().selection == {"version": 1, "leads": {"segments": [segment.pk]}}
    assert set(BulkRun.objects.get().changes.values_list("lead__country", flat=True)) == {"Spain"}


def test_who_may_start_none_is_offered_none_on_a_segment(client, account):
    segment = SegmentFactory(account=account, name="Spain", conditions={"country": ["Spain"]})
    for group, offered in (("Support", False), ("Marketer", True)):
        user = StaffFactory()
        user.groups.add(Group.objects.get(name=group))
        client.force_login(user)
        assert (
            "Start a bulk action on all of them" in client.get(segment.get_absolute_url()).content.decode()
        ) is offered


def test_change_takes_a_segment_by_name(account, capsys):
    SegmentFactory(account=account, name="Spain", conditions={"country": ["Spain"]})

    call_command("change", "assign_tag", "--set", "tag=VIP", "--segment", "spain")

    assert set(BulkRun.objects.get().changes.values_list("lead__country", flat=True)) == {"Spain"}
    with pytest.raises(CommandError, match=r"no segment called Peru. There are: Spain\."):
        call_command("change", "assign_tag", "--set", "tag=VIP", "--segment", "Peru")


def test_one_who_works_in_one_account_sees_no_names_of_another(client, account):
    other = ConnectionFactory().account
    TagFactory(account=other, name="theirs alone")
    LeadFactory(account=other, country="Peru")
    SegmentFactory(account=other, name="their segment", conditions={"country": ["Peru"]})
    user = StaffFactory()
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_lead", "view_segment", "add_segment"]))
    StaffLimits.objects.create(user=user, limited=True).accounts.add(account)
    client.force_login(user)

    parts = ("", "filters/", "count/", "segments/")
    text = "".join(client.get(f"{LEADS}{part}?country=Spain&not_tag=").content.decode() for part in parts)

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


def test_segment_that_cannot_be_read_says_so_on_its_pages(staff, account):
    segment = Segment.objects.create(account=account, name="Later", selection={"version": 2})
    url = reverse("admin:leads_segment_do", args=[segment.pk, "start"])

    for page in (segment.get_absolute_url(), "/admin/leads/segment/"):
        assert "a filter that cannot be read, so no lead matches" in staff.get(page).content.decode()
    draft = staff.post(url, {"kind": "assign_tag"}).url
    assert "Choose the leads again" in staff.get(draft, follow=True).content.decode()
    assert "cannot be read" in save(staff, "segment=junk", name="Junk").content.decode()
    assert "does not know" in save(staff, f"segment={segment.pk}&q=a", name="later", replace="on").content.decode()
