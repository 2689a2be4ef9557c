"""Many calls marked and settled at once: the same is written as one by one, and the statements do not grow with their number."""

import datetime as dt

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.kartra.replies import ActionOutcome, ChainReply
from integrations.models import ApiCall, Attempt, CallOutcome
from integrations.push import claim, lease, settle_many
from integrations.push.settle import settle
from integrations.push.settle_many import Answered, write_down
from leads import changes, kinds
from leads.changes import runs
from leads.models import Activity, Lead, LeadChange, LeadTag, ListSubscription, RunState, Tag
from tests.factories import LeadChangeFactory
from tests.recording import record_change

pytestmark = pytest.mark.django_db


def known_leads(connection, number, **fields):
    told = {"read_at": timezone.now(), "score": 10, **fields}
    return [
        Lead.objects.create(
            account=connection.account,
            kartra_id=str(500 + n),
            email=f"lead{n}@example.com",
            email_key=f"lead{n}@example.com",
            **told,
        )
        for n in range(number)
    ]


def reply(plan, state="done"):
    outcomes = [ActionOutcome(action.cmd, state, "", "Said so") for action in plan.request().actions]
    return ChainReply(tuple(outcomes), {}, "answer of Kartra")


def tag_all(connection):
    return changes.record_run(
        connection.account,
        Lead.objects.filter(account=connection.account),
        kinds.get_kind("assign_tag"),
        {"tag": "VIP"},
    )


def statements(work):
    with CaptureQueriesContext(database) as captured:
        result = work()
    return len(captured), result


@pytest.fixture
def counts(connection):
    """Statements of a claim, a mark and a settle of so many leads."""

    def counted(number):
        known_leads(connection, number)
        run = tag_all(connection)
        claims, plans = statements(lambda: claim.claim(connection, number))
        marks, plans = statements(lambda: lease.mark_all_sent(plans))
        settles, _ = statements(lambda: write_down([Answered(plan, reply(plan), 5) for plan in plans]))
        run.refresh_from_db()
        assert (run.state, run.changes.counts()["accepted"]) == (RunState.FINISHED, number)
        return claims, marks, settles

    return counted


@pytest.mark.parametrize("number", [3, 20])
def test_statements_of_a_claim_a_mark_and_a_settle_do_not_grow(counts, number):
    claims, marks, settles = counts(number)

    assert claims <= 30
    assert marks <= 10
    assert settles <= 26


def stored(lead):
    """What is kept of a lead and its changes, but for keys and times."""
    lead.refresh_from_db()
    wanted = LeadChange.objects.filter(lead=lead).order_by("pk")
    return {
        "changes": list(
            wanted.values("kind", "status", "code", "message", "remark", "reason", "not_done", "send_alone")
        ),
        "settled": [change.settled_at is not None for change in wanted],
        "attempts": [
            {**row, "evidence": [{k: v for k, v in each.items() if k != "at"} for each in row["evidence"]]}
            for row in Attempt.objects.filter(change__lead=lead)
            .order_by("pk")
            .values("proof", "code", "message", "remark", "verify_at", "looks", "evidence")
        ],
        "calls": list(lead.calls.values("outcome", "code", "message", "answer", "elapsed_ms")),
        "lines": list(
            Activity.objects.filter(lead=lead).order_by("pk").values("kind", "source", "details", "change__kind")
        ),
        "tags": list(lead.leadtags.values("tag__name", "source", "change__kind", "activity__kind", "after")),
        "lists": list(
            lead.listsubscriptions.values("mailing_list__name", "active", "source", "change__kind", "activity__kind")
        ),
        "score": (lead.score, lead.dirty_at is not None),
        "marked": lead.changed_seq > 0,
    }


CASES = {
    "assign_tag": {"tag": "VIP"},
    "unassign_tag": {"tag": "cold"},
    "subscribe_list": {"list": "Buyers"},
    "unsubscribe_list": {"list": "Partners"},
    "give_points": {"points": 5, "expires_in_days": 3},
    "remove_points": {"points": 50},
}


