"""The first five minutes: three trials against the Kartra sandbox that tick by what the person did, and the way back to them."""

import time

import pytest
from django.urls import reverse
from django.utils import timezone

from integrations import push
from integrations.models import ApiCall
from integrations.push import verify
from integrations.setup import demo_database
from leads import changes, kinds, mirror
from leads.models import BulkRun, Lead, MailingList
from tests.factories import ConnectionFactory, DeliveryFactory, LeadFactory, StaffFactory, WebhookEndpointFactory
from tests.recording import record_change

pytestmark = pytest.mark.django_db


@pytest.fixture
def demo(staff, sandbox, connection, settings):
    """A connection to the Kartra sandbox of this installation."""
    settings.SANDBOX_URL = sandbox.base
    return connection


def trials(client):
    return {trial.title: trial for trial in client.get("/admin/").context_data["trials"]}


def tag_all(demo, by):
    changes.record_run(demo.account, Lead.objects.all(), kinds.get_kind("assign_tag"), {"tag": "VIP"}, by=by)
    push.drain(demo)


def test_three_trials_are_offered_and_tick_themselves(staff, sandbox, demo):
    found = MailingList.objects.get(account=demo.account, name="Demo 25")
    lead = sandbox.mirrored_lead(demo, "ada@example.com")
    watch, arrive, fail = trials(staff).values()
    assert [watch.done, arrive.done, fail.done] == [False, False, False]
    assert [watch.now, arrive.now, fail.now] == [True, False, False]
    assert staff.get(watch.links[0][1]).url == f"/admin/leads/lead/?list={found.pk}"
    assert arrive.links[0][1] == f"{sandbox.base}/leads/{lead.kartra_id}"
    assert staff.get(arrive.links[1][1]).url == lead.get_absolute_url()

    tag_all(demo, staff.user)
    assert BulkRun.objects.get().state == "finished"
    assert not trials(staff)["Tag 25 leads and watch"].done  # one is not 25
    for number in range(24):
        sandbox.mirrored_lead(demo, f"lead{number}@example.com")
    tag_all(demo, None)
    tag_all(demo, StaffFactory(is_superuser=True))
    assert not trials(staff)["Tag 25 leads and watch"].done  # somebody else did
    tag_all(demo, staff.user)
    watch, arrive, fail = trials(staff).values()
    assert [watch.done, arrive.done, fail.done] == [True, False, False]
    assert [watch.now, arrive.now, fail.now] == [False, True, False]

    DeliveryFactory(
        endpoint=WebhookEndpointFactory(connection=demo),
        action="assign_tag",
        changed=[],
        status="applied",
        applied_at=timezone.now(),
    )
    assert not trials(staff)["Change someone in the Kartra sandbox and see it arrive"].done
    mirror.set_tag(lead, "buyer", True, source="webhook", at=timezone.now())
    assert trials(staff)["Change someone in the Kartra sandbox and see it arrive"].done


def test_what_the_demo_let_happen_ticks_no_trial(staff, sandbox, demo):
    title = "Change someone in the Kartra sandbox and see it arrive"
    lead = sandbox.mirrored_lead(demo, "ada@example.com")
    demo_database.claim()
    mirror.set_tag(lead, "buyer", True, source="webhook", at=timezone.now())
    assert not trials(staff)[title].done

    demo_database.note_filled()
    assert not trials(staff)[title].done

    mirror.set_tag(lead, "VIP", True, source="webhook", at=timezone.now())
    assert trials(staff)[title].done


def test_home_says_how_far_the_demo_is_filled_while_it_is(staff, sandbox, demo):
    sandbox.mirrored_lead(demo, "ada@example.com")
    LeadFactory.create_batch(3, account=demo.account, read_at=None)
    assert "being filled" not in staff.get("/admin/home/now/").content.decode()

    demo_database.claim()
    page = staff.get("/admin/home/now/").content.decode()
    assert "1 of 4 leads checked with Kartra" in " ".join(page.split())
    assert 'value="25"' in page

    demo_database.note_filled()
    assert "being filled" not in staff.get("/admin/home/now/").content.decode()


def test_pages_of_a_trial_lead_back_to_it_and_say_when_it_is_done(staff, sandbox, demo):
    lead = sandbox.mirrored_lead(demo, "ada@example.com")
    page = staff.get(reverse("admin:try", args=["arrive"]), follow=True).content.decode()
    assert 'href="/admin/#trials-title">Back to the trials' in page
    assert "Add a tag there" in page
    assert "Back to the trials" in staff.get("/admin/leads/lead/").content.decode()

    mirror.set_tag(lead, "VIP", True, source="webhook", at=timezone.now())
    page = staff.get(lead.get_absolute_url()).content.decode()
    assert "Done: Change someone in the Kartra sandbox and see it arrive" in page

    staff.get("/admin/")
    assert "Back to the trials" not in staff.get(lead.get_absolute_url()).content.decode()


