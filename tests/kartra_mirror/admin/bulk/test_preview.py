"""The preview of a bulk action: who has it already, who left, who is doubtful and read first, and the trial with ten."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from integrations.models import Connection
from integrations.sending import switch
from kartra_mirror.admin.bulk.preview_summary import READ_FEW
from leads.models import BulkRun, Lead, LeadChange, LeadTag, ListSubscription, Sequence
from tests.factories import BulkRunFactory, LeadChangeFactory, LeadFactory, MailingListFactory, StaffFactory
from tests.kartra_mirror.admin.drafts import LEADS, choose, preview

pytestmark = pytest.mark.django_db


def test_preview_counts_what_is_already_so_and_gone(staff, account, settings):
    from django.utils import timezone

    tagged, gone, free = LeadFactory.create_batch(3, account=account)
    LeadTag.objects.create(lead=tagged, tag=account.tags.get(), since=timezone.now(), source="refresh")
    gone.gone_at, gone.gone_reason = timezone.now(), "deleted"
    gone.save()
    shown = preview(staff, choose(staff, [tagged, gone, free]))

    counted = shown["counted"]
    assert (counted.total, counted.will_change, counted.already_so, counted.gone) == (3, 1, 1, 1)


def test_filter_by_sales_says_of_how_many_leads_they_are_not_read(staff, account):
    read, unread = LeadFactory(account=account, orders_read_at=timezone.now()), LeadFactory(account=account)
    words = "We have not checked the transactions of 1 lead yet"

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
        ("update_lead", {"first_name": "Mara"}, "Have these values already", "2 have these values already"),
    ],
)
def test_who_has_nothing_to_lose_is_not_said_to_have_it(staff, account, kind, given, label, rest):
    MailingListFactory(account=account, name="Partners")
    Sequence.objects.create(account=account, name="Welcome")
    url = choose(staff, LeadFactory.create_batch(2, account=account), kind=kind)

    staff.post(url, {"do": "preview", **given})
    page = staff.get(url)

    shown = page.context["preview"]
    assert ([each["words"] for each in shown["rest"]], shown["already"].label) == ([rest], label)
    text = page.content.decode()
    assert "have it already" not in text.lower()
    assert 'value="start"' not in text


def test_sending_all_the_same_is_offered_only_where_something_can_be_so_already(staff, account):
    leads = LeadFactory.create_batch(1, account=account)

    assert 'name="force"' in staff.get(choose(staff, leads)).content.decode()
    assert 'name="force"' not in staff.get(choose(staff, leads, kind="give_points")).content.decode()


def test_preview_refuses_what_the_start_would_refuse(staff, account):
    url = choose(staff, LeadFactory.create_batch(2, account=account), kind="update_lead")

    staff.post(url, {"do": "preview", "email": "same@example.com"})
    text = staff.get(url).content.decode()

    assert "at most 1 is allowed. An email address belongs to one lead alone." in text
    assert all(f'value="{do}"' not in text for do in ("start", "try", "ask"))


def test_time_is_told_in_one_unit_and_not_while_nothing_is_sent(staff, account):
    Connection.objects.update(calls_per_second=1 / 30)
    url = choose(staff, LeadFactory.create_batch(8, account=account))
    assert preview(staff, url)["takes"] == "about 4 minutes"
    assert "about 4 minutes" in staff.get(url).content.decode()

    switch.off(account.connection, by=staff.user)

    page = staff.get(url)
    assert page.context["preview"]["takes"] == ""
    assert "Nothing is sent at the moment." in page.content.decode()
    assert "about 4 minutes" not in page.content.decode()


def test_after_the_preview_the_reader_stands_at_it(staff, account):
    url = choose(staff, LeadFactory.create_batch(1, account=account))

    assert staff.post(url, {"do": "preview", "tag": "VIP"}).url == f"{url}#preview"
    assert 'id="preview" tabindex="-1"' in staff.get(url).content.decode()


def test_already_so_is_sent_anyway_when_asked(staff, account):
    lead = LeadFactory(account=account)
    LeadTag.objects.create(lead=lead, tag=account.tags.get(), since=timezone.now(), source="refresh")
    url = choose(staff, [lead])

    assert preview(staff, url)["counted"].will_change == 0
    shown = preview(staff, url, force="on")
    again = {"look": "good", "words": "1 has it already and gets it again"}
    assert (shown["counted"].will_change, shown["rest"]) == (1, [again])
    staff.post(url, {"do": "start", "mark": shown["mark"]})

    assert list(LeadChange.objects.values_list("status", "force")) == [("waiting", True)]


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
    assert shown["rest"] == [{"look": "warn", "words": "1 left the list and is left out"}]
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
    assert "This is no longer what you previewed" in answer.content.decode()


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
    assert "Tried on 10 leads" in page.content.decode()
    staff.post(url, {"do": "start", "mark": page.context["preview"]["mark"]})

    others = BulkRun.objects.exclude(pk=tried.pk).get()
    assert others.changes.count() == 3
    assert (tried.partner(), others.partner()) == (others, tried)
    for one, other in ((tried, others), (others, tried)):
        words = f'The other part is <a href="{other.get_absolute_url()}">bulk action {other.pk}</a>'
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
    assert "Sent mail cannot be unsent" in text


def test_preview_says_where_opposite_changes_come_from(staff, account):
    lead = LeadFactory(account=account)
    run = BulkRunFactory(account=account, name="Take VIP off")
    LeadChangeFactory(lead=lead, run=run, kind="unassign_tag")

    url = choose(staff, [lead])
    shown = preview(staff, url)

    assert shown["opposite"] == [{"run": run.pk, "name": "Take VIP off", "number": 1}]
    assert "Take VIP off" in staff.get(url).content.decode()


def test_doubtful_ones_are_read_first_when_asked(staff, account, notified):
    lead = LeadFactory(account=account, dirty_at=timezone.now())
    LeadTag.objects.create(lead=lead, tag=account.tags.get(), since=timezone.now(), source="refresh")
    url = choose(staff, [lead, LeadFactory(account=account)])
    assert preview(staff, url)["counted"].doubtful == 1

    answer = staff.post(url, {"do": "read"}, follow=True)

    assert "1 lead is being updated" in answer.content.decode()
    assert ("refresh_leads", (account.connection.pk,)) in notified
    assert not BulkRun.objects.exists()


def doubtful_one(account, **given):
    lead = LeadFactory(account=account, **(given or {"dirty_at": timezone.now()}))
    LeadTag.objects.create(lead=lead, tag=account.tags.get(), since=timezone.now(), source="refresh")
    return lead


def test_reading_the_doubtful_is_a_part_of_starting(staff, account, notified):
    lead = doubtful_one(account)
    doubtful_one(account, read_at=timezone.now())
    url = choose(staff, [lead], everything=True)
    shown = preview(staff, url)
    page = " ".join(staff.get(url).content.decode().split())
    assert '<input type="hidden" name="read_first" value="1">' in page
    assert "Check them, then start" in page
    assert "Check the 1 outdated lead with Kartra first" in page
    assert "more than 24 hours ago" in page

    staff.post(url, {"do": "start", "mark": shown["mark"], "read_first": "1"})

    change = LeadChange.objects.get(lead=lead)
    assert (change.status, change.read_first) == ("waiting", True)
    assert LeadChange.objects.exclude(lead=lead).get().status == "skipped"
    assert ("refresh_leads", (account.connection.pk,)) in notified


def test_without_the_tick_the_copy_is_believed(staff, account, notified):
    lead = doubtful_one(account)
    url = choose(staff, [lead, LeadFactory(account=account)])
    shown = preview(staff, url)
    staff.post(url, {"do": "start", "mark": shown["mark"]})
    assert LeadChange.objects.get(lead=lead).status == "skipped"
    assert not [task for task, _ in notified if task == "refresh_leads"]


def test_many_doubtful_ones_are_read_only_when_wanted(staff, account):
    now, tag = timezone.now(), account.tags.get()
    leads = Lead.objects.bulk_create(LeadFactory.build_batch(READ_FEW, account=account, dirty_at=now))
    LeadTag.objects.bulk_create(LeadTag(lead=lead, tag=tag, since=now, source="refresh") for lead in leads)
    LeadFactory(account=account)  # somebody who would change anyhow, so that there is a choice
    url = choose(staff, leads[:1], everything=True)
    preview(staff, url)
    assert 'name="read_first" value="1" checked' in staff.get(url).content.decode()
    doubtful_one(account)
    preview(staff, url)
    page = staff.get(url).content.decode()
    assert 'name="read_first" value="1"' in page
    assert 'name="read_first" value="1" checked' not in page


def test_nobody_is_doubtful_where_all_get_it_anyway(staff, account):
    url = choose(staff, [doubtful_one(account)])
    preview(staff, url, force="on")
    assert "read_first" not in staff.get(url).content.decode()


def test_requested_change_says_that_it_waits_for_a_read(staff, account):
    lead = doubtful_one(account)
    url = choose(staff, [lead])
    shown = preview(staff, url)
    staff.post(url, {"do": "start", "mark": shown["mark"], "read_first": "1"})
    page = staff.get(LeadChange.objects.get().get_absolute_url()).content.decode()
    assert "for a check with Kartra" in page


def test_preview_costs_the_same_queries_for_any_number(staff, account, django_assert_max_num_queries):
    leads = LeadFactory.create_batch(60, account=account)  # more than a page: from there on the list is counted
    url = choose(staff, leads[:1], everything=True)
    preview(staff, url)
    with django_assert_max_num_queries(60) as few:
        staff.get(url)
    LeadFactory.create_batch(200, account=account)
    with django_assert_max_num_queries(len(few.captured_queries)):
        staff.get(url)
