"""Old rows go in small batches; what must stay stays, and what a bulk action came to keeps its numbers."""

import datetime as dt

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone

from integrations import retention
from integrations.models import ApiCall, Attempt, Delivery
from leads import mirror
from leads.models import Activity, BulkRun, Forgotten, LeadChange, LeadTag, PeopleList, PeopleListRow
from tests.beside import Beside, on_postgresql
from tests.factories import (
    BulkRunFactory,
    ConnectionFactory,
    DeliveryFactory,
    LeadChangeFactory,
    LeadFactory,
    StaffFactory,
    WebhookEndpointFactory,
)
from tests.leads.people.making import listed
from tests.two_sources import waits_or_is_over

pytestmark = pytest.mark.django_db

NOW = timezone.now()
OLD = NOW - dt.timedelta(days=3)


@pytest.fixture(autouse=True)
def one_day(settings):
    for rule in retention.RULES:
        setattr(settings, rule.setting, 1)


@pytest.fixture
def lead():
    return LeadFactory(account=ConnectionFactory().account)


def settled(lead, tag="VIP", status="accepted", kind="assign_tag", **more):
    return LeadChangeFactory(
        lead=lead,
        kind=kind,
        parameters={"tag": tag} if "tag" in kind else more.pop("parameters"),
        status=status,
        requested_at=OLD,
        **{"settled_at": OLD if status not in ("waiting", "sending", "unknown", "undecided") else None, **more},
    )


def sent(change, proof="done", **more):
    call = ApiCall.objects.create(
        connection=change.account.connection,
        lead=change.lead,
        cause="push",
        writes=True,
        commands="assign_tag",
        claimed_at=OLD,
        lease_until=OLD,
        sent_at=OLD,
        finished_at=OLD,
        outcome="answered",
    )
    Attempt.objects.create(change=change, call=call, position=0, command="assign_tag", proof=proof, **more)
    return call


def kept(model=LeadChange):
    retention.tidy(NOW)
    return set(model.objects.values_list("pk", flat=True))


def test_change_with_its_attempt_and_call_goes_once_a_later_one_was_accepted(lead):
    first, last = settled(lead), settled(lead, kind="unassign_tag")
    call, of_last = sent(first), sent(last)
    assert kept() == {last.pk}
    assert set(ApiCall.objects.values_list("pk", flat=True)) == {of_last.pk}
    assert not ApiCall.objects.filter(pk=call.pk).exists()


STAY = {
    "queued": {"status": "waiting"},
    "sending": {"status": "sending"},
    "unclear": {"status": "unknown"},
    "undecided": {"status": "undecided", "reason": "outcome"},
    "refused and not dealt with": {"status": "rejected"},
    "the last accepted of its thing": {"status": "accepted"},
    "young": {"status": "cancelled", "settled_at": NOW},
}


@pytest.mark.parametrize("how", STAY.values(), ids=STAY)
def test_what_stays(lead, how):
    change = settled(lead, **how)
    assert kept() == {change.pk}


GO = {
    "cancelled": {"status": "cancelled"},
    "skipped": {"status": "skipped", "reason": "already_so"},
    "refused and closed": {"status": "rejected", "closed_at": OLD},
}


@pytest.mark.parametrize("how", GO.values(), ids=GO)
def test_what_goes(lead, how):
    settled(lead, **how)
    assert kept() == set()


def test_money_stays(lead):
    for amount in ("5.00", "6.00"):
        settled(lead, kind="refund_transaction", parameters={"transaction": "7", "amount": amount})
    assert len(kept()) == 2


def test_change_of_an_unproven_attempt_or_of_a_run_that_goes_on_stays(lead):
    unproven = settled(lead, status="cancelled")
    sent(unproven, proof="unclear", verify_at=NOW)
    in_run = settled(lead, "Other", status="cancelled", run=BulkRunFactory(account=lead.account))
    assert kept() == {unproven.pk, in_run.pk}


def test_change_and_line_that_say_who_put_a_tag_there_stay(lead):
    change = settled(lead)
    mirror.set_tag(lead, "VIP", True, source="push", at=OLD, change=change)
    later = settled(lead)
    LeadChange.objects.filter(pk=later.pk).update(status="accepted")
    old = Activity.objects.create(account=lead.account, lead=lead, kind="gone", at=OLD, source="refresh")
    money = Activity.objects.create(account=lead.account, lead=lead, kind="payment_sale", at=OLD, source="ipn")
    assert change.pk in kept()
    line = LeadTag.objects.get().activity_id
    lines = set(Activity.objects.values_list("pk", flat=True))
    assert {line, money.pk} <= lines
    assert old.pk not in lines


def test_run_keeps_its_numbers_when_its_members_go(lead, django_assert_max_num_queries):
    run = BulkRunFactory(account=lead.account, state="finished", ended_at=OLD)
    for number in range(3):
        settled(lead, f"Tag {number}", status="cancelled", run=run)
    last = settled(lead, "Tag 9", run=run)
    before = run.counts()
    with django_assert_max_num_queries(60):
        assert kept() == {last.pk}
    after = BulkRun.objects.get().counts()
    assert (before, after) == (after, before)
    assert (after["cancelled"], after["accepted"]) == (3, 1)


