"""From a selection to a run: the draft, the preview, the start, and who may."""

import re

import pytest
from django.contrib.auth.models import Group, Permission
from django.urls import reverse
from django.utils import timezone

from leads.models import BulkRun, LeadChange, LeadTag, ListSubscription, RunDraft, Sequence, Tag
from tests.factories import (
    AccountFactory,
    BulkRunFactory,
    ConnectionFactory,
    LeadChangeFactory,
    LeadFactory,
    MailingListFactory,
    StaffFactory,
    TagFactory,
)

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

    for ticks in ({"anyway", "include_left", "mail"}, {"include_left"}, set()):
        page = staff.post(url, {**TICKED_AND_THEN[what], **dict.fromkeys(ticks, "on")}, follow=True).content.decode()

        assert set(re.findall(r'name="(anyway|include_left|mail)" checked', page)) == ticks
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


def test_filter_by_sales_says_of_how_many_leads_they_are_not_read(staff, account):
    read, unread = LeadFactory(account=account, orders_read_at=timezone.now()), LeadFactory(account=account)
    words = "The transactions of 1 lead have not been read from Kartra yet"

    assert words in staff.get(f"{LEADS}?not_bought=any").content.decode()
    assert words not in staff.get(f"{LEADS}?country=Spain").content.decode()
    url = choose(staff, [read], everything=True, query="?not_bought=any")
    preview(staff, url)
    assert words in staff.get(url).content.decode()
    type(unread).objects.update(orders_read_at=timezone.now())
    assert words not in staff.get(f"{LEADS}?not_bought=any").content.decode()


@pytest.mark.parametrize(
    ("kind", "given", "label", "rest"),
    [
        ("unassign_tag", {"tag": "VIP"}, "Do not have it", "2 do not have it"),
        ("unsubscribe_list", {"list": "Partners"}, "Are not on it", "2 are not on it"),
        ("unsubscribe_sequence", {"sequence": "Welcome"}, "Are not in it", "2 are not in it"),
        ("update_lead", {"first_name": "Mara"}, "Are so already", "2 are so already"),
    ],
)
def test_who_has_nothing_to_lose_is_not_said_to_have_it(staff, account, kind, given, label, rest):
    MailingListFactory(account=account, name="Partners")
    Sequence.objects.create(account=account, name="Welcome")
    url = choose(staff, LeadFactory.create_batch(2, account=account), kind=kind)

    staff.post(url, {"do": "preview", **given})
    page = staff.get(url)

    shown = page.context["preview"]
    assert (shown["rest"], shown["already"].label) == ([rest], label)
    text = page.content.decode()
    assert "have it already" not in text.lower()
    assert 'value="start"' not in text


def test_sending_all_the_same_is_offered_only_where_something_can_be_so_already(staff, account):
    leads = LeadFactory.create_batch(1, account=account)

    assert 'name="anyway"' in staff.get(choose(staff, leads)).content.decode()
    assert 'name="anyway"' not in staff.get(choose(staff, leads, kind="give_points")).content.decode()


def test_preview_refuses_what_the_start_would_refuse(staff, account):
    url = choose(staff, LeadFactory.create_batch(2, account=account), kind="update_lead")

    staff.post(url, {"do": "preview", "email": "same@example.com"})
    text = staff.get(url).content.decode()

    assert "at most 1 is allowed. An email address belongs to one lead alone." in text
    assert all(f'value="{do}"' not in text for do in ("start", "try", "ask"))


def test_after_the_preview_the_reader_stands_at_it(staff, account):
    url = choose(staff, LeadFactory.create_batch(1, account=account))

    assert staff.post(url, {"do": "preview", "tag": "VIP"}).url == f"{url}#preview"
    assert 'id="preview" tabindex="-1"' in staff.get(url).content.decode()


@pytest.mark.parametrize(
    ("kind", "given"), [("give_points", {"points": "5"}), ("subscribe_sequence", {"sequence": "W", "step": "1"})]
)
def test_safety_field_promises_cheaper_points_only_where_points_are_given(staff, account, kind, given):
    Sequence.objects.create(account=account, name="W")
    url = choose(staff, LeadFactory.create_batch(1, account=account), kind=kind)

    staff.post(url, {"do": "preview", **given})

    [hint] = staff.get(url).context["preview"]["warnings"]
    assert ("points would cost no read" in hint) is (kind == "give_points")


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


def test_already_so_is_sent_anyway_when_asked(staff, account):
    lead = LeadFactory(account=account)
    LeadTag.objects.create(lead=lead, tag=account.tags.get(), since=timezone.now(), source="refresh")
    url = choose(staff, [lead])

    assert preview(staff, url)["counted"].will_change == 0
    shown = preview(staff, url, anyway="on")
    assert (shown["counted"].will_change, shown["rest"]) == (1, ["1 has it already and gets it again"])
    staff.post(url, {"do": "start", "mark": shown["mark"]})

    assert list(LeadChange.objects.values_list("status", "anyway")) == [("waiting", True)]


