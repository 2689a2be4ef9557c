"""Kartra has the lead already (244): at a creation nothing of the call was done and it is adopted; at an edit it is a refusal."""

import pytest
from django.core.management import call_command

from integrations import push
from integrations.models import ApiCall
from integrations.read import lead_answer, refresh
from integrations.read.schedule import recent_writes
from leads import changes, kinds
from leads.models import Activity, ChangeStatus, Lead, LeadChange, Reason
from tests.flows.steps import read_now, settle_all
from tests.recording import record_change

pytestmark = pytest.mark.django_db(transaction=True)


def created(connection, **given):
    recorded = changes.create_lead(connection.account, given)
    settle_all(connection)
    return {change.kind: LeadChange.objects.get(pk=change.pk) for change in recorded}


@pytest.mark.parametrize("lost", [False, True], ids=["answered", "answer lost"])
def test_points_that_equal_the_score_that_is_there_are_sent(sandbox, connection, lost):
    number = sandbox.add_lead("pt.same@example.com")
    sandbox.act("give_points", lead=number, points=15)
    if lost:
        sandbox.server.store.lead(1, id=number)["date_joined"] = "2026-01-05 10:00:00"
        sandbox.fault("carried out, then dropped", cmd="create_lead")

    found = created(connection, email="pt.same@example.com", points="15")

    points = found["give_points"]
    if lost and points.status == ChangeStatus.UNDECIDED:
        assert int(sandbox.lead(number)["score"]) == 15  # nobody can know, and nothing was sent twice
        return
    assert points.status == ChangeStatus.ACCEPTED
    assert int(sandbox.lead(number)["score"]) == 30
    read_now(connection)
    assert Lead.objects.get().score == 30
    assert Activity.objects.filter(kind="points_given").count() == 1


def test_list_that_the_person_has_left_is_not_joined_again_and_it_is_said(sandbox, connection):
    number = sandbox.add_lead("opt.out1@example.com")
    sandbox.act("subscribe_list", lead=number, list="Spring newsletter")
    sandbox.act("unsubscribe_list", lead=number, list="Spring newsletter")

    found = created(connection, email="opt.out1@example.com", list="Spring newsletter")

    change = found["subscribe_list"]
    assert (change.status, change.reason) == (ChangeStatus.SKIPPED, Reason.LEFT_OUT)
    assert "left this list" in change.words
    assert sandbox.lead(number)["lists"] == {"Spring newsletter": False}
    assert not Activity.objects.filter(kind="list_joined").exists()


@pytest.mark.parametrize(
    ("there", "status", "ends"),
    [(None, "accepted", "1"), ("1", "skipped", "1"), ("3", "undecided", "3")],
    ids=["not in it", "at that step", "at another step"],
)
def test_sequence_is_judged_by_where_the_lead_is(sandbox, connection, there, status, ends):
    number = sandbox.add_lead("seq@example.com")
    if there:
        sandbox.act("start_sequence", lead=number, sequence="Welcome series", step=there)

    found = created(connection, email="seq@example.com", sequence="Welcome series", step="1")

    assert found["subscribe_sequence"].status == status
    assert sandbox.lead(number)["sequences"]["Welcome series"]["step"] == ends


def test_tag_that_is_there_is_no_change_and_one_that_is_not_is_sent(sandbox, connection):
    number = sandbox.add_lead("tags@example.com")
    sandbox.act("assign_tag", lead=number, tag="VIP")

    changes.create_lead(connection.account, {"email": "tags@example.com", "tag": "VIP;buyer"})
    settle_all(connection)

    told = dict(LeadChange.objects.filter(kind="assign_tag").values_list("parameters__tag", "status"))
    assert told == {"VIP": "skipped", "buyer": "accepted"}
    assert sorted(sandbox.lead(number)["tags"]) == ["VIP", "buyer"]


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside another change"])
def test_an_edit_to_an_address_that_another_lead_has_is_refused_once(sandbox, connection, beside):
    sandbox.add_lead("taken@example.com")
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    edit = record_change(lead, kinds.get_kind("update_lead"), {"email": "taken@example.com"})
    tag = record_change(lead, kinds.get_kind("assign_tag"), {"tag": "VIP"}) if beside else None

    settle_all(connection)

    edit.refresh_from_db()
    assert (edit.status, edit.code) == (ChangeStatus.REJECTED, "244")
    assert sandbox.lead(lead.kartra_id)["email"] == "ada@example.com"
    if tag is not None:
        tag.refresh_from_db()
        assert tag.status == ChangeStatus.ACCEPTED
    assert sum("edit_lead" in call["cmds"] for call in sandbox.calls(writes=True)) == 1


def test_read_right_after_a_refused_edit_does_not_count_as_after_a_refused_creation(sandbox, connection):
    sandbox.add_lead("taken@example.com")
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    record_change(lead, kinds.get_kind("update_lead"), {"email": "taken@example.com"})
    record_change(lead, kinds.get_kind("assign_tag"), {"tag": "VIP"})

    push.drain(connection, until_s=2)

    [call] = ApiCall.objects.filter(writes=True, code="244")
    assert lead_answer.may_apply(lead, call.finished_at) is False  # its other actions may have been done
    ApiCall.objects.filter(pk=call.pk).update(commands="create_lead, assign_tag")
    assert not recent_writes(call.finished_at).filter(pk=call.pk).exists()


def test_an_address_that_a_lead_of_our_copy_has_is_refused_at_once_with_whose_it_is(sandbox, connection):
    other = sandbox.mirrored_lead(connection, "taken@example.com", first_name="Tove", last_name="Lind")
    lead = sandbox.mirrored_lead(connection, "ada@example.com")

    with pytest.raises(changes.CannotRecord, match=rf"Tove Lind.*{other.kartra_id}"):
        record_change(lead, kinds.get_kind("update_lead"), {"email": " TAKEN@example.com"})

    assert not LeadChange.objects.exists()


def test_the_address_of_a_lead_that_is_deleted_may_be_given(sandbox, connection):
    other = sandbox.mirrored_lead(connection, "free@example.com")
    sandbox.act("delete_lead", lead=other.kartra_id)
    refresh.read_lead(connection, lead=other)
    lead = sandbox.mirrored_lead(connection, "ada@example.com")

    record_change(lead, kinds.get_kind("update_lead"), {"email": "free@example.com"})

    assert LeadChange.objects.count() == 1


def test_the_command_says_whose_address_it_is(sandbox, connection, capsys):
    from django.core.management.base import CommandError

    sandbox.mirrored_lead(connection, "taken@example.com")
    lead = sandbox.mirrored_lead(connection, "ada@example.com")

    with pytest.raises(CommandError, match="address of another lead"):
        call_command("change", "update_lead", lead=[lead.kartra_id], set=[("email", "taken@example.com")])
