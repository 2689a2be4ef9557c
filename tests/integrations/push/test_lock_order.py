"""Who claims, proves, erases and records meets others at the same leads: nobody waits for a lead while holding what the other
wants, and where two meet all the same the work is done again."""

import threading
import time
from contextlib import contextmanager

import pytest
from django.conf import settings
from django.db import connection as database, transaction
from django.utils import timezone

from integrations import push
from integrations.models import Attempt
from integrations.push import claim, verify
from integrations.read import deletions
from leads import changes, kinds, mirror
from leads.erasure import forget
from leads.models import BulkRun, GoneReason, Lead, LeadChange, LeadTag, Tag
from tests.beside import Beside, on_postgresql
from tests.recording import record_change
from tests.two_sources import PATIENCE_S, waits_or_is_over

pytestmark = pytest.mark.django_db(transaction=True)


def tag(lead, name="VIP"):
    return record_change(lead, kinds.get_kind("assign_tag"), {"tag": name})


def pid():
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


@contextmanager
def meets_deadlocks(after):
    """PostgreSQL ends the one that looks first, and each looks once: we do after the other has begun to wait, however busy the
    machine is, and the other never does."""
    with database.cursor() as cursor:
        cursor.execute(f"SET deadlock_timeout = '{after}s'")
    try:
        yield
    finally:
        with database.cursor() as cursor:
            cursor.execute("RESET deadlock_timeout")


def wait_until_waiting(other):
    """Until that connection waits for a lock."""
    ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends:
        with database.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'", [other])
            if cursor.fetchone():
                return
    raise AssertionError("It does not wait.")


@on_postgresql
def test_a_lead_that_is_being_erased_is_left_alone_by_a_claim(sandbox, connection, monkeypatch):
    erased, other = (sandbox.mirrored_lead(connection, f"lead{n}@example.com") for n in (1, 2))
    tag(erased), tag(other)
    claiming = Beside(lambda: claim.claim(connection, 5))
    blank = forget.scrub.blank

    def claimed_meanwhile(*given):
        claiming.begin()
        waits_or_is_over(claiming.pid, claiming)
        return blank(*given)

    monkeypatch.setattr(forget.scrub, "blank", claimed_meanwhile)
    forget.forget(erased)

    assert [chain.lead.pk for chain in claiming.end()] == [other.pk]
    assert not Lead.objects.filter(pk=erased.pk).exists()


