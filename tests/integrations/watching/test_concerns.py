"""What needs a person is told once when it begins, again when it grew tenfold, and once when it is over."""

import datetime as dt
import json

import pytest
from django.db import transaction

from integrations import clock, tasks
from integrations.models import Concern, ConcernCode, Connection, Heartbeat, WebhookHour
from integrations.watching import concerns, telling, words
from leads.filters.selection import as_json, of_conditions
from leads.models import Lead, RunDraft
from tests.beside import Beside, on_postgresql
from tests.factories import (
    ConnectionFactory,
    DeliveryFactory,
    LeadChangeFactory,
    LeadFactory,
    ScheduleFactory,
    StaffFactory,
    WebhookEndpointFactory,
)
from tests.integrations.watching.listener import listening
from tests.two_sources import waits_or_is_over

pytestmark = pytest.mark.django_db

NOW = dt.datetime.now(dt.UTC)


@pytest.fixture(autouse=True)
def _told_to(settings):
    settings.ADMINS = [("kim@example.com", "kim@example.com")]
    settings.PUBLIC_URL = "https://mirror.example.com"


@pytest.fixture
def at_once(settings):
    settings.ALERT_AFTER_MIN = 0


def undecided(lead, number=1):
    for n in range(number):
        LeadChangeFactory(
            lead=lead, parameters={"tag": f"T{n}"}, family=f"tag:t{n}", status="undecided", reason="outcome"
        )


def quarantined(endpoint):
    DeliveryFactory(endpoint=endpoint, status="quarantined", applied_at=NOW, received_at=NOW)


def decisions(door):
    undecided(LeadFactory(account=door.connection.account), 2)


def approvals(door):
    now = clock.now()
    how = {"kind": "assign_tag", "selection": as_json(of_conditions({})), "account": door.connection.account}
    RunDraft.objects.create(created_by=StaffFactory(), asked_at=now, **how)
    RunDraft.objects.create(created_by=StaffFactory(), asked_at=now, started_at=now, **how)


def late(door):
    long_ago = NOW - dt.timedelta(days=9)
    LeadFactory(account=door.connection.account, read_at=long_ago)
    unread = LeadFactory(account=door.connection.account, read_at=None)
    Lead.objects.filter(pk=unread.pk).update(known_since=long_ago)
    LeadFactory(account=door.connection.account, read_at=long_ago, gone_at=NOW, gone_reason="deleted")
    LeadFactory(account=door.connection.account)


def silent(door):
    for days in range(10, 20):
        at = NOW - dt.timedelta(days=days)
        DeliveryFactory(endpoint=door, action="tag_assigned", status="applied", received_at=at, applied_at=at)


def refused(door):
    WebhookHour.objects.create(endpoint=door, hour=NOW - dt.timedelta(hours=2), refused=7)
    WebhookHour.objects.create(endpoint=door, hour=NOW - dt.timedelta(hours=60), refused=9)


def of_connection(**fields):
    return lambda door: Connection.objects.filter(pk=door.connection_id).update(**fields)


CASES = {
    "deletions": (of_connection(reads_stopped_at=NOW), 1, "/admin/integrations/connection/{connection}/change/"),
    "catalogue": (
        of_connection(catalogue_doubt={"tag": 3, "list": 1}),
        4,
        "/admin/integrations/connection/{connection}/change/",
    ),
    "quarantined": (quarantined, 1, "/admin/integrations/delivery/?status__exact=quarantined"),
    "held": (
        lambda door: DeliveryFactory(endpoint=door, status="held", applied_at=NOW),
        1,
        "/admin/integrations/delivery/?status__exact=held",
    ),
    "refused": (refused, 7, "/admin/integrations/webhookendpoint/{door}/change/"),
    "freshness": (late, 2, "/admin/integrations/connection/{connection}/change/"),
    "silent": (silent, 10, "/admin/integrations/webhookendpoint/{door}/change/"),
    "decisions": (decisions, 2, "/admin/decisions/"),
    "approvals": (approvals, 1, "/admin/leads/bulkrun/"),
    "schedules": (
        lambda door: ScheduleFactory(account=door.connection.account, state="held"),
        1,
        "/admin/leads/schedule/",
    ),
}


@pytest.mark.parametrize("code", CASES)
def test_it_is_seen_and_told_with_a_page_that_is_there(code, mailoutbox, at_once, client):
    make, number, path = CASES[code]
    door = WebhookEndpointFactory()
    make(door)

    tasks.watch_concerns()

    [concern] = Concern.objects.all()
    assert (concern.code, concern.connection, concern.number) == (code, door.connection, number)
    [mail] = mailoutbox
    link = "https://mirror.example.com" + path.format(door=door.pk, connection=door.connection_id)
    assert mail.subject == f"Kartra Mirror: {ConcernCode(code).label}"
    assert mail.body == f"{words.sentence(concern)}\n{link}"
    assert mail.body.startswith(f"{door.connection.name}: ")
    client.force_login(StaffFactory(is_staff=True, is_superuser=True))
    assert client.get(link.removeprefix("https://mirror.example.com")).status_code == 200


