"""The page of a bulk action: its numbers, its files, its undo, the notice at its end."""

import datetime as dt

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from integrations.models import Connection
from leads import changes, kinds, mirror, transitions
from leads.changes import retry, side_effects
from leads.models import Activity, BulkRun, Lead, LeadTag, Source
from tests.factories import (
    BulkRunFactory,
    ConnectionFactory,
    LeadChangeFactory,
    LeadFactory,
    MailingListFactory,
    StaffFactory,
    TagFactory,
)
from tests.recording import accept_change

pytestmark = pytest.mark.django_db


def tagged(account, number=3, by=None):
    """A finished run that put the tag VIP on so many leads."""
    LeadFactory.create_batch(number, account=account)
    run = changes.record_run(account, Lead.objects.all(), kinds.get_kind("assign_tag"), {"tag": "VIP"}, by=by)
    for change in run.changes.select_related("lead"):
        accept_change(change)
        kinds.get_kind("assign_tag").effect(change, timezone.now())
    transitions.finish_run_if_over(run.pk)
    run.refresh_from_db()
    return run


def test_numbers_and_bar_add_up(staff, account):
    run = BulkRunFactory(account=account)
    for status, more in (
        ("waiting", {}),
        ("accepted", {"settled_at": timezone.now()}),
        ("accepted", {"settled_at": timezone.now()}),
        ("rejected", {"settled_at": timezone.now(), "code": "212", "message": "Tag does not exist"}),
    ):
        LeadChangeFactory(run=run, lead=LeadFactory(account=account), status=status, **more)

    part = staff.get(reverse("admin:leads_bulkrun_progress", args=[run.pk])).context
    told = part["progress"]

    assert (told["members"], told["finished"], told["percent"], told["amount"]) == (4, 3, 75, "3 of 4 leads")
    assert {part["status"]: part["width"] for part in told["bar"] if part["width"]} == {
        "accepted": 50.0,
        "rejected": 25.0,
        "waiting": 25.0,
    }
    assert [each["words"] for each in part["results"]] == ["failed", "done", "done"]


@pytest.mark.parametrize(
    ("state", "statuses", "amount", "percent", "pace"),
    [
        ("running", ["accepted", "waiting"], "1 of 2 leads", 50, "about 1 second left"),
        ("running", ["waiting"], "0 of 1 lead", 0, "about 1 second left"),
        ("running", ["unknown", "unknown"], "0 of 2 leads", 0, "checking with Kartra"),
        ("paused", ["accepted", "waiting"], "1 of 2 leads", 50, ""),
        ("cancelled", ["accepted", "cancelled", "cancelled", "cancelled"], "1 of 4 leads, 3 cancelled", 25, ""),
    ],
)
def test_time_left_is_told_only_while_something_goes_out(staff, account, state, statuses, amount, percent, pace):
    now = timezone.now()
    ends = {"paused_at": now} if state == "paused" else {"ended_at": now} if state == "cancelled" else {}
    run = BulkRunFactory(account=account, state=state, **ends)
    BulkRun.objects.filter(pk=run.pk).update(created_at=now - dt.timedelta(minutes=1))
    for status in statuses:
        settled = {"settled_at": now} if status in ("accepted", "cancelled") else {}
        LeadChangeFactory(run=run, lead=LeadFactory(account=account), status=status, **settled)
    Connection.objects.update(calls_per_second=1)

    told = staff.get(reverse("admin:leads_bulkrun_progress", args=[run.pk])).context["progress"]

    assert (told["amount"], told["percent"], told["pace"]) == (amount, percent, pace)
    assert amount in staff.get(run.get_absolute_url()).content.decode()
    assert f"{percent} %" in staff.get(reverse("admin:leads_bulkrun_changelist")).content.decode()


def test_files_are_there_for_what_there_is(staff, account):
    run = BulkRunFactory(account=account)
    LeadChangeFactory(run=run, lead=LeadFactory(account=account))

    page = " ".join(staff.get(run.get_absolute_url()).content.decode().split())

    assert "csv/?status=waiting" in page
    assert "csv/?status=accepted" not in page


