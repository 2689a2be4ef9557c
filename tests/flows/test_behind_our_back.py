"""What changes in Kartra without a word: after one full refresh our copy says the same, and nobody is split in two."""

import io
import json
import time

import pytest
from django.core.management import CommandError, call_command

from integrations import receive
from integrations.models import ApiCall, DeletionReport, DeletionVerdict, Delivery, WebhookEndpoint
from integrations.read import deletions, refresh, schedule
from leads import kinds
from leads.models import Activity, Lead, LeadChange
from tests.files import loaded
from tests.recording import record_change

pytestmark = pytest.mark.django_db(transaction=True)


def run(*args):
    out = io.StringIO()
    call_command(*args, stdout=out, stderr=io.StringIO())
    return out.getvalue()


@pytest.fixture
def account_of(sandbox, connection):
    """Fills the pretend account with so many leads and makes all of them known, as an export would, and reads them."""

    def fill(number, read=True):
        sandbox.server.fill(number)
        rows = "".join(f"{lead['id']},{lead['email']}\n" for lead in sandbox.ask("GET", "leads"))
        loaded(connection.account, f"id,email\n{rows}")
        run("pull", "--connection", connection.name, "--catalogue")
        if read:
            run("refresh", "--connection", connection.name)
            assert not Lead.objects.filter(read_at=None).exists()
        return list(Lead.objects.order_by("pk"))

    return fill


def in_kartra(sandbox, lead, number):
    """One of many things that somebody may do to a lead in Kartra."""
    named = {"lead": lead.kartra_id}
    [
        lambda: sandbox.act("edit_lead", fields={"city": f"Town {number}", "phone": ""}, **named),
        lambda: sandbox.act("edit_lead", custom={"crm_ref": f"B-{number}", "shirt_size": ["610"]}, **named),
        lambda: sandbox.act("assign_tag", tag="needs call", **named),
        lambda: sandbox.act("unassign_tag", tag="VIP", **named),
        lambda: sandbox.act("subscribe_list", list="Partners", **named),
        lambda: sandbox.act("unsubscribe_list", list="Buyers", **named),
        lambda: sandbox.act("start_sequence", sequence="Win back", step="2", **named),
        lambda: sandbox.act("stop_sequence", sequence="Welcome series", **named),
        lambda: sandbox.act("grant_membership", membership="Trail Club", level="Gold", **named),
        lambda: sandbox.act("give_points", points=7, **named),
    ][number % 10]()


def wait_for(question, seconds=20):
    ends = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < ends, "It did not happen in time."
        time.sleep(0.05)


@pytest.mark.parametrize("by_id", [True, False])
def test_one_full_refresh_makes_our_copy_true_again(sandbox, connection, account_of, live_server, settings, by_id):
    settings.PUBLIC_URL = live_server.url
    leads = account_of(400 if by_id else 150)
    addresses = 20 if by_id else 0  # where get_lead takes no id a new address is only known by a message
    for number, lead in enumerate(leads[:100]):
        in_kartra(sandbox, lead, number)
    for number, lead in enumerate(leads[100 : 100 + addresses]):
        sandbox.act("change_email", lead=lead.kartra_id, to=f"moved{number}@example.net")
    one, other = leads[125:127]
    sandbox.act("swap_emails", lead=one.kartra_id, other=other.kartra_id)
    for lead in leads[130:145]:
        sandbox.act("delete_lead", lead=lead.kartra_id)
    endpoint = WebhookEndpoint.objects.create(connection=connection)
    sandbox.server.posts.register(endpoint.outbound_url)
    for number in range(10):
        id = sandbox.add_lead(f"new{number}@example.net", city="Bend")
        sandbox.act("assign_tag", lead=id, tag="VIP")
    wait_for(lambda: Delivery.objects.count() == 10)
    receive.drain()
    connection.get_lead_by_id = by_id
    connection.save()
    sandbox.switch(get_lead_by_id=by_id)
    different = run("pull", "--connection", connection.name, "--compare")
    before = list(Lead.objects.order_by("pk").values())

    assert "compared: 0 differences" not in different
    assert list(Lead.objects.order_by("pk").values()) == before
    text = run("refresh", "--connection", connection.name, "--until-fresh", "0s")

    assert "410 leads read" in text or not by_id
    assert "differences" in different
    assert "compared: 0 differences in 0 leads" in run("pull", "--connection", connection.name, "--compare")
    assert set(Lead.objects.exclude(gone_at=None).values_list("pk", flat=True)) == {lead.pk for lead in leads[130:145]}
    assert Lead.objects.count() == len(leads) + 10
    assert not Lead.objects.filter(kartra_id=None).exists()
    emails = dict(Lead.objects.filter(gone_at=None).values_list("kartra_id", "email"))
    assert (emails[one.kartra_id], emails[other.kartra_id]) == (other.email, one.email)
    assert {lead["email"] for lead in sandbox.ask("GET", "leads")} == set(emails.values())


def test_json_of_a_comparison_names_the_leads_and_fields(sandbox, connection, account_of):
    ada, bo, _ = account_of(3)
    sandbox.act("edit_lead", lead=ada.kartra_id, fields={"city": "Salem"})
    sandbox.act("delete_lead", lead=bo.kartra_id)

    found = json.loads(run("pull", "--connection", connection.name, "--compare", "--json"))["compared"]

    assert (found["compared"], found["differences"], found["not_compared"]) == (3, 2, 0)
    by_lead = {each["lead"]: each["differences"] for each in found["leads"]}
    assert by_lead == {
        ada.kartra_id: [{"field": "city", "was": ada.city, "is": "Salem"}],
        bo.kartra_id: [{"field": "deleted", "was": False, "is": True}],
    }
    assert "1 difference" in run("pull", "--connection", connection.name, "--lead", ada.kartra_id, "--compare")
    assert Lead.objects.filter(gone_at=None).count() == 3