@pytest.mark.parametrize("code", ["clock", "disk"])
def test_machine_is_named_until_it_was_long_not_seen_so(code, mailoutbox, at_once):
    ahead_s = 3600.0 if code == "clock" else None
    Heartbeat.objects.create(name=f"{code} web-2", at=clock.now() - dt.timedelta(minutes=9), ahead_s=ahead_s)

    tasks.watch_concerns()
    Heartbeat.objects.update(at=clock.now() - dt.timedelta(minutes=11))
    tasks.watch_concerns()

    label = ConcernCode(code).label
    assert [mail.subject for mail in mailoutbox] == [f"Kartra Mirror: {label}", f"Kartra Mirror: over: {label}"]
    assert "web-2" in mailoutbox[0].body
    assert mailoutbox[0].body.endswith("\nhttps://mirror.example.com/admin/health/")


def test_every_code_has_words():
    for code in ConcernCode.values:
        for number in (1, 2):
            key = {"workers": "push", "silent": "7:tag_assigned"}.get(code, "")
            said = words.sentence(Concern(code=code, key=key, number=number))
            assert said.endswith((".", "?"))
            assert "%(" not in said


def test_nothing_is_told_where_all_is_well(mailoutbox, at_once):
    LeadFactory(account=ConnectionFactory().account)

    tasks.watch_concerns()

    assert (Concern.objects.count(), mailoutbox) == (0, [])


def later(minutes):
    Concern.objects.update(since=clock.now() - dt.timedelta(minutes=minutes))


def test_what_is_answered_within_minutes_mails_nobody(mailoutbox):
    lead = LeadFactory(account=ConnectionFactory().account)
    undecided(lead)

    tasks.watch_concerns()
    later(9)
    tasks.watch_concerns()
    lead.changes.all().delete()
    tasks.watch_concerns()

    assert mailoutbox == []
    assert Concern.objects.get().ended_at is not None


def test_it_is_told_once_again_tenfold_and_once_when_it_is_over(mailoutbox):
    lead = LeadFactory(account=ConnectionFactory().account)
    undecided(lead)
    told = []

    def look_twice():
        del mailoutbox[:]
        tasks.watch_concerns()
        tasks.watch_concerns()
        told.append([mail.subject for mail in mailoutbox])

    look_twice()
    later(11)
    look_twice()
    undecided(lead, 8)
    look_twice()
    undecided(lead, 1)
    look_twice()
    lead.changes.all().delete()
    look_twice()
    look_twice()

    need = "Kartra Mirror: changes need a decision"
    assert told == [[], [need], [], [need], ["Kartra Mirror: over: changes need a decision"], []]


def test_it_begins_anew_after_it_was_over(mailoutbox, at_once):
    lead = LeadFactory(account=ConnectionFactory().account)
    for _ in range(2):
        undecided(lead)
        tasks.watch_concerns()
        lead.changes.all().delete()
        tasks.watch_concerns()

    assert [mail.subject.count("over") for mail in mailoutbox] == [0, 1, 0, 1]


def test_what_is_told_together_is_one_notice_to_both(mailoutbox, at_once, settings):
    door = WebhookEndpointFactory()
    undecided(LeadFactory(account=door.connection.account))
    quarantined(door)
    with listening() as (url, heard):
        settings.ALERT_URL = url

        tasks.watch_concerns()

    [mail] = mailoutbox
    assert mail.subject == "Kartra Mirror: 2 things need a person"
    [(_method, _path, body)] = heard
    assert json.loads(body) == {"text": f"{mail.subject}\n{mail.body}"}


def test_mail_server_and_address_that_are_down_stop_nothing(settings, at_once, monkeypatch):
    monkeypatch.setattr("integrations.sending.alerts.mail_admins", lambda *args: 1 / 0)
    settings.ALERT_URL = "http://127.0.0.1:1/"
    undecided(LeadFactory(account=ConnectionFactory().account))

    tasks.watch_concerns()

    assert Concern.objects.get().told_at is not None


def test_sweep_has_it_looked_at_once_a_minute(notified):
    tasks.sweep()
    assert notified.count(("watch_concerns", ())) == 1
    assert [each for each in notified if each[0].endswith("_alive")] == [
        ("push_alive", ()),
        ("apply_alive", ()),
        ("read_alive", ()),
    ]


def test_looking_takes_as_many_queries_whatever_the_number_of_rows(django_assert_max_num_queries):
    for _ in range(3):
        door = WebhookEndpointFactory()
        undecided(LeadFactory(account=door.connection.account), 5)
        quarantined(door)
    with django_assert_max_num_queries(70):
        concerns.look()


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_tells(mailoutbox, at_once):
    concern = Concern.objects.create(code="decisions", connection=ConnectionFactory(), since=clock.now())
    other = Beside(telling.drain)
    with transaction.atomic():
        Concern.objects.filter(pk=concern.pk).update(told_at=clock.now(), told_number=1)  # as the first of both does
        other.begin()
        waits_or_is_over(other.pid, other)
        assert other.is_alive()  # it has read that nobody was told, and waits for the row

    assert (other.end(), mailoutbox) == (0, [])


@on_postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("of_connection", [True, False])
def test_of_two_at_once_one_begins_it(of_connection):
    which = (ConnectionFactory().pk if of_connection else None, "")
    at = clock.now()
    other = Beside(lambda: concerns.note(ConcernCode.HELD, {which: 1}, at))
    with transaction.atomic():
        concerns.note(ConcernCode.HELD, {which: 1}, at)
        other.begin()
        waits_or_is_over(other.pid, other)

    other.end()
    assert Concern.objects.count() == 1