def test_messages_stay_until_they_are_applied_and_the_last_of_each_kind_does():
    endpoint = WebhookEndpointFactory()

    def message(**how):
        done = OLD if how.get("status", "applied") != "waiting" else None
        return DeliveryFactory(
            endpoint=endpoint, received_at=OLD, **{"status": "applied", "applied_at": done, **how}
        ).pk

    first, _, last = message(action="assign_tag"), message(action="assign_tag"), message(action="assign_tag")
    other = message(action="filled_form")
    waiting = message(action="assign_tag", status="waiting")
    unreadable = message(action="", status="quarantined")
    assert kept(Delivery) == {other, waiting, unreadable}
    assert first != last


def test_backlog_goes_in_batches_and_ends_in_time(lead):
    for number in range(12):
        settled(lead, f"Tag {number}", status="cancelled")
    assert retention.tidy(NOW, until_s=0) == 0
    assert retention.tidy(NOW) >= 12


def test_log_sessions_and_records_of_erasure(lead):
    user = StaffFactory()
    entry = LogEntry.objects.create(
        user=user, content_type=ContentType.objects.get_for_model(LeadChange), object_id="1", action_flag=CHANGE
    )
    LogEntry.objects.filter(pk=entry.pk).update(action_time=OLD)
    Session.objects.create(session_key="a" * 32, session_data="", expire_date=OLD)
    Session.objects.create(session_key="b" * 32, session_data="", expire_date=NOW + dt.timedelta(days=1))
    Forgotten.objects.create(account=lead.account, digest="x:y", at=OLD)
    retention.tidy(NOW)
    assert (LogEntry.objects.count(), Session.objects.count(), Forgotten.objects.count()) == (0, 1, 1)


SIGN_INS = (AccessAttempt, AccessFailureLog, AccessLog)


def test_a_list_of_people_goes_once_nobody_used_it_for_so_long(lead):
    unused, used = (listed(lead.account, f"{lead.email}\nnew@example.com\n", f"{name}.csv") for name in ("a", "b"))
    PeopleList.objects.filter(pk=unused.pk).update(used_at=OLD)

    assert kept(PeopleList) == {used.pk}
    assert set(PeopleListRow.objects.values_list("people_list", flat=True)) == {used.pk}
    lead.refresh_from_db()


def test_sign_ins_and_sessions_go_in_batches():
    for model in SIGN_INS:
        more = {"failures_since_start": 1} if model is AccessAttempt else {}
        rows = (model(username=f"mara{number}", ip_address="10.0.0.1", **more) for number in range(retention.BATCH + 3))
        model.objects.bulk_create(rows)
        model.objects.exclude(username="mara0").update(attempt_time=OLD)
    sessions = (
        Session(session_key=f"{number:032}", session_data="", expire_date=OLD - dt.timedelta(days=number))
        for number in range(retention.BATCH + 3)
    )
    Session.objects.bulk_create(sessions)
    of_sessions = next(rule for rule in retention.RULES if rule.model is Session)
    assert of_sessions.oldest() == OLD - dt.timedelta(days=retention.BATCH + 2)

    models = {*SIGN_INS, Session}
    first = {rule.model: rule.batch(NOW) for rule in retention.RULES if rule.model in models}
    retention.tidy(NOW)

    assert first == dict.fromkeys(models, retention.BATCH)
    assert [model.objects.count() for model in (*SIGN_INS, Session)] == [1, 1, 1, 0]


@pytest.mark.parametrize("model", [*SIGN_INS, Session])
def test_nought_keeps_sign_ins_and_sessions(settings, model):
    settings.KEEP_SIGN_INS_DAYS = settings.KEEP_SESSIONS_DAYS = 0
    if model is Session:
        Session.objects.create(session_key="0", session_data="", expire_date=OLD)
    else:
        row = model.objects.create(username="mara", **({"failures_since_start": 1} if model is AccessAttempt else {}))
        model.objects.filter(pk=row.pk).update(attempt_time=OLD)

    retention.tidy(NOW)

    assert model.objects.count() == 1


def test_nought_keeps_for_ever(lead, settings):
    settings.KEEP_CHANGES_DAYS = 0
    change = settled(lead, status="cancelled")
    assert kept() == {change.pk}


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_message_that_is_asked_for_again_at_the_same_moment_stays():
    """Chosen as old, and by then somebody has asked to apply it again."""
    endpoint = WebhookEndpointFactory()
    old = {"endpoint": endpoint, "received_at": OLD, "action": "assign_tag"}
    asked, _last = (DeliveryFactory(**old, status="applied", applied_at=OLD) for _ in range(2))
    tidying = Beside(lambda: retention.tidy(NOW))

    with transaction.atomic():
        Delivery.objects.filter(pk=asked.pk).update(status="waiting", applied_at=None)
        tidying.begin()
        waits_or_is_over(tidying.pid, tidying)

    tidying.end()
    assert Delivery.objects.filter(pk=asked.pk, status="waiting").exists()
