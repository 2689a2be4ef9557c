"""What ends otherwise under another reading of what Kartra does not document, and is true all the same."""

import pytest
from django.core.management import CommandError

from integrations import push
from leads import changes, kinds
from leads.models import Lead, LeadChange
from tests.flows import conftest
from tests.flows.steps import change, read_now, settle_all
from tests.recording import record_change

pytestmark = pytest.mark.django_db(transaction=True)


def test_every_flow_that_is_to_run_under_other_readings_is_there(request):
    there = {item.function.__name__ for item in request.session.items if "flows" in item.nodeid}
    named = conftest.CORE.union(*conftest.ABOUT.values())
    whole = {"tests", "tests/", "tests/flows", "tests/flows/"} & {*request.config.args} or not request.config.args
    assert not whole or named <= there, sorted(named - there)
    switches = {name for name, _reading in conftest.READINGS}
    assert {key.partition("=")[0] for key in conftest.ABOUT} <= switches


def test_where_kartra_goes_on_after_244_each_action_is_what_its_answer_says(sandbox, connection):
    sandbox.switch(on_244="go_on")
    number = sandbox.add_lead("known@example.com")
    sandbox.act("give_points", lead=number, points=15)

    changes.create_lead(connection.account, {"email": "known@example.com", "tag": "VIP", "points": "15"})
    settle_all(connection)

    read_now(connection)
    assert set(LeadChange.objects.values_list("status", flat=True)) == {"accepted"}
    theirs = sandbox.lead(number)
    assert (theirs["tags"], int(theirs["score"]), Lead.objects.get().score) == (["VIP"], 30, 30)
    assert sum("give_points_to_lead" in call["cmds"] for call in sandbox.calls(writes=True)) == 1


def test_second_part_of_a_refund_that_kartra_refuses_is_told_with_what_to_do(sandbox, connection, buyer):
    sandbox.switch(partial_refunds="once")
    change(connection, "refund_transaction", transaction=buyer.sale, amount="20.00")

    with pytest.raises(CommandError, match="refunded before, whole or in part: look at the sale in Kartra"):
        change(connection, "refund_transaction", transaction=buyer.sale, amount="10.00")

    assert sandbox.server.store.payment(1, "transaction", buyer.sale)["refunded"] == "20.00"


def test_251_proves_no_whole_refund_of_a_sale_that_was_refunded_in_part(sandbox, connection, buyer):
    sandbox.switch(partial_refunds="once")
    change(connection, "refund_transaction", transaction=buyer.sale, amount="20.00")
    sandbox.fault("hung, then nothing", cmd="refund_transaction", seconds=1)
    whole = record_change(buyer, kinds.get_kind("refund_transaction"), {"transaction": buyer.sale, "amount": "whole"})
    push.drain(connection, until_s=2)
    whole.attempts.update(looks=1, proof="not_done", verify_at=None)
    LeadChange.objects.filter(pk=whole.pk).update(status="waiting")
    type(connection).objects.update(hold_until=None, failures=0)

    connection.refresh_from_db()
    push.drain(connection, until_s=2)

    whole.refresh_from_db()
    assert (whole.status, whole.code) == ("rejected", "251")


@pytest.mark.parametrize("fault", ["carried out, then dropped", "502, nothing done"])
def test_a_score_of_0_that_was_to_fall_tells_nothing_and_points_are_not_taken_twice(sandbox, connection, fault):
    sandbox.switch(score_below_zero=False)
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sandbox.fault(fault, cmd="remove_points_from_lead")
    removal = record_change(lead, kinds.get_kind("remove_points"), {"points": "5"})

    settle_all(connection)

    removal.refresh_from_db()
    assert (removal.status, removal.reason) == ("undecided", "outcome")
    assert len(sandbox.calls(writes=True)) == 1


def test_a_score_that_kartra_keeps_at_0_is_read_after_points_were_taken(sandbox, connection):
    sandbox.switch(score_below_zero=False)
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    record_change(lead, kinds.get_kind("remove_points"), {"points": "5"})
    settle_all(connection)
    lead.refresh_from_db()
    assert lead.dirty_at is not None

    read_now(connection)

    assert (Lead.objects.get().score, sandbox.lead(lead.kartra_id)["score"]) == (0, 0)