def test_ticks_come_while_home_is_open(staff, sandbox, demo):
    lead = sandbox.mirrored_lead(demo, "ada@example.com")
    assert "Done:" not in staff.get("/admin/home/trials/").content.decode()
    mirror.set_tag(lead, "VIP", True, source="webhook", at=timezone.now())
    assert "Done:" in staff.get("/admin/home/trials/").content.decode()


def test_a_lost_answer_is_checked_and_proven(staff, sandbox, demo):
    lead = sandbox.mirrored_lead(demo, "ada@example.com")
    words = staff.post(reverse("admin:try", args=["lose"]), follow=True).content.decode()
    assert "its answer will get lost" in words
    change = record_change(lead, kinds.get_kind("assign_tag"), {"tag": "VIP"}, by=staff.user)

    push.drain(demo)
    change.refresh_from_db()
    assert change.status == "unknown"

    for _ in range(20):
        time.sleep(0.3)
        verify.drain(demo)
        change.refresh_from_db()
        if change.status == "accepted":
            break
    assert change.status == "accepted"
    trial = trials(staff)["Let Kartra fail and see what we tell you"]
    assert (trial.done, [name for name, _label in trial.buttons]) == (False, ["refuse"])


def test_a_refusal_is_on_home_with_its_cause(staff, sandbox, demo):
    lead = sandbox.mirrored_lead(demo, "ada@example.com")
    page = staff.post(reverse("admin:try", args=["refuse"]), follow=True).content.decode()
    assert "Refuse one change. The Kartra sandbox will refuse the next tag." in page
    record_change(lead, kinds.get_kind("assign_tag"), {"tag": "VIP"}, by=staff.user)

    push.drain(demo)

    assert "Done: Refuse one change" in staff.get(lead.get_absolute_url()).content.decode()
    assert f"{lead}: “Assign the tag VIP” failed" in staff.get("/admin/").content.decode()
    trial = trials(staff)["Let Kartra fail and see what we tell you"]
    assert (trial.done, [name for name, _label in trial.buttons]) == (False, ["lose"])
    ApiCall.objects.update(outcome="unknown")
    assert trials(staff)["Let Kartra fail and see what we tell you"].done
    assert "Done: Refuse one change" not in staff.get(lead.get_absolute_url()).content.decode()  # home was the way back


def test_the_last_tick_is_seen_before_the_trials_go(staff, sandbox, demo):
    for number in range(25):
        lead = sandbox.mirrored_lead(demo, f"lead{number}@example.com")
    tag_all(demo, staff.user)
    mirror.set_tag(lead, "buyer", True, source="webhook", at=timezone.now())
    staff.post(reverse("admin:try", args=["refuse"]))
    record_change(lead, kinds.get_kind("assign_tag"), {"tag": "trial"}, by=staff.user)
    push.drain(demo)
    ApiCall.objects.filter(attempts__proof="refused").update(outcome="unknown")

    assert [trial.done for trial in trials(staff).values()] == [True, True, True]
    assert trials(staff) == {}


def test_trials_are_for_those_who_may(staff, client, sandbox, demo):
    client.force_login(StaffFactory())
    assert client.get("/admin/").context_data["trials"] == []
    assert "Try it" not in client.get("/admin/home/trials/").content.decode()
    assert client.post(reverse("admin:try", args=["lose"])).status_code == 403


def test_a_real_kartra_is_never_told_to_fail(staff, sandbox, connection, monkeypatch):
    """The connection of this test is not to the Kartra sandbox of the installation."""
    from integrations import sandbox_control

    monkeypatch.setattr(sandbox_control, "ask", lambda *args, **given: pytest.fail("it was told to fail"))
    assert staff.post(reverse("admin:try", args=["lose"])).status_code == 302
    assert staff.get(reverse("admin:try", args=["lose"])).status_code == 302
    assert staff.post(reverse("admin:try", args=["explode"])).status_code == 403
    assert staff.get("/admin/").context_data["trials"] == []


def test_a_pretend_kartra_that_does_not_run_is_said(staff, settings):
    settings.SANDBOX_URL = "http://127.0.0.1:9"
    ConnectionFactory(api_url="http://127.0.0.1:9/api")
    assert "does not answer" in staff.post(reverse("admin:try", args=["lose"]), follow=True).content.decode()
