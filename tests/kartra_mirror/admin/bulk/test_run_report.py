"""What the page of a bulk action says in people, while it goes and when it has ended, and doing it again."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from leads import changes, kinds, transitions
from leads.changes import runs
from leads.models import BulkRun, ChangeStatus, GroupLimits, Lead, LeadChange, RunDraft, StaffLimits
from tests.factories import BulkRunFactory, ConnectionFactory, LeadChangeFactory, LeadFactory, StaffFactory, TagFactory
from tests.kartra_mirror.admin.drafts import choose, preview
from tests.kartra_mirror.admin.staff.members import member
from tests.recording import accept_change

pytestmark = pytest.mark.django_db
TWO = {"steps": [["assign_tag", {"tag": "VIP"}], ["give_points", {"points": 5}]]}


def text_of(answer):
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


def progress(client, run):
    return client.get(reverse("admin:leads_bulkrun_progress", args=[run.pk])).context["progress"]


def refuse(change):
    LeadChange.objects.filter(pk=change.pk).update(
        status=ChangeStatus.REJECTED, code="212", message="Tag does not exist", settled_at=timezone.now()
    )


def test_people_are_counted_not_their_changes(staff, account):
    ada, bo, cy = LeadFactory.create_batch(3, account=account)
    run = changes.record_run(account, Lead.objects.all(), kinds.SEVERAL, TWO)
    accept_change(run.changes.filter(lead=ada).first())
    accept_change(run.changes.filter(lead=bo).first())
    refuse(run.changes.filter(lead=bo).last())
    for change in run.changes.filter(lead=cy):
        accept_change(change)

    told = progress(staff, run)

    assert {each["status"]: each["number"] for each in told["counts"] if each["number"]} == {
        "waiting": 1,
        "rejected": 1,
        "accepted": 1,
    }
    assert (told["amount"], told["queued"]) == ("2 of 3 leads", 1)


def test_changes_are_counted_where_nobody_knows_whose_the_old_ones_were(staff, account):
    run = BulkRunFactory(
        account=account,
        kind="several",
        parameters=TWO,
        state="finished",
        ended_at=timezone.now(),
        past_counts={"accepted": 4},
    )

    assert progress(staff, run)["amount"] == "4 of 4 changes"


def test_ended_one_is_a_report_of_what_happened(staff, account):
    LeadFactory.create_batch(3, account=account)
    run = changes.record_run(
        account, Lead.objects.all(), kinds.SEVERAL, TWO, by=staff.user, why="Fair in May", expected=3
    )
    *done, last = run.changes.order_by("lead", "pk")
    for change in done:
        accept_change(change)
    refuse(last)
    transitions.finish_run_if_over(run.pk)

    text = text_of(staff.get(run.get_absolute_url()))

    assert f"By {staff.user}" in text
    assert "Reason Fair in May" in text
    assert "Took about 1 second" in text
    assert "Preview 3 leads would change Happened 2 leads were changed" in text
    assert "3 of 3 leads finished 100 % 2 done CSV 1 failed CSV" in text
    assert "queued" not in text
    assert "Pause" not in text


def test_cancelling_says_how_many_it_ends(staff, account):
    run = BulkRunFactory(account=account)
    LeadChangeFactory.create_batch(2, run=run, lead__account=account)
    LeadChangeFactory(run=run, lead__account=account, status="accepted", settled_at=timezone.now())

    page = staff.get(run.get_absolute_url())
    assert "2 leads are still queued and are not changed then." in text_of(page)
    assert '<summary class="btn bad">Cancel the rest…</summary>' in page.content.decode()
    runs.pause(run)
    assert "2 leads are still queued" in text_of(staff.get(run.get_absolute_url()))


@pytest.mark.parametrize(("state", "shown"), [("preparing", ["cancel"]), ("cancelling", [])])
def test_buttons_are_those_that_would_do_something(staff, account, state, shown):
    run = BulkRunFactory(account=account, state=state)
    LeadChangeFactory(run=run, lead__account=account)

    page = staff.get(run.get_absolute_url()).content.decode()

    assert [do for do in ("pause", "resume", "cancel") if f'value="{do}"' in page] == shown


def started(client, account, number=2, **given):
    """A bulk action that was started from its preview and has ended."""
    leads = LeadFactory.create_batch(number, account=account)
    url = choose(client, leads, everything=True)
    shown = preview(client, url, **given)
    client.post(url, {"do": "start", "mark": shown["mark"]})
    run = BulkRun.objects.latest("pk")
    for change in run.changes.all():
        accept_change(change)
    transitions.finish_run_if_over(run.pk)
    run.refresh_from_db()
    return run


def again_url(run):
    return reverse("admin:leads_bulkrun_again", args=[run.pk])


def test_done_again_for_the_same_selection_as_it_is_now(staff, account):
    run = started(staff, account, force="on", why="Fair in May")
    newcomer = LeadFactory(account=account)
    assert again_url(run) in staff.get(run.get_absolute_url()).content.decode()

    url = staff.post(again_url(run)).url

    shown = staff.get(url).context
    assert (shown["preview"]["sentence"], shown["chosen"], shown["choices"].force) == ("Assign the tag VIP", 3, True)
    assert newcomer in shown["preview"]["names"]
    assert shown["form"].initial["why"] == ""
    assert BulkRun.objects.count() == 1  # nothing is started by it
    staff.post(url, {"do": "start", "mark": shown["preview"]["mark"]})
    assert BulkRun.objects.latest("pk").changes.filter(lead=newcomer).exists()


def test_done_again_asks_anew_where_what_was_meant_is_no_more(staff, account):
    run = started(staff, account)
    account.tags.all().delete()
    TagFactory(account=account, name="Other")

    page = staff.get(staff.post(again_url(run)).url)

    assert page.context["preview"] is None
    assert RunDraft.objects.latest("created_at").parameters["form"]["tag"] == "VIP"


def test_not_done_again_before_it_has_ended_nor_without_a_known_selection(staff, account):
    LeadFactory(account=account)
    unknown = BulkRunFactory(account=account, state="finished", ended_at=timezone.now())
    going = started(staff, account)
    BulkRun.objects.filter(pk=going.pk).update(state="running", ended_at=None)

    for run in (unknown, going):
        assert again_url(run) not in staff.get(run.get_absolute_url()).content.decode()
        assert staff.post(again_url(run)).status_code == 403
        assert staff.get(again_url(run)).url == run.get_absolute_url()
    assert RunDraft.objects.count() == 1


def without_the_kind(user):
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_bulkrun", "view_lead", "start_bulkrun"]))


def without_the_bound(user):
    user.groups.set([member("Marketer").groups.get()])
    GroupLimits.objects.filter(group__name="Marketer").update(largest_run=1)


def without_the_account(user):
    user.groups.set([member("Marketer").groups.get()])
    StaffLimits.objects.create(user=user, limited=True).accounts.set([ConnectionFactory().account])


@pytest.mark.parametrize(
    ("narrow", "seen", "refusal"),
    [(without_the_kind, 200, 403), (without_the_bound, 200, 403), (without_the_account, 404, 404)],
)
def test_not_done_again_by_who_may_not(client, staff, account, narrow, seen, refusal):
    run = started(staff, account)
    user = StaffFactory()
    narrow(user)
    client.force_login(user)

    page = client.get(run.get_absolute_url())

    assert (page.status_code, again_url(run) in page.content.decode()) == (seen, False)
    assert client.post(again_url(run)).status_code == refusal
    assert RunDraft.objects.count() == 1


def test_done_again_in_the_account_it_was_done_in(staff, account):
    run = started(staff, account)
    other = ConnectionFactory().account
    elsewhere = LeadFactory(account=other)

    draft = staff.get(staff.post(again_url(run)).url).context

    assert elsewhere not in draft["preview"]["names"]
    assert draft["chosen"] == 2


def test_first_few_of_a_larger_one_are_not_done_again_by_its_draft(staff, account):
    run = started(staff, account)
    RunDraft.objects.update(run=None, started_at=None, tried=run)

    assert again_url(run) not in staff.get(run.get_absolute_url()).content.decode()
    assert staff.post(again_url(run)).status_code == 403
