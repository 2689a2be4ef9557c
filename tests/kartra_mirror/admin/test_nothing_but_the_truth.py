"""Sentences that said more than was known."""

import io

import pytest
from django.utils import timezone

from integrations.sending import switch
from kartra_mirror.admin.home import demo_tasks
from kartra_mirror.admin.leads import outcome_messages
from kartra_mirror.admin.queue import decisions
from leads import changes, kinds, mirror
from leads.importing import people_list
from leads.models import Activity, Lead, RecurringSubscription, Tag
from leads.models.remarks import sentence_of
from tests.factories import ConnectionFactory, LeadChangeFactory, LeadFactory, StaffFactory
from tests.two_sources import account_with_lead, push, webhook

pytestmark = pytest.mark.django_db


def test_our_own_change_coming_back_ticks_no_trial(staff, settings):
    endpoint, lead = account_with_lead()
    settings.SANDBOX_URL = endpoint.connection.api_url.removesuffix("/api")
    request = staff.get("/admin/setup/").wsgi_request

    def arrived():
        [trial] = [each for each in demo_tasks.of(request, [endpoint.connection]) if "see it arrive" in each.title]
        return trial.done

    settle = push("assign_tag", "assign_tag", tag="VIP")(endpoint, lead)

    webhook("assign_tag", tag={"tag_name": "VIP"})(endpoint, lead)()  # before the answer, so that it changes our copy
    settle()

    assert not arrived()
    webhook("assign_tag", tag={"tag_name": "buyer"})(endpoint, lead)()
    assert arrived()


def test_answer_that_was_empty_is_not_called_unreachable():
    at = timezone.now() + timezone.timedelta(minutes=1)
    words = switch.why_not_sending(ConnectionFactory(sending="on", failures=2, hold_until=at))

    assert "No usable answer from Kartra" in words
    assert "reached" not in words


def test_colleague_who_changed_it_here_is_named():
    lead = LeadFactory()
    colleague = StaffFactory(username="bea")
    theirs = LeadChangeFactory(
        lead=lead,
        kind="update_lead",
        parameters={"city": "Oslo"},
        requested_by=colleague,
        status="accepted",
        settled_at=timezone.now(),
    )
    mirror.set_profile(lead, {"city": "Oslo"}, at=timezone.now(), change=theirs)
    change = LeadChangeFactory(
        lead=lead,
        kind="update_lead",
        parameters={"city": "Bend"},
        baseline={"city": ["Salem"]},
        status="undecided",
        reason="conflict",
        message="city is now Oslo in Kartra",
    )

    assert "because bea changed it here meanwhile" in outcome_messages.sentence(change)
    Activity.objects.create(
        account=lead.account,
        lead=lead,
        kind="changed_in_kartra",
        at=timezone.now(),
        source="refresh",
        details={"field": "city", "was": "Oslo", "is": "Rome"},
    )
    assert "because it was changed meanwhile" in outcome_messages.sentence(change)


@pytest.mark.parametrize(
    ("kind", "parameters", "text"),
    [
        ("give_points", {"points": 5}, False),
        ("subscribe_calendar", {"calendar": "Coaching", "class": "Intro call"}, False),
        ("assign_tag", {"tag": "VIP"}, False),
        ("update_lead", {"city": "<b>"}, True),
        ("assign_tag", {"tag": "{x}"}, True),
    ],
)
def test_firewall_is_named_only_where_there_is_a_text_that_it_may_refuse(kind, parameters, text):
    change = LeadChangeFactory(kind=kind, parameters=parameters, status="undecided", reason="firewall")

    told = [outcome_messages.sentence(change), str(decisions.advice(change)), change.get_reason_display()]

    assert ["firewall" in words for words in told] == [text, text, False]
    assert ("text" in told[1]) is text


def test_nothing_sold_is_said_as_kartras_word_once_it_was_asked(staff):
    lead = LeadFactory(orders_read_at=None)
    address = f"{lead.get_absolute_url()}?tab=money"
    assert "Update transactions" in staff.get(address).content.decode().split("Orders")[-1]

    mirror.mark_orders_read(lead, timezone.now())

    page = staff.get(address).content.decode()
    assert "None known" not in page.split("Orders")[-1]
    assert page.count("Kartra had none on ") == 2


@pytest.mark.parametrize(
    ("status", "charged"), [("Active", True), ("Paused", False), ("paused", False), ("Cancelled", False)]
)
def test_only_a_plan_that_is_charged_has_a_next_payment(staff, status, charged):
    lead = LeadFactory()
    RecurringSubscription.objects.create(
        account=lead.account,
        kartra_id="8001",
        lead=lead,
        status=status,
        next_payment_at=timezone.now(),
        next_payment_amount=29,
    )

    page = staff.get(f"{lead.get_absolute_url()}?tab=money").content.decode()

    assert ("Next payment" in page) is charged


def test_people_of_a_file_are_told_the_separator():
    account = LeadFactory().account
    Tag.objects.create(account=account, name="VIP")
    found = people_list.read(account, io.BytesIO(b'Email,Tags\nada@example.com,"VIP, buyer"\n'))

    assert found.people == []
    assert "semicolons" in sentence_of(found.bad[0][1])


def test_people_whom_kartra_does_not_have_are_no_targets_of_a_bulk_action():
    here, absent, made = LeadFactory(), LeadFactory(kartra_id=None), LeadFactory(kartra_id=None)
    account = here.account
    Tag.objects.create(account=account, name="VIP")
    Lead.objects.filter(pk__in=[absent.pk, made.pk]).update(account=account, absent_at=timezone.now())
    LeadChangeFactory(lead=Lead.objects.get(pk=made.pk), kind="create_lead", parameters={"email": made.email})
    chosen = Lead.objects.filter(account=account)
    assign = kinds.get_kind("assign_tag")

    counted = changes.preview_change(account, chosen, assign, {"tag": "VIP"})
    run = changes.record_run(account, chosen, assign, {"tag": "VIP"})

    assert (counted.total, counted.will_change, counted.absent) == (3, 2, 1)
    assert counted.total == counted.will_change + counted.already_so + counted.left_out + counted.gone + counted.absent
    told = {change.lead_id: (change.status, change.reason, change.words) for change in run.changes.all()}
    assert told == {
        here.pk: ("waiting", "", ""),
        made.pk: ("waiting", "", ""),
        absent.pk: ("skipped", "absent", "Kartra has no lead of this address."),
    }