def test_comparison_asks_again_where_it_got_no_answer(sandbox, connection, account_of):
    account_of(12)
    sandbox.fault("429", cmd="get_lead", count=1)  # with the next one fewer in a row than end it
    sandbox.fault("502, nothing done", cmd="get_lead", count=1)
    assert "12 leads compared: 0 differences in 0 leads." in run("pull", "--connection", connection.name, "--compare")
    sandbox.switch(down=True)
    with pytest.raises(CommandError):
        run("pull", "--connection", connection.name, "--compare")


def test_refresh_stops_and_asks_when_too_many_are_gone(sandbox, connection, account_of):
    leads = account_of(250, read=False)
    change = record_change(leads[3], kinds.get_kind("assign_tag"), {"tag": "needs call"})
    for lead in leads[::8][:30]:
        sandbox.act("delete_lead", lead=lead.kartra_id)
    sandbox.act("delete_lead", lead=leads[3].kartra_id)

    with pytest.raises(CommandError, match=r"deleted in Kartra\. That is more than 20") as stopped:
        run("refresh", "--connection", connection.name, "--until-fresh", "0s")

    assert "--gone yes" in str(stopped.value)
    assert not Lead.objects.exclude(gone_at=None).exists()
    connection.refresh_from_db()
    assert connection.reads_stopped_at is not None
    assert not refresh.has_work(connection)
    assert refresh.drain(connection) == 0
    assert "updates from Kartra are stopped" in run("status")
    with pytest.raises(CommandError, match="deleted in Kartra"):
        run("refresh", "--connection", connection.name)

    run("refresh", "--connection", connection.name, "--gone", "yes", "--until-fresh", "0s")

    assert Lead.objects.exclude(gone_at=None).count() == 31
    assert "compared: 0 differences" in run("pull", "--connection", connection.name, "--compare")
    change = LeadChange.objects.get(pk=change.pk)
    assert (change.status, change.reason) == ("skipped", "gone")
    assert "updates from Kartra are stopped" not in run("status")


def test_keys_of_another_account_mark_nobody(sandbox, connection, account_of):
    leads = account_of(60)
    sandbox.ask("POST", "accounts", {"key": "other-key", "password": "other-password"})
    connection.api_key, connection.api_password = "other-key", "other-password"
    connection.save()

    with pytest.raises(CommandError, match="another account"):
        run("refresh", "--connection", connection.name, "--until-fresh", "0s")

    assert not Lead.objects.exclude(gone_at=None).exists()
    connection.api_key, connection.api_password = sandbox.key, sandbox.password
    connection.save()
    run("refresh", "--connection", connection.name, "--gone", "no", "--until-fresh", "0s")
    assert Lead.objects.filter(gone_at=None).count() == len(leads)
    assert not DeletionReport.objects.exclude(verdict=DeletionVerdict.DROPPED).exists()
    assert "compared: 0 differences" in run("pull", "--connection", connection.name, "--compare")


def test_marks_made_before_the_question_are_taken_back(sandbox, connection, account_of):
    leads = account_of(60)
    for lead in leads[:15]:
        sandbox.act("delete_lead", lead=lead.kartra_id)
    run("refresh", "--connection", connection.name, "--until-fresh", "0s")
    assert Lead.objects.exclude(gone_at=None).count() == 15
    for lead in leads[15:30]:
        sandbox.act("delete_lead", lead=lead.kartra_id)
    with pytest.raises(CommandError):
        run("pull", "--connection", connection.name, "--all")

    connection.refresh_from_db()
    assert deletions.read_again(connection) == 30

    assert Lead.objects.filter(gone_at=None, dirty_at__isnull=False).count() == 30
    assert Activity.objects.filter(kind="not_gone").count() == 15


def test_deleted_lead_that_is_back_is_seen(sandbox, connection, account_of):
    ada, bo = account_of(2)
    sandbox.act("delete_lead", lead=ada.kartra_id)
    run("refresh", "--connection", connection.name, "--until-fresh", "0s")
    assert Lead.objects.get(pk=ada.pk).gone_at is not None
    sandbox.act("undelete_lead", lead=ada.kartra_id)
    assert "deleted" in run("pull", "--connection", connection.name, "--compare")

    assert "2 of 2 leads read" in run("pull", "--connection", connection.name, "--all")

    assert Lead.objects.get(pk=ada.pk).gone_at is None
    assert Activity.objects.filter(lead=ada, kind="back").count() == 1
    sandbox.act("delete_lead", lead=bo.kartra_id)
    run("pull", "--connection", connection.name, "--all")
    Lead.objects.filter(pk=bo.pk).update(read_not_before="2026-01-01T00:00:00Z")  # a week later
    sandbox.act("undelete_lead", lead=bo.kartra_id)
    assert list(schedule.due(connection)) == [bo]
    assert refresh.drain(connection) == 1
    assert Lead.objects.get(pk=bo.pk).gone_at is None


def test_two_readers_at_once_read_each_lead_once(sandbox, connection, account_of):
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connections

    account_of(100)
    ApiCall.objects.all().delete()
    Lead.objects.update(read_at="2026-01-01T00:00:00Z")

    def read():
        try:
            return refresh.drain(type(connection).objects.get(pk=connection.pk), until_s=30, batch=15)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as both:
        one, other = [both.submit(read) for _ in range(2)]
        read_by = (one.result(), other.result())

    assert sum(read_by) == 100
    assert all(read_by)
    assert ApiCall.objects.filter(commands="get_lead").count() == 100