def test_who_left_a_list_is_left_out_and_ticked_only_by_one_who_may(client, staff, account):
    news = MailingListFactory(account=account, name="News")
    lead = LeadFactory(account=account)
    ListSubscription.objects.create(lead=lead, mailing_list=news, active=False, since=timezone.now(), source="webhook")
    given = {"do": "preview", "list": "News", "include_left": "on"}
    url = choose(staff, [lead], kind="subscribe_list")
    staff.post(url, given)
    assert staff.get(url).context["preview"]["counted"].will_change == 1

    other = StaffFactory()
    other.user_permissions.set(Permission.objects.filter(codename__in=["view_lead", "subscribe_list", "start_bulkrun"]))
    client.force_login(other)
    url = choose(client, [lead], kind="subscribe_list")
    client.post(url, given)
    shown = client.get(url).context["preview"]
    assert shown["rest"] == ["1 left the list and is left out"]
    assert shown["counted"].will_change == 0
    client.post(url, {"do": "start", "mark": shown["mark"]})
    assert not LeadChange.objects.exists()


def test_another_set_of_the_same_size_is_asked_again(staff, account):
    leads = LeadFactory.create_batch(2, account=account)
    url = choose(staff, leads, everything=True)
    shown = preview(staff, url)
    leads[0].gone_at, leads[0].gone_reason = timezone.now(), "deleted"
    leads[0].save()
    LeadFactory(account=account)

    answer = staff.post(url, {"do": "start", "mark": shown["mark"]}, follow=True)

    assert not BulkRun.objects.exists()
    assert "it is not what was previewed any more" in answer.content.decode()


def test_first_ten_are_tried_and_the_others_started_once(staff, account):
    leads = LeadFactory.create_batch(13, account=account)
    url = choose(staff, leads[:1], everything=True, kind="give_points")
    staff.post(url, {"do": "preview", "points": "5"})
    shown = staff.get(url).context["preview"]

    answers = [staff.post(url, {"do": "try", "mark": shown["mark"]}) for _ in range(2)]
    tried = BulkRun.objects.get()
    assert answers[0].url == tried.get_absolute_url()
    assert tried.changes.count() == 10
    assert url in staff.get(tried.get_absolute_url()).content.decode()
    page = staff.get(url)
    assert "It was tried on 10 leads" in page.content.decode()
    staff.post(url, {"do": "start", "mark": page.context["preview"]["mark"]})

    others = BulkRun.objects.exclude(pk=tried.pk).get()
    assert others.changes.count() == 3
    assert (tried.partner(), others.partner()) == (others, tried)
    for one, other in ((tried, others), (others, tried)):
        words = f'the other part is <a href="{other.get_absolute_url()}">bulk action {other.pk}</a>'
        assert words in staff.get(one.get_absolute_url()).content.decode()
        BulkRun.objects.filter(pk=one.pk).update(state="finished", ended_at=timezone.now())
        assert words in staff.get(reverse("admin:leads_bulkrun_undo", args=[one.pk])).content.decode()
    assert LeadChange.objects.values("lead").distinct().count() == 13


def test_steps_that_cannot_be_checked_offer_the_trial_first(staff, account):
    Sequence.objects.create(account=account, name="Welcome")
    url = choose(staff, LeadFactory.create_batch(11, account=account), kind="subscribe_sequence")
    staff.post(url, {"do": "preview", "sequence": "Welcome", "step": "9"})

    text = staff.get(url).content.decode()

    assert "Start all at once" in text
    assert "Mail that is sent cannot be taken back" in text


def test_preview_says_where_opposite_changes_come_from(staff, account):
    lead = LeadFactory(account=account)
    run = BulkRunFactory(account=account, name="Take VIP off")
    LeadChangeFactory(lead=lead, run=run, kind="unassign_tag")

    url = choose(staff, [lead])
    shown = preview(staff, url)

    assert shown["opposite"] == [{"run": run.pk, "name": "Take VIP off", "number": 1}]
    assert "Take VIP off" in staff.get(url).content.decode()


def test_doubtful_ones_are_read_first_when_asked(staff, account, rings):
    lead = LeadFactory(account=account, dirty_at=timezone.now())
    LeadTag.objects.create(lead=lead, tag=account.tags.get(), since=timezone.now(), source="refresh")
    url = choose(staff, [lead, LeadFactory(account=account)])
    assert preview(staff, url)["counted"].doubtful == 1

    answer = staff.post(url, {"do": "read"}, follow=True)

    assert "1 lead is being updated" in answer.content.decode()
    assert ("refresh_leads", (account.connection.pk,)) in rings
    assert not BulkRun.objects.exists()