@on_postgresql
def test_a_claim_comes_again_for_a_lead_that_another_held_for_a_moment(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    tag(lead)
    claiming = Beside(lambda: claim.claim(connection, 5))

    with transaction.atomic():
        mirror.lock_leads([lead.pk])
        claiming.begin()
        time.sleep(0.03)

    assert [chain.lead.pk for chain in claiming.end()] == [lead.pk]


def test_changes_that_are_so_already_keep_no_other_waiting(sandbox, connection):
    leads = [sandbox.mirrored_lead(connection, f"lead{n}@example.com") for n in range(2 * settings.PUSH_SENDERS + 2)]
    wanted = [tag(lead) for lead in leads]
    vip = Tag.objects.get(account=connection.account, name="VIP")
    LeadTag.objects.bulk_create(LeadTag(lead=lead, tag=vip, since=timezone.now()) for lead in leads[:-1])

    drained = push.drain(connection, until_s=5)

    assert drained.sent == 1
    statuses = list(LeadChange.objects.order_by("pk").values_list("status", flat=True))
    assert statuses == ["skipped"] * (len(wanted) - 1) + ["accepted"]


@on_postgresql
def test_a_proof_that_meets_a_deadlock_is_written_all_the_same(sandbox, connection):
    known = sandbox.mirrored_lead(connection, "ada@example.com")
    by_address = Lead.objects.create(account=connection.account, email="ada@example.com", read_at=timezone.now())
    change = tag(by_address)
    sandbox.fault("carried out, then 502", cmd="assign_tag")
    push.drain(connection, until_s=2)
    Attempt.objects.update(verify_at=timezone.now())
    connection.refresh_from_db()
    own = pid()

    def hold_the_other():
        """The lead of the id first, then that of the address alone: the other way round."""
        with meets_deadlocks(after=60), transaction.atomic():
            mirror.lock_leads([known.pk])
            held.set()
            wait_until_waiting(own)
            mirror.lock_leads([by_address.pk])

    held = threading.Event()
    beside = Beside(hold_the_other)
    beside.begin()
    assert held.wait(PATIENCE_S)

    with meets_deadlocks(after=3):
        verify.drain(connection, until_s=10)

    beside.end()
    change.refresh_from_db()
    assert (change.status, change.lead_id) == ("accepted", known.pk)


@on_postgresql
def test_a_bulk_action_leaves_out_a_lead_that_is_erased_at_the_same_moment(sandbox, connection, monkeypatch):
    erased, other = (sandbox.mirrored_lead(connection, f"lead{n}@example.com") for n in (1, 2))
    everybody = Lead.objects.filter(account=connection.account)
    recording = Beside(
        lambda: changes.record_run(connection.account, everybody, kinds.get_kind("assign_tag"), {"tag": "VIP"})
    )
    blank = forget.scrub.blank

    def recorded_meanwhile(*given):
        recording.begin()
        waits_or_is_over(recording.pid, recording)
        return blank(*given)

    monkeypatch.setattr(forget.scrub, "blank", recorded_meanwhile)
    forget.forget(erased)

    run = recording.end()
    assert list(run.changes.values_list("lead", "status")) == [(other.pk, "waiting")]
    assert BulkRun.objects.count() == 1


@on_postgresql
def test_who_asks_for_a_lead_that_is_erased_at_the_same_moment_is_told_so(sandbox, connection, monkeypatch):
    erased = sandbox.mirrored_lead(connection, "ada@example.com")
    asking = Beside(lambda: tag(erased))
    blank = forget.scrub.blank

    def asked_meanwhile(*given):
        asking.begin()
        waits_or_is_over(asking.pid, asking)
        return blank(*given)

    monkeypatch.setattr(forget.scrub, "blank", asked_meanwhile)
    forget.forget(erased)

    with pytest.raises(changes.CannotRecord):
        asking.end()


@on_postgresql
def test_marking_leads_deleted_waits_for_who_reads_one_of_them(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    other = sandbox.mirrored_lead(connection, "ben@example.com")
    for each in (lead, other):
        deletions.found(each, connection, GoneReason.DELETED, timezone.now())
    marking = Beside(lambda: deletions.confirm(connection))

    with transaction.atomic():
        mirror.lock_leads([lead.pk])
        marking.begin()
        waits_or_is_over(marking.pid, marking)
        deletions.settled(lead)  # a read shows it

    assert marking.end() == 1
    assert list(Lead.objects.exclude(gone_at=None)) == [other]


@on_postgresql
def test_a_catalogue_that_meets_a_deadlock_is_written_all_the_same(sandbox, connection):
    vip, cold = (Tag.objects.get(account=connection.account, name=name) for name in ("VIP", "cold"))
    first, last = sorted((vip, cold), key=lambda each: each.pk)
    own, held = pid(), threading.Event()

    def rename_the_other_way_round():
        with meets_deadlocks(after=60), transaction.atomic():
            Tag.objects.filter(pk=last.pk).update(kartra_id="9")
            held.set()
            wait_until_waiting(own)
            Tag.objects.filter(pk=first.pk).update(kartra_id="8")

    beside = Beside(rename_the_other_way_round)
    beside.begin()
    assert held.wait(PATIENCE_S)

    with meets_deadlocks(after=3):
        mirror.set_catalogue(connection.account, Tag, ["newsletter"], timezone.now(), believe=True)

    beside.end()
    assert Tag.objects.filter(account=connection.account, missing_since=None).get().name == "newsletter"


@on_postgresql
def test_two_who_erase_a_lead_at_once_are_told_so(sandbox, connection, monkeypatch):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    second = Beside(lambda: forget.forget(Lead.objects.get(pk=lead.pk)))
    blank = forget.scrub.blank

    def also_meanwhile(*given):
        monkeypatch.setattr(forget.scrub, "blank", blank)
        second.begin()
        waits_or_is_over(second.pid, second)
        return blank(*given)

    monkeypatch.setattr(forget.scrub, "blank", also_meanwhile)
    forget.forget(lead)

    with pytest.raises(forget.CannotForget):
        second.end()


@on_postgresql
def test_an_attempt_that_is_settled_while_kartra_does_not_answer_is_left_alone(sandbox, connection):
    """A read failed, so what is unclear is put off: not what somebody else has proven at the same moment."""
    tag(sandbox.mirrored_lead(connection, "ada@example.com"))
    sandbox.fault("carried out, then 502", cmd="assign_tag")
    push.drain(connection, until_s=2)
    Attempt.objects.update(verify_at=timezone.now())
    connection.refresh_from_db()
    sandbox.switch(down=True)
    looking = Beside(lambda: verify.drain(connection, until_s=5))

    with transaction.atomic():
        Attempt.objects.update(proof="done", verify_at=None)
        looking.begin()
        waits_or_is_over(looking.pid, looking)

    looking.end()
    attempt = Attempt.objects.get()
    assert (attempt.proof, attempt.verify_at) == ("done", None)
