"""A field that somebody changed in Kartra after a person looked at it: our edit does not replace it in silence."""

import datetime as dt

import pytest
from django.utils import timezone

from integrations import push
from integrations.models import ApiCall
from leads import changes, kinds
from leads.changes import conflicts
from leads.models import ChangeStatus, Lead, LeadChange
from tests.flows.steps import settle_all

pytestmark = pytest.mark.django_db


@pytest.fixture
def lead(sandbox, connection):
    return sandbox.mirrored_lead(connection, "ada@example.com", city="Salem", first_name="Ada")


def read_so_long_ago(lead, seconds):
    Lead.objects.filter(pk=lead.pk).update(read_at=timezone.now() - dt.timedelta(seconds=seconds), dirty_at=None)


def edit(lead, city="Bend", **more):
    return changes.record_changes(
        lead, kinds.get_kind("update_lead"), {"city": city, **more}, baseline={"city": ["Salem"]}
    )


def asked_and_written(sandbox):
    return [call["cmds"] for call in sandbox.calls()]


def test_value_changed_in_kartra_without_a_word_is_seen_before_ours_goes_out(sandbox, connection, lead):
    read_so_long_ago(lead, 120)
    sandbox.act("edit_lead", lead=lead.kartra_id, fields={"city": "Reno"})
    [change] = edit(lead)

    push.drain(connection, until_s=3)

    change.refresh_from_db()
    lead.refresh_from_db()
    assert (change.status, change.reason) == (ChangeStatus.UNDECIDED, "conflict")
    assert (sandbox.lead(lead.kartra_id)["city"], lead.city) == ("Reno", "Reno")
    assert sandbox.calls(writes=True) == []
    assert not ApiCall.objects.in_flight().exists()

    conflicts.decide(change, "again", why="Ada said so")
    push.drain(connection, until_s=3)

    change.refresh_from_db()
    assert (change.status, sandbox.lead(lead.kartra_id)["city"]) == (ChangeStatus.ACCEPTED, "Bend")


def test_what_nobody_changed_goes_out_after_one_look(sandbox, connection, lead):
    read_so_long_ago(lead, 120)
    [change] = edit(lead)

    push.drain(connection, until_s=3)

    change.refresh_from_db()
    assert change.status == ChangeStatus.ACCEPTED
    assert [cmds for cmds in asked_and_written(sandbox) if cmds == ["edit_lead"]] == [["edit_lead"]]
    assert len(sandbox.calls()) == 2


def test_copy_from_just_now_is_believed(sandbox, connection, lead):
    read_so_long_ago(lead, 5)
    edit(lead)

    push.drain(connection, until_s=3)

    assert asked_and_written(sandbox) == [["edit_lead"]]


def test_what_travels_with_the_edit_goes_out_and_a_later_edit_waits(sandbox, connection, lead):
    read_so_long_ago(lead, 120)
    sandbox.act("edit_lead", lead=lead.kartra_id, fields={"city": "Reno"})
    first, tag = edit(lead, tag=["VIP"])
    [later] = changes.record_changes(lead, kinds.get_kind("update_lead"), {"zip": "97301"}, baseline={"zip": [""]})

    push.drain(connection, until_s=3)

    found = {change.pk: change.status for change in LeadChange.objects.all()}
    assert found == {first.pk: "undecided", tag.pk: "accepted", later.pk: "waiting"}
    assert sandbox.tagged("VIP") == {lead.kartra_id}
    assert sandbox.lead(lead.kartra_id)["city"] == "Reno"


def test_lead_that_cannot_be_read_is_sent_as_before(sandbox, connection, lead):
    read_so_long_ago(lead, 120)
    sandbox.fault("whole call refused", code="299", cmd="get_lead")
    [change] = edit(lead)

    push.drain(connection, until_s=3)

    change.refresh_from_db()
    assert change.status == ChangeStatus.ACCEPTED


def test_same_value_set_by_somebody_else_is_no_conflict(sandbox, connection, lead):
    read_so_long_ago(lead, 120)
    sandbox.act("edit_lead", lead=lead.kartra_id, fields={"city": "Bend"})
    [change] = edit(lead)

    push.drain(connection, until_s=3)

    change.refresh_from_db()
    assert change.status in (ChangeStatus.ACCEPTED, ChangeStatus.SKIPPED)


@pytest.mark.parametrize("ago_s", [5, 120], ids=["seen in our copy", "read first"])
def test_conflict_is_seen_behind_another_edit_of_the_same_call(sandbox, connection, lead, ago_s):
    sandbox.act("edit_lead", lead=lead.kartra_id, fields={"zip": "9"})
    if ago_s == 5:
        Lead.objects.filter(pk=lead.pk).update(zip="9")
    read_so_long_ago(lead, ago_s)
    [first] = edit(lead)
    [second] = changes.record_changes(
        lead, kinds.get_kind("update_lead"), {"zip": "1", "city": "Ours"}, baseline={"zip": [""], "city": ["Bend"]}
    )

    push.drain(connection, until_s=3)

    first.refresh_from_db()
    second.refresh_from_db()
    theirs = sandbox.lead(lead.kartra_id)
    assert (theirs["zip"], theirs["city"]) == ("9", "Bend")
    assert (first.status, second.status, second.reason) == (ChangeStatus.ACCEPTED, ChangeStatus.UNDECIDED, "conflict")
    assert "zip" in second.words.lower()
    assert "city" not in second.words.lower()


def test_field_of_a_second_edit_that_was_changed_in_kartra_after_a_lost_answer_is_a_conflict(sandbox, connection, lead):
    sandbox.fault("502, nothing done")
    changes.record_changes(lead, kinds.get_kind("update_lead"), {"city": "Bend"})
    [second] = changes.record_changes(lead, kinds.get_kind("update_lead"), {"zip": "1"})
    push.drain(connection, until_s=3)
    sandbox.act("edit_lead", lead=lead.kartra_id, fields={"zip": "9"})

    settle_all(connection)

    second.refresh_from_db()
    assert (second.status, second.reason) == (ChangeStatus.UNDECIDED, "conflict")
    assert sandbox.lead(lead.kartra_id)["zip"] == "9"