@pytest.mark.parametrize(
    "wanted",
    [*([kind] for kind in CASES), ["assign_tag", "subscribe_list", "unassign_tag", "unsubscribe_list"]],
    ids=lambda wanted: "+".join(wanted),
)
@pytest.mark.parametrize("known", [True, False])
def test_the_same_is_written_in_sets_as_one_by_one(connection, wanted, known):
    """`known`: the lead is joined to all of it, the other way round where that can be."""
    one, other = known_leads(connection, 2)
    if known:
        for lead in (one, other):
            since = {"lead": lead, "since": timezone.now(), "source": "refresh"}
            LeadTag.objects.create(tag=_named(Tag, connection, "cold"), **since)
            for name, active in (("Buyers", False), ("Partners", True)):
                ListSubscription.objects.create(
                    mailing_list=_named(ListSubscription.mailing_list.field.related_model, connection, name),
                    active=active,
                    **since,
                )
    for lead in (one, other):
        for kind in wanted:
            family = kinds.get_kind(kind).family(CASES[kind])
            LeadChangeFactory(lead=lead, kind=kind, parameters=CASES[kind], family=family, force=True)
    by_lead = {plan.lead.pk: plan for plan in lease.mark_all_sent(claim.claim(connection, 5))}
    first, second = by_lead[one.pk], by_lead[other.pk]
    answered = Answered(second, reply(second), 5)

    settle(first, reply(first), elapsed_ms=5, answer="answer of Kartra")
    write_down([answered])

    assert answered.ordinary
    assert stored(other) == stored(one)


def _named(model, connection, name):
    return model.objects.get_or_create(account=connection.account, name=name)[0]


def test_a_call_that_somebody_ended_is_no_more_written_and_the_others_are(connection):
    known_leads(connection, 3)
    tag_all(connection)
    plans = lease.mark_all_sent(claim.claim(connection, 5))
    ApiCall.objects.filter(pk=plans[1].call.pk).update(lease_until=timezone.now() - dt.timedelta(seconds=1))
    lease.end_leases(connection)

    write_down([Answered(plan, reply(plan), 5) for plan in plans])

    statuses = [LeadChange.objects.get(pk=plan.changes[0].pk).status for plan in plans]
    assert statuses == ["accepted", "unknown", "accepted"]
    assert Attempt.objects.get(call=plans[1].call).evidence[-1]["late"] is True
    assert not LeadTag.objects.filter(lead=plans[1].lead).exists()


def test_what_is_refused_goes_its_own_way_beside_what_is_done(connection):
    known_leads(connection, 3)
    tag_all(connection)
    plans = lease.mark_all_sent(claim.claim(connection, 5))
    no = ChainReply((ActionOutcome("assign_tag", "refused", "212", "Tag does not exist"),), {}, "no")

    write_down([Answered(plan, no if n == 1 else reply(plan), 5) for n, plan in enumerate(plans)])

    statuses = [LeadChange.objects.get(pk=plan.changes[0].pk).status for plan in plans]
    assert statuses == ["accepted", "rejected", "accepted"]
    assert set(ApiCall.objects.values_list("outcome", flat=True)) == {CallOutcome.ANSWERED}


def test_what_stands_still_is_left_out_of_a_mark_of_many_and_the_others_leave(connection):
    leads = known_leads(connection, 3)
    run = tag_all(connection)
    single = record_change(leads[0], kinds.get_kind("subscribe_list"), {"list": "Buyers"})
    plans = claim.claim(connection, 5)
    runs.cancel(run)

    kept = lease.mark_all_sent(plans)

    assert [[change.pk for change in plan.changes] for plan in kept] == [[single.pk]]
    assert set(ApiCall.objects.exclude(pk=kept[0].call.pk).values_list("outcome", flat=True)) == {CallOutcome.WITHDRAWN}
    assert run.changes.counts()["cancelled"] == 3
    connection.refresh_from_db()
    assert connection.calls_made == 1


def test_answers_that_cannot_be_written_together_are_written_one_by_one(connection, monkeypatch):
    known_leads(connection, 4)
    run = tag_all(connection)
    plans = lease.mark_all_sent(claim.claim(connection, 4))

    def fails(changes, at):
        raise ValueError("nobody foresaw this")

    monkeypatch.setattr(settle_many.mirror, "set_confirmed", fails)
    write_down([Answered(plan, reply(plan), 5) for plan in plans])

    run.refresh_from_db()
    assert (run.state, run.changes.counts()["accepted"]) == (RunState.FINISHED, 4)


def test_one_answer_that_cannot_be_written_loses_none_of_the_others(connection, monkeypatch):
    known_leads(connection, 4)
    run = tag_all(connection)
    plans = lease.mark_all_sent(claim.claim(connection, 4))
    alone = settle_many.settle

    def fails(plan, *args, **told):
        if plan is plans[1]:
            raise ValueError("nobody foresaw this")
        return alone(plan, *args, **told)

    monkeypatch.setattr(settle_many, "settle", fails)
    monkeypatch.setattr(settle_many.Answered, "ordinary", False)
    with pytest.raises(ValueError, match="foresaw"):
        write_down([Answered(plan, reply(plan), 5) for plan in plans])

    counts = run.changes.counts()
    assert (counts["accepted"], counts["sending"]) == (3, 1)