def test_refused_ones_lead_to_the_bulk_action_that_tried_them_again(staff, account):
    run = BulkRunFactory(account=account, state="finished", ended_at=timezone.now())
    LeadChangeFactory(
        run=run, lead=LeadFactory(account=account), status="rejected", code="212", settled_at=timezone.now()
    )
    assert "Try again under Failed changes" in staff.get(run.get_absolute_url()).content.decode()
    again = retry.retry(account, run.changes.all())

    page = staff.get(run.get_absolute_url()).content.decode()

    assert f'Tried again in <a href="{again.get_absolute_url()}">bulk action {again.pk}</a>: running.' in page
    assert "Try again under Failed changes" not in page


def test_group_comes_as_csv_with_a_line_of_who_took_it(staff, account):
    run = tagged(account, 2)
    Lead.objects.filter(pk=run.changes.first().lead_id).update(first_name="=cmd()")
    LeadChangeFactory(
        run=run,
        lead=LeadFactory(account=account),
        status="rejected",
        settled_at=timezone.now(),
        code="212",
        message="No, “tag”",
    )
    url = reverse("admin:leads_bulkrun_csv", args=[run.pk])

    done = b"".join(staff.get(f"{url}?status=accepted").streaming_content).decode()
    refused = b"".join(staff.get(f"{url}?status=rejected&code=212").streaming_content).decode()

    assert done.startswith("\ufeffLead ID,Email,")
    assert len(done.splitlines()) == 3
    assert ",'=cmd()," in done
    assert "No, “tag”" in refused
    assert [entry.change_message for entry in LogEntry.objects.order_by("pk")] == [
        "Downloaded as CSV: accepted",
        "Downloaded as CSV: rejected-212",
    ]


def test_files_take_their_own_permission(client, account):
    run = tagged(account, 1)
    user = StaffFactory()
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_bulkrun", "steer_bulkrun"]))
    client.force_login(user)

    assert "CSV" not in client.get(run.get_absolute_url()).content.decode()
    assert client.get(reverse("admin:leads_bulkrun_csv", args=[run.pk])).status_code == 403


def undo_url(run):
    return reverse("admin:leads_bulkrun_undo", args=[run.pk])


def test_undo_page_says_who_changes_back_and_who_not_and_two_clicks_are_one_undo(staff, account):
    run = tagged(account, 3)
    moved = run.changes.first().lead
    mirror.set_tag(moved, "VIP", False, source=Source.WEBHOOK, at=timezone.now())

    page = staff.get(undo_url(run))
    text = page.content.decode()
    assert "<strong>2</strong> leads will change back" in text
    assert "1 changed since" in text
    assert str(moved) in text
    answers = [staff.post(undo_url(run), {"mark": page.context["mark"], "why": "by mistake"}) for _ in range(2)]

    undone = BulkRun.objects.get(undoes=run)
    assert answers[0].url == undone.get_absolute_url()
    assert (undone.why, undone.created_by, undone.changes.count()) == ("by mistake", staff.user, 2)
    assert f"bulk action {undone.pk}" in staff.get(run.get_absolute_url()).content.decode()
    assert run.name in staff.get(undone.get_absolute_url()).content.decode()


def test_undo_of_a_large_one_comes_before_its_numbers(staff, account):
    run = tagged(account, 3)
    BulkRun.objects.filter(pk=run.pk).update(expected=5001)

    first = staff.get(undo_url(run)).content.decode()
    assert "Counting what can be undone" in first
    assert 'hx-get="?counted"' in first
    page = staff.get(f"{undo_url(run)}?counted")
    assert "<strong>3</strong> leads will change back" in page.content.decode()
    staff.post(undo_url(run), {"mark": page.context["mark"]})
    assert BulkRun.objects.get(undoes=run).changes.count() == 3


def test_undo_asks_again_when_the_numbers_have_changed(staff, account):
    run = tagged(account, 2)
    mark = staff.get(undo_url(run)).context["mark"]
    mirror.set_tag(run.changes.first().lead, "VIP", False, source=Source.WEBHOOK, at=timezone.now())

    answer = staff.post(undo_url(run), {"mark": mark}, follow=True)

    assert "now 1 change can be undone" in answer.content.decode()
    assert not BulkRun.objects.filter(undoes=run).exists()


