"""From a selection to a run: the draft, what it is made of, and its start."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from leads.models import BulkRun, LeadChange, LeadTag, RunDraft, Sequence, Tag
from tests.factories import AccountFactory, LeadFactory, MailingListFactory, StaffFactory, TagFactory
from tests.kartra_mirror.admin.drafts import LEADS, choose, preview

pytestmark = pytest.mark.django_db


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


def test_select_all_is_kept_as_a_selection_however_many(staff, account):
    leads = LeadFactory.create_batch(1200, account=account, country="Spain")
    LeadFactory.create_batch(5, account=account, country="Japan")
    url = choose(staff, leads[:50], everything=True, query="?country=Spain")

    shown = preview(staff, url)
    staff.post(url, {"do": "start", "mark": shown["mark"]})

    assert (shown["counted"].total, BulkRun.objects.get().changes.count()) == (1200, 1200)
    chosen = {"condition": "country", "values": {"country": ["Spain"]}}
    assert RunDraft.objects.get().selection == {"version": 1, "leads": chosen}


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
    text = answer.content.decode()
    assert text.count("now 3 of 3 would change") == 1
    assert text.index('id="preview"') < text.index("now 3 of 3 would change") < text.index("What will happen")


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
    draft = RunDraft.objects.create(
        created_by=user, kind="assign_tag", selection={"version": 1, "leads": {"ids": [lead.pk]}}
    )
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
    account.connection.switched_on_at = None
    account.connection.save()

    shown = preview(staff, choose(staff, LeadFactory.create_batch(1, account=account)))

    assert "read-only" in shown["why_not"]


def test_several_kinds_are_one_run_and_travel_as_previewed(staff, account):
    MailingListFactory(account=account, name="News")
    leads = LeadFactory.create_batch(2, account=account)
    LeadTag.objects.create(lead=leads[0], tag=account.tags.get(), since=timezone.now(), source="refresh")
    url = choose(staff, leads)

    staff.post(url, {"do": "add", "kind": "subscribe_list", "tag": "VIP", "why": "Spring"})
    staff.post(url, {"do": "add", "kind": "give_points", "tag": "VIP", "why": "Spring"})
    shown = preview(staff, url, **{"2-list": "News", "3-points": "5", "why": "Spring"})

    assert shown["sentence"] == "Assign the tag VIP, add to the list News, give 5 points"
    assert [(s.will_change, s.already_so) for s in shown["counted"].steps] == [(1, 1), (2, 0), (2, 0)]
    assert (shown["counted"].will_change, shown["counted"].already_so, shown["counted"].calls) == (2, 0, 2)
    staff.post(url, {"do": "start", "mark": shown["mark"]})
    run = BulkRun.objects.get()
    assert (run.kind, run.why) == ("several", "Spring")
    assert sorted(run.changes.values_list("kind", "status")) == [
        ("assign_tag", "skipped"),
        ("assign_tag", "waiting"),
        ("give_points", "waiting"),
        ("give_points", "waiting"),
        ("subscribe_list", "waiting"),
        ("subscribe_list", "waiting"),
    ]
    assert staff.get(run.get_absolute_url()).status_code == 200


def test_taking_a_kind_away_keeps_what_was_typed_for_the_others(staff, account):
    url = choose(staff, LeadFactory.create_batch(1, account=account))
    for kind in ("give_points", "remove_points", "give_points"):
        staff.post(url, {"do": "add", "kind": kind, "tag": "VIP", "2-points": "5", "3-points": "6", "4-points": "7"})

    staff.post(url, {"do": "remove-2", "tag": "VIP", "2-points": "5", "3-points": "6", "4-points": "7"})

    draft = RunDraft.objects.get()
    assert draft.kinds == ["assign_tag", "remove_points", "give_points"]
    assert (draft.parameters["form"]["2-points"], draft.parameters["form"]["3-points"]) == (6, 7)


TICKED_AND_THEN = {
    "a kind is added": {"do": "add", "kind": "give_points", "list": "News"},
    "a kind is taken away": {"do": "remove-2", "list": "News"},
    "a form is not complete": {"do": "preview", "list": ""},
    "it is previewed": {"do": "preview", "list": "News", "2-points": "5"},
}


@pytest.mark.parametrize("what", TICKED_AND_THEN)
def test_ticks_stay_when(staff, account, settings, what):
    settings.MAIL_IS_SET_UP = True
    staff.user.email = "max@example.com"
    staff.user.save()
    MailingListFactory(account=account, name="News")
    url = choose(staff, LeadFactory.create_batch(1, account=account), kind="subscribe_list")
    staff.post(url, {"do": "add", "kind": "give_points", "list": "News"})

    for ticks in ({"force", "include_left", "mail"}, {"include_left"}, set()):
        page = staff.post(url, {**TICKED_AND_THEN[what], **dict.fromkeys(ticks, "on")}, follow=True).content.decode()

        assert set(re.findall(r'name="(force|include_left|mail)" checked', page)) == ticks
        RunDraft.objects.update(more=["give_points"])


def test_nothing_is_started_where_nothing_would_change(staff, account):
    lead = LeadFactory(account=account)
    LeadTag.objects.create(lead=lead, tag=Tag.objects.get(name="VIP"), since=timezone.now(), source="refresh")
    url = choose(staff, [lead])
    shown = preview(staff, url)

    page = staff.get(url).content.decode()
    answer = staff.post(url, {"do": "start", "mark": shown["mark"]}, follow=True)

    assert "there is nothing to start" in page
    assert 'value="start"' not in page
    assert "Nothing would change, so nothing was started." in answer.content.decode()
    assert not BulkRun.objects.exists()


@pytest.mark.parametrize(
    ("kind", "given"), [("give_points", {"points": "5"}), ("subscribe_sequence", {"sequence": "W", "step": "1"})]
)
def test_safety_field_promises_cheaper_points_only_where_points_are_given(staff, account, kind, given):
    Sequence.objects.create(account=account, name="W")
    url = choose(staff, LeadFactory.create_batch(1, account=account), kind=kind)

    staff.post(url, {"do": "preview", **given})

    [hint] = staff.get(url).context["preview"]["warnings"]
    assert ("points would need no check" in hint) is (kind == "give_points")


def test_two_kinds_about_the_same_thing_are_refused_in_words(staff, account):
    url = choose(staff, LeadFactory.create_batch(1, account=account))
    staff.post(url, {"do": "add", "kind": "unassign_tag"})

    answer = staff.post(url, {"do": "preview", "tag": "VIP", "2-tag": "VIP"})

    assert "another change of the same thing" in answer.content.decode()


def test_kind_without_permission_cannot_be_added(client, account):
    user = StaffFactory()
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_lead", "assign_tag", "start_bulkrun"]))
    client.force_login(user)
    url = choose(client, LeadFactory.create_batch(1, account=account))

    assert client.post(url, {"do": "add", "kind": "give_points"}).status_code == 403


def test_what_starts_is_what_this_tab_has_previewed(staff, account):
    TagFactory(account=account, name="Spam")
    url = choose(staff, LeadFactory.create_batch(2, account=account))
    first = preview(staff, url, tag="VIP")
    second = preview(staff, url, tag="Spam")

    answer = staff.post(url, {"do": "start", "mark": first["mark"]}, follow=True)

    assert not BulkRun.objects.exists()
    assert "This is no longer what you previewed" in answer.content.decode()
    staff.post(url, {"do": "start", "mark": second["mark"]})
    assert BulkRun.objects.get().parameters == {"tag": "Spam"}


def test_a_draft_whose_start_broke_can_be_started_again(staff, account, monkeypatch):
    url = choose(staff, LeadFactory.create_batch(2, account=account))
    shown = preview(staff, url)
    with monkeypatch.context() as broken:
        broken.setattr("leads.changes.bulk_insert.insert_changes", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            staff.post(url, {"do": "start", "mark": shown["mark"]})

    staff.post(url, {"do": "start", "mark": shown["mark"]})

    assert BulkRun.objects.get().changes.count() == 2
