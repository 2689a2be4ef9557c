"""Every road on which a change comes back to be sent again has an end: so many times, and then a person decides, or all sending
stops and somebody is told."""

import datetime as dt
import io

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from integrations import push
from integrations.models import ApiCall, Connection, Sending, StopCause
from integrations.push import lease, verify
from leads import kinds
from leads.models import ChangeStatus, Lead, LeadChange, Reason
from tests.flows.steps import settle_all, tag
from tests.recording import record_change

pytestmark = pytest.mark.django_db(transaction=True)

MOST = 12


def rounds(connection, number=MOST):
    """Push and verify so many times, whatever the settle times say."""
    for _ in range(number):
        push.drain(connection, until_s=2)
        verify.drain(connection, now=timezone.now() + dt.timedelta(minutes=20), until_s=2)
        Lead.objects.update(read_not_before=None)
        Connection.objects.update(hold_until=None, failures=0, probe_at=None)
        connection.refresh_from_db()


ROADS = {
    "no answer, not done": ("assign_tag", {"fault": "502, nothing done", "cmd": "assign_tag"}),
    "web page, not done": ("update_lead", {"fault": "html, nothing done", "cmd": "edit_lead"}),
    "no such lead, and it is there": (
        "assign_tag",
        {"fault": "whole call refused", "cmd": "assign_tag", "code": "243"},
    ),
    "cancellation failed": (
        "cancel_subscription",
        {"fault": "whole call refused", "cmd": "modify_subscription_status", "code": "267"},
    ),
}
GIVEN = {"assign_tag": {"tag": "VIP"}, "update_lead": {"city": "Bend"}}


@pytest.mark.parametrize("road", ROADS)
def test_road_back_to_the_queue_ends_with_a_person(sandbox, connection, settings, road):
    settings.OUTAGE_FAILURES = 1000
    settings.VERIFY_MONEY_SETTLE_S = [0.1, 0.2, 0.3]
    kind, fault = ROADS[road]
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    given = GIVEN.get(kind)
    if given is None:
        given = {"subscription": _plan(sandbox, connection, lead)}
    sandbox.fault(fault["fault"], count=None, **{name: value for name, value in fault.items() if name != "fault"})
    change = record_change(lead, kinds.get_kind(kind), given)

    rounds(connection)

    change.refresh_from_db()
    assert change.status in (ChangeStatus.UNDECIDED, ChangeStatus.REJECTED), change.status
    assert ApiCall.objects.filter(writes=True, sent_at__isnull=False).count() <= 5


def _plan(sandbox, connection, lead):
    from integrations.read import transactions

    plan = str(sandbox.act("start_subscription", lead=lead.kartra_id, product="Trail Club")["subscription"])
    transactions.read(connection, lead)
    return plan


def test_a_lead_that_can_never_be_read_ends_with_a_person(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    change = tag(lead)
    LeadChange.objects.filter(pk=change.pk).update(read_first=True)
    Lead.objects.filter(pk=lead.pk).update(dirty_at=timezone.now(), read_at=None)
    sandbox.fault("carried out, then broken JSON", cmd="get_lead", count=None)

    rounds(connection, lease.MOST_UNREAD + 2)

    change.refresh_from_db()
    assert (change.status, change.reason) == (ChangeStatus.UNDECIDED, Reason.REPEATED)
    assert "not sent" in change.words
    assert not sandbox.calls(writes=True)


def test_keys_refused_inside_an_answer_stop_sending(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    record_change(lead, kinds.get_kind("subscribe_list"), {"list": "Buyers"})
    tag(lead)
    sandbox.fault("action k fails", cmd="assign_tag", k=1, code="203", count=None)

    rounds(connection, 4)

    connection.refresh_from_db()
    assert (connection.sending, connection.stopped_by) == (Sending.STOPPED, StopCause.CREDENTIALS)
    assert len(sandbox.calls(writes=True)) == 1


def test_command_that_is_not_allowed_is_no_work_to_wait_for(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    change = tag(lead)
    sandbox.fault("whole call refused", cmd="assign_tag", code="262", count=None)

    with pytest.raises(CommandError, match="assign_tag"):
        call_command("push", until_idle=True, stdout=io.StringIO())

    change.refresh_from_db()
    assert change.status == ChangeStatus.WAITING
    assert len(sandbox.calls(writes=True)) == 1
    settle_all(connection, 1)
    assert len(sandbox.calls(writes=True)) == 1