def test_what_happened_next_is_shown_and_ticked(staff, account):
    MailingListFactory(account=account, name="Buyers")
    run = tagged(account, 2)
    lead = run.changes.first().lead
    mirror.set_list(lead, "Buyers", True, source=Source.WEBHOOK, at=timezone.now())
    Activity.objects.create(
        account=account,
        lead=lead,
        kind="payment_sale",
        at=timezone.now(),
        source="ipn",
        details={"product_name": "Course"},
    )
    assert "joined the list Buyers" in staff.get(run.get_absolute_url()).content.decode()

    page = staff.get(undo_url(run))
    text = page.content.decode()
    assert "bought Course" in text
    assert "Mail that Kartra has already sent cannot be unsent" in text
    staff.post(undo_url(run), {"mark": page.context["mark"], "also": ["list_joined:Buyers", "payment_sale:Course"]})

    undone = BulkRun.objects.get(undoes=run)
    assert sorted(undone.changes.values_list("kind", flat=True)) == ["unassign_tag", "unassign_tag", "unsubscribe_list"]


def test_what_happened_next_ends_after_some_days_and_the_pages_say_so(staff, account):
    run = tagged(account, 2)
    lead = run.changes.first().lead
    for days, name in ((side_effects.DAYS - 1, "Soon"), (side_effects.DAYS + 1, "Late")):
        at = run.ended_at + dt.timedelta(days=days)
        MailingListFactory(account=account, name=name)
        mirror.set_list(lead, name, True, source=Source.WEBHOOK, at=at)

    assert [each.words for each in side_effects.happened_next(run)] == ["joined the list Soon"]
    for url in (run.get_absolute_url(), undo_url(run)):
        page = staff.get(url).content.decode()
        assert f"the {side_effects.DAYS} days after" in page
        assert "joined the list Soon" in page
        assert "joined the list Late" not in page


def test_what_was_taken_back_since_is_not_offered_again(staff, account):
    MailingListFactory(account=account, name="Buyers")
    run = tagged(account, 2)
    one, other = (change.lead for change in run.changes.all())
    for lead in (one, other):
        mirror.set_list(lead, "Buyers", True, source=Source.WEBHOOK, at=timezone.now())
    mirror.set_list(one, "Buyers", False, source=Source.PUSH, at=timezone.now())
    assert "(still true for 1)" in staff.get(undo_url(run)).content.decode()
    mirror.set_list(other, "Buyers", False, source=Source.PUSH, at=timezone.now())

    text = staff.get(undo_url(run)).content.decode()

    assert "(no longer true)" in text
    assert 'name="also"' not in text


def test_undo_takes_the_permission_of_what_it_does(client, account):
    run = tagged(account, 1)
    user = StaffFactory()
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_bulkrun", "steer_bulkrun"]))
    client.force_login(user)
    mark = client.get(undo_url(run)).context["mark"]

    assert client.post(undo_url(run), {"mark": mark}).status_code == 403
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_bulkrun"]))
    assert client.get(undo_url(run)).status_code == 403
    assert LeadTag.objects.count() == 1


def test_pages_of_run_and_undo_cost_the_same_for_more_rows(staff, account, django_assert_max_num_queries):
    few = tagged(account, 2)
    urls = [few.get_absolute_url(), undo_url(few)]
    counts = []
    for url in urls:
        staff.get(url)
        with django_assert_max_num_queries(60) as counted:
            staff.get(url)
        counts.append(len(counted.captured_queries))
    other = ConnectionFactory(sending="on").account
    TagFactory(account=other, name="VIP")
    LeadFactory.create_batch(60, account=other)
    many = changes.record_run(other, other.leads.all(), kinds.get_kind("assign_tag"), {"tag": "VIP"})
    for change in many.changes.select_related("lead"):
        accept_change(change)
        kinds.get_kind("assign_tag").effect(change, timezone.now())
    transitions.finish_run_if_over(many.pk)
    for url, most in zip([many.get_absolute_url(), undo_url(many)], counts, strict=True):
        with django_assert_max_num_queries(most + 1):  # the rate is asked again every few seconds
            staff.get(url)


def test_its_author_is_told_once_that_it_has_ended(staff, account):
    run = tagged(account, 2, by=staff.user)
    leads = reverse("admin:leads_lead_changelist")

    first, second = (staff.get(leads).content.decode() for _ in range(2))

    assert "“Assign the tag VIP” is finished: 2 done." in first
    assert run.get_absolute_url() in first
    assert "is finished" not in second
