"""What needs a person: decisions with their evidence, refused changes by cause, and the button that stops all sending."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from integrations.models import ApiCall, Attempt, Connection, SendingStop
from leads.models import Activity, LeadChange
from tests.factories import BulkRunFactory, ConnectionFactory, LeadChangeFactory, LeadFactory, StaffFactory

pytestmark = pytest.mark.django_db


def person(client, *permissions):
    user = StaffFactory()
    for name in permissions:
        app, codename = name.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    client.force_login(user)
    return client


def undecided(connection, **more):
    change = LeadChangeFactory(
        lead=LeadFactory(account=connection.account),
        kind="give_points",
        parameters={"points": 5},
        family="points",
        status="undecided",
        reason="outcome",
        message="Kartra did not answer in time",
        **more,
    )
    at = timezone.now()
    call = ApiCall.objects.create(
        connection=connection,
        lead=change.lead,
        cause="push",
        writes=True,
        commands="give_points_to_lead",
        claimed_at=at,
        sent_at=at,
        lease_until=at,
        finished_at=at,
        outcome="unknown",
    )
    Attempt.objects.create(
        change=change,
        call=call,
        position=0,
        command="give_points_to_lead",
        proof="undecided",
        before={"score": 10},
        evidence=[{"at": at.isoformat(), "what": "not_shown", "score": "17"}],
    )
    return change


def test_times_of_the_evidence_are_written_for_people(staff, settings):
    settings.TIME_ZONE = "Europe/Berlin"
    change = undecided(ConnectionFactory())
    noon = "2026-11-28T12:05:09.123456+00:00"
    seen = [{"at": noon, "what": "not_shown", "score": "17"}]
    Attempt.objects.update(before={"state": True, "read_at": noon}, evidence=seen)

    decision = staff.get(reverse("admin:decision", args=[change.pk])).content.decode()
    whole = staff.get(change.get_absolute_url()).content.decode()

    assert "yes, checked at: 28 Nov 2026 13:05:09" in decision
    assert "28 Nov 2026 13:05:09" in whole
    assert not [page for page in (decision, whole) if "2026-11-28T" in page]


def refused(connection, number, tag="VIP", code="212"):
    return [
        LeadChangeFactory(
            lead=LeadFactory(account=connection.account),
            parameters={"tag": tag},
            status="rejected",
            code=code,
            message="Tag does not exist",
            settled_at=timezone.now(),
        )
        for _ in range(number)
    ]


def test_decision_shows_the_evidence_and_wants_a_reason(staff):
    change = undecided(ConnectionFactory())
    page = reverse("admin:decision", args=[change.pk])

    assert change.lead.name in staff.get(reverse("admin:decisions")).content.decode()
    text = staff.get(page).content.decode()
    for words in ("score: 10", "score: 17", "The check does not show it", "It happened", "Give it up"):
        assert words in text

    staff.post(page, {"answer": "happened"})
    change.refresh_from_db()
    assert change.status == "undecided"
    staff.post(page, {"answer": "happened", "why": "The score says so."})
    change.refresh_from_db()
    assert change.status == "accepted"
    assert Activity.objects.get(kind="decided").details["why"] == "The score says so."


def test_where_nothing_is_to_be_decided_nothing_is_explained(staff):
    text = staff.get(reverse("admin:decisions")).content.decode()

    assert "No decisions waiting" in text
    assert "answer was lost" not in text


def test_who_may_not_decide_sees_no_answers_and_gets_403(client):
    change = undecided(ConnectionFactory())
    page = reverse("admin:decision", args=[change.pk])
    viewer = person(client, "leads.view_leadchange", "leads.give_points")

    assert "It happened" not in viewer.get(page).content.decode()
    assert viewer.post(page, {"answer": "happened", "why": "x"}).status_code == 403
    assert person(client).get(page).status_code == 403


def test_failed_changes_stand_in_groups_and_are_tried_again(staff):
    connection = ConnectionFactory(sending="on")
    refused(connection, 3)
    refused(connection, 2, tag="cold")
    page = reverse("admin:failures")

    text = staff.get(page).content.decode()
    assert "3 × Assign a tag: VIP" in text
    assert "There is no such tag in Kartra." in text
    group = {"account": connection.account_id, "kind": "assign_tag", "family": "tag:VIP", "code": "212"}
    csv = b"".join(staff.get(reverse("admin:failures_csv"), group).streaming_content).decode()
    assert csv.count("assign the tag VIP") == 3
    LeadChange.objects.filter(family="tag:VIP").update(message=" ＝cmd()")
    shielded = b"".join(staff.get(reverse("admin:failures_csv"), group).streaming_content).decode()
    assert shielded.count("' ＝cmd()") == 3

    answer = staff.post(page, {**group, "do": "retry", "why": "The tag is there now."})

    run = LeadChange.objects.exclude(retry_of=None).first().run
    assert answer.url == run.get_absolute_url()
    assert run.changes.counts()["waiting"] == 3
    assert [g["group"].number for g in staff.get(page).context["groups"]] == [2]


def test_failed_changes_are_closed_with_a_reason_only(staff):
    connection = ConnectionFactory()
    refused(connection, 2)
    group = {"account": connection.account_id, "kind": "assign_tag", "family": "tag:VIP", "code": "212"}

    staff.post(reverse("admin:failures"), {**group, "do": "close"})
    assert LeadChange.objects.failed().count() == 2
    staff.post(reverse("admin:failures"), {**group, "do": "close", "why": "Not wanted any more."})

    assert not LeadChange.objects.failed().exists()
    assert set(LeadChange.objects.values_list("closed_why", flat=True)) == {"Not wanted any more."}


def test_groups_and_decisions_cost_the_same_whatever_their_number(staff, django_assert_max_num_queries):
    connection = ConnectionFactory()
    for number in range(12):
        refused(connection, 2, tag=f"tag {number}")
        undecided(connection)

    for page in ("admin:failures", "admin:decisions"):
        with django_assert_max_num_queries(16):
            assert staff.get(reverse(page)).status_code == 200


def test_stop_all_sending_is_on_every_page_for_those_who_may(staff, client):
    one, two = ConnectionFactory(sending="on"), ConnectionFactory(sending="on")
    assert '/admin/stop/"' in staff.get(reverse("admin:index")).content.decode()

    staff.post(reverse("admin:stop_all"))

    assert {(each.sending, each.stopped_by) for each in Connection.objects.all()} == {("stopped", "person")}
    assert SendingStop.objects.filter(connection__in=[one, two]).count() == 2
    assert '/admin/stop/"' not in staff.get(reverse("admin:index")).content.decode()
    viewer = person(client, "leads.view_lead")
    assert '/admin/stop/"' not in viewer.get(reverse("admin:index")).content.decode()
    assert viewer.post(reverse("admin:stop_all")).status_code == 403


def test_queued_change_says_what_holds_it_back(staff):
    connection = ConnectionFactory()
    lead = LeadFactory(account=connection.account)
    run = BulkRunFactory(account=connection.account, state="paused", paused_at=timezone.now())
    LeadChangeFactory(lead=lead, run=run)
    later = LeadChangeFactory(lead=lead, kind="unassign_tag")

    text = staff.get(later.get_absolute_url()).content.decode()

    assert f"held by bulk action {run.pk}" in text
