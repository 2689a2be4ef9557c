"""Who has it already by an old copy is read before that is believed: the claim reads, judges again, then sends or skips."""

import datetime as dt

import pytest
from django.utils import timezone

from integrations import push
from integrations.models import ApiCall, Cause
from integrations.read import refresh
from leads import changes, kinds
from leads.changes.preview import Choices
from leads.models import Lead, LeadTag, Source
from tests.recording import record_change

pytestmark = pytest.mark.django_db(transaction=True)

TAG = "VIP"
FIRST = Choices(read_first=True)


@pytest.fixture
def tag(sandbox, connection):
    sandbox.act("create_tag", name=TAG)
    sandbox.make_known(connection)
    return connection.account.tags.get(name=TAG)


def doubtful(sandbox, connection, tag, email, *, in_kartra, **given):
    """A lead that has the tag by a copy that is due for an update; in Kartra, or not."""
    lead = sandbox.mirrored_lead(connection, email)
    LeadTag.objects.create(lead=lead, tag=tag, since=timezone.now(), source=Source.REFRESH)
    if in_kartra:
        sandbox.act("assign_tag", lead=lead.kartra_id, tag=TAG)
    Lead.objects.filter(pk=lead.pk).update(**(given or {"dirty_at": timezone.now() - dt.timedelta(hours=1)}))
    return lead


def start(connection, choices=FIRST):
    return changes.record_run(
        connection.account, Lead.objects.all(), kinds.get_kind("assign_tag"), {"tag": TAG}, choices=choices
    )


def became(run):
    return dict(run.changes.order_by("pk").values_list("lead__email", "status"))


def reads():
    return ApiCall.objects.filter(cause=Cause.PUSH, writes=False).count()


def test_the_copy_is_looked_at_before_it_is_believed(sandbox, connection, tag):
    doubtful(sandbox, connection, tag, "has@example.com", in_kartra=True)
    doubtful(sandbox, connection, tag, "lost@example.com", in_kartra=False)
    sandbox.mirrored_lead(connection, "new@example.com")
    counted = changes.preview_change(
        connection.account, Lead.objects.all(), kinds.get_kind("assign_tag"), {"tag": TAG}, FIRST
    )
    run = start(connection)
    assert (counted.will_change, counted.already_so, counted.doubtful, counted.read_first, counted.calls) == (
        1,
        2,
        2,
        2,
        5,
    )
    assert set(became(run).values()) == {"waiting"}

    push.drain(connection)

    assert became(run) == {"has@example.com": "skipped", "lost@example.com": "accepted", "new@example.com": "accepted"}
    assert run.changes.get(lead__email="has@example.com").reason == "already_so"
    assert len(sandbox.calls(writes=True)) == 2
    assert len(sandbox.tagged(TAG)) == 3
    assert reads() == 2
    run.refresh_from_db()
    assert run.has_ended


def test_without_the_wish_the_copy_is_believed(sandbox, connection, tag):
    doubtful(sandbox, connection, tag, "lost@example.com", in_kartra=False)
    run = start(connection, Choices())
    push.drain(connection)
    assert became(run) == {"lost@example.com": "skipped"}
    assert reads() == 0


@pytest.mark.parametrize(
    ("given", "doubted"),
    [
        ({"read_at": None}, True),
        ({"read_at": timezone.now() - dt.timedelta(hours=25)}, True),
        ({"read_at": timezone.now() - dt.timedelta(hours=1)}, False),
    ],
)
def test_old_is_due_or_never_read_or_over_the_promised_age(sandbox, connection, tag, given, doubted):
    lead = doubtful(sandbox, connection, tag, "has@example.com", in_kartra=True, **given)
    run = start(connection)
    assert run.changes.get().read_first is doubted
    lead.refresh_from_db()
    assert (lead.dirty_at is not None) is doubted


def test_a_read_that_came_in_between_is_enough(sandbox, connection, tag):
    doubtful(sandbox, connection, tag, "has@example.com", in_kartra=True)
    doubtful(sandbox, connection, tag, "lost@example.com", in_kartra=False)
    run = start(connection)
    refresh.drain(connection)

    push.drain(connection)

    assert became(run) == {"has@example.com": "skipped", "lost@example.com": "accepted"}
    assert reads() == 0


def test_what_cannot_be_looked_at_waits_and_holds_nobody_back(sandbox, connection, tag):
    lead = doubtful(sandbox, connection, tag, "lost@example.com", in_kartra=False)
    sandbox.mirrored_lead(connection, "new@example.com")
    sandbox.fault("hung, then nothing", cmd="get_lead", count=None)
    run = start(connection)

    push.drain(connection)

    assert became(run) == {"lost@example.com": "waiting", "new@example.com": "accepted"}
    assert not ApiCall.objects.in_flight().exists()
    made = ApiCall.objects.count()
    push.drain(connection)  # nothing is tried again at once
    assert ApiCall.objects.count() == made

    sandbox.clear_faults()
    Lead.objects.filter(pk=lead.pk).update(read_not_before=None)
    push.drain(connection)
    assert became(run)["lost@example.com"] == "accepted"


def test_a_lead_deleted_in_kartra_is_left_alone(sandbox, connection, tag):
    lead = doubtful(sandbox, connection, tag, "gone@example.com", in_kartra=True)
    doubtful(sandbox, connection, tag, "lost@example.com", in_kartra=False)
    sandbox.act("delete_lead", lead=lead.kartra_id)
    run = start(connection)

    push.drain(connection)
    push.drain(connection)

    assert became(run) == {"gone@example.com": "skipped", "lost@example.com": "accepted"}
    assert run.changes.get(lead=lead).reason == "gone"


def test_other_changes_of_the_lead_travel_meanwhile(sandbox, connection, tag):
    lead = doubtful(sandbox, connection, tag, "has@example.com", in_kartra=True)
    run = start(connection)
    single = record_change(lead, kinds.get_kind("update_lead"), {"city": "Bend"})
    later = record_change(lead, kinds.get_kind("unassign_tag"), {"tag": TAG})

    push.drain(connection)
    push.drain(connection)

    assert became(run) == {"has@example.com": "skipped"}
    for change in (single, later):
        change.refresh_from_db()
        assert change.status == "accepted"
    assert sandbox.lead(lead.kartra_id)["city"] == "Bend"
    assert sandbox.tagged(TAG) == set()


def test_a_lead_that_a_read_does_not_find_is_not_taken_for_so(sandbox, connection, tag):
    lead = Lead.objects.create(account=connection.account, email="nobody@example.com")
    LeadTag.objects.create(lead=lead, tag=tag, since=timezone.now(), source=Source.IMPORT)
    run = start(connection)

    push.drain(connection)

    assert became(run) != {"nobody@example.com": "skipped"}
    assert [call["cmds"] for call in sandbox.calls(writes=True)] == [["assign_tag"]]
