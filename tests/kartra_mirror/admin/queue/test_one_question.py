"""Changes that end together on pages: one question for several, what was overtaken, and one that is cancelled from its page."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from leads.models import LeadChange
from tests.factories import BulkRunFactory, ConnectionFactory, LeadChangeFactory, LeadFactory, StaffFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def lead(db):
    return LeadFactory(account=ConnectionFactory().account, first_name="Ada", last_name="Lind")


@pytest.fixture
def question(lead):
    held = {
        "lead": lead,
        "family": "list:News",
        "parameters": {"list": "News"},
        "status": "undecided",
        "reason": "outcome",
    }
    last = LeadChangeFactory(kind="subscribe_list", **held)
    first = LeadChangeFactory(kind="unsubscribe_list", decided_with=last, **held)
    return first, last


def test_several_changes_are_one_question_everywhere(staff, question):
    _, last = question

    page = staff.get(reverse("admin:decisions")).content.decode()
    one = staff.get(reverse("admin:decision", args=[last.pk])).content.decode()

    assert "1 change needs your decision" in page
    assert "with it: remove from the list News" in page
    assert "Your answer counts for all of these" in one
    assert "Remove from the list News" in one


def test_one_answer_on_the_page_ends_all_of_them(staff, question):
    first, last = question

    staff.post(reverse("admin:decision", args=[last.pk]), {"answer": "give-up", "why": "seen in Kartra"})

    assert set(LeadChange.objects.values_list("status", "decided_with")) == {("cancelled", None)}
    assert LeadChange.objects.count() == 2
    assert first.pk != last.pk


def test_what_was_overtaken_says_by_which_bulk_action_and_whose(staff, lead):
    kim = StaffFactory(username="kim", first_name="Kim", last_name="Okafor")
    run = BulkRunFactory(account=lead.account)
    later = LeadChangeFactory(lead=lead, run=run, requested_by=kim, status="accepted", settled_at=timezone.now())
    change = LeadChangeFactory(lead=lead, status="superseded", superseded_by=later, settled_at=timezone.now())

    page = staff.get(reverse("admin:leads_leadchange_change", args=[change.pk])).content.decode()

    assert f"overtaken by a later change (bulk action {run.pk}, kim)" in page


def test_waiting_change_is_cancelled_from_its_page(staff, lead):
    change = LeadChangeFactory(lead=lead)
    url = reverse("admin:leads_leadchange_cancel", args=[change.pk])
    assert url in staff.get(change.get_absolute_url()).content.decode()
    staff.get(url)
    assert LeadChange.objects.get().status == "waiting"

    page = staff.post(url, follow=True).content.decode()

    assert "1 change is cancelled." in page
    assert LeadChange.objects.get().status == "cancelled"
    assert url not in page


def test_change_that_was_sent_meanwhile_is_not_cancelled(staff, lead):
    change = LeadChangeFactory(lead=lead, status="sending")

    page = staff.post(reverse("admin:leads_leadchange_cancel", args=[change.pk]), follow=True).content.decode()

    assert "cannot be cancelled" in page
    assert LeadChange.objects.get().status == "sending"


def test_cancelling_a_creation_takes_what_needs_it_along(staff):
    lead = LeadFactory(account=ConnectionFactory().account, kartra_id=None)
    creation = LeadChangeFactory(lead=lead, kind="create_lead", family="profile", parameters={"email": lead.email})
    LeadChangeFactory(lead=lead)

    page = staff.post(reverse("admin:leads_leadchange_cancel", args=[creation.pk]), follow=True).content.decode()

    assert "2 changes are cancelled." in page


def test_nobody_cancels_what_they_may_not_ask_for(client, lead):
    user = StaffFactory()
    user.user_permissions.add(Permission.objects.get(codename="view_leadchange"))
    client.force_login(user)
    change = LeadChangeFactory(lead=lead)
    url = reverse("admin:leads_leadchange_cancel", args=[change.pk])

    assert url not in client.get(change.get_absolute_url()).content.decode()
    assert client.post(url).status_code == 403
    assert LeadChange.objects.get().status == "waiting"