def doubtful_one(account, **given):
    lead = LeadFactory(account=account, **(given or {"dirty_at": timezone.now()}))
    LeadTag.objects.create(lead=lead, tag=account.tags.get(), since=timezone.now(), source="refresh")
    return lead


def test_reading_the_doubtful_is_a_part_of_starting(staff, account, rings):
    lead = doubtful_one(account)
    doubtful_one(account, read_at=timezone.now())
    url = choose(staff, [lead], everything=True)
    shown = preview(staff, url)
    page = " ".join(staff.get(url).content.decode().split())
    assert '<input type="hidden" name="read_first" value="1">' in page
    assert "Read them, then start" in page
    assert "Read the 1 doubtful lead first" in page
    assert "older than 24 hours" in page

    staff.post(url, {"do": "start", "mark": shown["mark"], "read_first": "1"})

    change = LeadChange.objects.get(lead=lead)
    assert (change.status, change.read_first) == ("waiting", True)
    assert LeadChange.objects.exclude(lead=lead).get().status == "skipped"
    assert ("refresh_leads", (account.connection.pk,)) in rings


def test_without_the_tick_the_copy_is_believed(staff, account, rings):
    lead = doubtful_one(account)
    url = choose(staff, [lead, LeadFactory(account=account)])
    shown = preview(staff, url)
    staff.post(url, {"do": "start", "mark": shown["mark"]})
    assert LeadChange.objects.get(lead=lead).status == "skipped"
    assert not [task for task, _ in rings if task == "refresh_leads"]


def test_many_doubtful_ones_are_read_only_when_wanted(staff, account, monkeypatch):
    monkeypatch.setattr("kartra_mirror.admin.bulk.preview_summary.READ_FEW", 1)
    leads = [doubtful_one(account) for _ in range(2)]
    url = choose(staff, leads)
    preview(staff, url)
    page = staff.get(url).content.decode()
    assert 'name="read_first" value="1"' in page
    assert 'name="read_first" value="1" checked' not in page


def test_nobody_is_doubtful_where_all_get_it_anyway(staff, account):
    url = choose(staff, [doubtful_one(account)])
    preview(staff, url, anyway="on")
    assert "read_first" not in staff.get(url).content.decode()


def test_requested_change_says_that_it_waits_for_a_read(staff, account):
    lead = doubtful_one(account)
    url = choose(staff, [lead])
    shown = preview(staff, url)
    staff.post(url, {"do": "start", "mark": shown["mark"], "read_first": "1"})
    page = staff.get(LeadChange.objects.get().get_absolute_url()).content.decode()
    assert "for its lead to be read from Kartra" in page


def test_preview_costs_the_same_queries_for_any_number(staff, account, django_assert_max_num_queries):
    leads = LeadFactory.create_batch(60, account=account)  # more than a page: from there on the list is counted
    url = choose(staff, leads[:1], everything=True)
    preview(staff, url)
    with django_assert_max_num_queries(60) as few:
        staff.get(url)
    LeadFactory.create_batch(200, account=account)
    with django_assert_max_num_queries(len(few.captured_queries)):
        staff.get(url)


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
    draft = RunDraft.objects.create(created_by=supporter, kind="assign_tag", selection={"query": ""})
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
    assert (
        "</a> for 3 leads, asked for by mia" in client.get(reverse("admin:leads_bulkrun_changelist")).content.decode()
    )
    assert "bulk action waits for your yes or no" in client.get(reverse("admin:index")).content.decode()
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


def test_what_starts_is_what_this_tab_has_previewed(staff, account):
    TagFactory(account=account, name="Spam")
    url = choose(staff, LeadFactory.create_batch(2, account=account))
    first = preview(staff, url, tag="VIP")
    second = preview(staff, url, tag="Spam")

    answer = staff.post(url, {"do": "start", "mark": first["mark"]}, follow=True)

    assert not BulkRun.objects.exists()
    assert "it is not what was previewed any more" in answer.content.decode()
    staff.post(url, {"do": "start", "mark": second["mark"]})
    assert BulkRun.objects.get().parameters == {"tag": "Spam"}


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


def test_a_draft_whose_start_broke_can_be_started_again(staff, account, monkeypatch):
    url = choose(staff, LeadFactory.create_batch(2, account=account))
    shown = preview(staff, url)
    with monkeypatch.context() as broken:
        broken.setattr("leads.changes.bulk_insert.freeze", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            staff.post(url, {"do": "start", "mark": shown["mark"]})

    staff.post(url, {"do": "start", "mark": shown["mark"]})

    assert BulkRun.objects.get().changes.count() == 2
