"""Flows under the other readings of what Kartra does not document: each switch of the Kartra sandbox that has other readings
runs the core with each of them, and the flows that the point is about."""

import pytest

from integrations.models import Connection
from integrations.sandbox.store.switches import SWITCHES
from leads.models import Lead
from tests.flows.steps import pull
from tests.sandbox_fixture import SandboxForTests

CORE = {
    "test_all_changes_of_a_lead_travel_in_one_call_in_their_order",
    "test_create_a_lead_with_everything_is_two_calls_with_a_booking",
    "test_leaving_what_the_lead_is_in",
    "test_changing_a_plan",
    "test_later_change_of_a_family_waits_for_an_unclear_one",
}
"""Flows that hold under every reading."""

_REFUSALS = {
    "test_unknown_tag_is_refused_with_kartras_words",
    "test_an_edit_to_an_address_that_another_lead_has_is_refused_once",
    "test_case_12_each_change_of_a_chain_is_judged_by_itself",
    "test_cancelling_nothing_is_refused_in_words",
    "test_existing_lead_is_adopted",
    "test_refusals_of_a_refund_are_told",
}

_MONEY = {
    "test_transactions_of_a_lead_are_read_with_their_amounts",
    "test_limit_reads_details_of_so_many",
    "test_a_refund_made_meanwhile_by_another_proves_nothing",
    "test_cancellation_without_an_answer",
}

ABOUT = {
    "on_244=per_action": {
        "test_points_that_equal_the_score_that_is_there_are_sent",
        "test_sequence_is_judged_by_where_the_lead_is",
        "test_list_that_the_person_has_left_is_not_joined_again_and_it_is_said",
        "test_existing_lead_is_adopted",
        "test_tag_that_is_there_is_no_change_and_one_that_is_not_is_sent",
        "test_creating_a_lead_that_kartra_has_adopts_it_and_goes_on",
    },
    "no_lead": {
        "test_no_lead_found_by_its_address_is_refused",
        "test_no_lead_found_by_its_id_is_gone",
        "test_deleted_lead_is_marked_and_nothing_more_is_sent",
        "test_case_7_deleted_lead_is_marked_and_its_changes_end",
        "test_lead_deleted_in_kartra_skips_its_changes_and_marks_it_gone",
        "test_lead_unknown_to_kartra_is_gone_only_after_a_look_by_id",
        "test_no_lead_found_is_looked_at_and_sent_again_if_it_is_there",
    },
    "single_error": _REFUSALS,
    "errors_in_chain": _REFUSALS,
    "after_error": _REFUSALS,
    "half_failed_status": _REFUSALS,
    "inner_status": _MONEY,
    "encoded": {*_MONEY, "test_edit_of_a_field_that_kartra_has_not_is_refused_by_the_read_that_follows"},
    "numbers": {"test_case_1_stale_score_is_read_before_the_points_are_given", "test_points_show_in_our_copy"},
    "tag_ids": {"test_undo_takes_back_what_the_run_changed_and_leaves_who_had_it_or_changed_since"},
    "empty_choice": {"test_field_that_kartra_has_stays_done"},
    "get_lead_by_id": {
        "test_case_6_swapped_addresses_stay_two_people",
        "test_case_7_deleted_lead_is_marked_and_its_changes_end",
        "test_lead_unknown_to_kartra_is_gone_only_after_a_look_by_id",
        "test_case_12_each_change_of_a_chain_is_judged_by_itself",
    },
    "email_check": {"test_existing_lead_is_adopted"},
    "known_tag_again": {"test_sent_anyway_fires_again_and_is_not_undone"},
    "nothing_removed": {"test_undo_of_removals_puts_back_only_what_was_there"},
    "cancels": {"test_a_cancelled_booking_is_asked_for_again_and_259_counts_as_done"},
    "partial_refunds": _MONEY,
    "refund_answers": {*_MONEY, "test_refund_goes_once_alone_and_without_lead"},
    "money_order": _MONEY,
    "echo_api_writes": {"test_undo_of_several_kinds_is_the_last_first_and_restores_all"},
}
"""By switch, or by one of its readings: the flows that are about that point."""

READINGS = [
    (name, f"{name}={str(other).lower() if isinstance(other, bool) else other}")
    for name, switch in SWITCHES.items()
    for other in switch.others
]


def readings_of(flow: str) -> list[str]:
    """The other readings under which a flow runs."""
    about = ABOUT.get
    return [
        reading
        for name, reading in READINGS
        if flow in CORE or flow in about(name, set()) or flow in about(reading, set())
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    others = readings_of(metafunc.function.__name__) if "switched" in metafunc.fixturenames else []
    if others and not metafunc.config.getoption("--reading"):
        metafunc.parametrize("switched", ["", *others], indirect=True, ids=["as it stands", *others])


@pytest.fixture
def lead(sandbox: SandboxForTests, connection: Connection) -> Lead:
    """A lead that both sides know."""
    return sandbox.mirrored_lead(connection, "ada@example.com")


@pytest.fixture
def buyer(sandbox, connection):
    """A lead with a sale of 97.00, a plan of 29.00 with its first sale, all known to our copy."""
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    lead.sale = str(sandbox.act("sale", lead=lead.kartra_id, product="Trail Course", amount="97.00")["transaction"])
    lead.plan = str(sandbox.act("start_subscription", lead=lead.kartra_id, product="Trail Club")["subscription"])
    pull(connection, "--lead", lead.kartra_id, "--transactions")
    sandbox.server.calls.clear()
    return lead
