"""Every error that Kartra documents, answered to the command it belongs to: what becomes of the wish, and in which words."""

import pytest
from django.utils import timezone

from integrations import push
from integrations.kartra.errors import CODES, Rejected, advice
from integrations.models import Connection
from integrations.push import verify
from integrations.sending import switch
from integrations.sending.custom_fields import CannotCreate, create as create_custom_field
from leads import changes, kinds
from leads.models import Lead, LeadChange, RecurringSubscription, Transaction
from tests.recording import record_change

pytestmark = pytest.mark.django_db(transaction=True)

WISHES = {
    "assign_tag": {"tag": "VIP"},
    "unassign_tag": {"tag": "VIP"},
    "subscribe_list": {"list": "Buyers"},
    "unsubscribe_list": {"list": "Buyers"},
    "give_points": {"points": 5},
    "remove_points": {"points": 5},
    "subscribe_sequence": {"sequence": "Upsell", "step": 1},
    "unsubscribe_sequence": {"sequence": "Upsell"},
    "subscribe_calendar": {"calendar": "Coaching", "class": "Intro call"},
    "cancel_calendar": {"calendar": "Coaching", "class": "Intro call"},
    "create_lead": {"email": "new@example.com"},
    "update_lead": {"city": "Bend"},
    "refund_transaction": {"transaction": "70001", "amount": "whole"},
    "cancel_subscription": {"subscription": "8001"},
    "pause_subscription": {"subscription": "8001"},
    "edit_subscription": {"subscription": "8001", "amount": "31.00"},
}
POINTS_LIKE = ("subscribe_sequence", "unsubscribe_sequence")
CALENDAR = ("subscribe_calendar", "cancel_calendar")
PLAN = ("cancel_subscription", "pause_subscription", "edit_subscription")

REFUSED = {
    "206": ("assign_tag", "update_lead"),
    "207": ("subscribe_list",),
    "208": ("unsubscribe_list",),
    "211": ("assign_tag",),
    "213": ("unassign_tag",),
    "215": ("give_points",),
    "217": ("remove_points",),
    "223": ("assign_tag",),
    "224": ("assign_tag",),
    "225": ("subscribe_sequence",),
    "226": POINTS_LIKE,
    "227": ("give_points",),
    "228": ("remove_points",),
    "229": ("subscribe_sequence",),
    "236": ("assign_tag",),
    "247": ("refund_transaction",),
    "248": PLAN,
    "249": ("cancel_subscription",),
    "250": ("refund_transaction",),
    "251": ("refund_transaction",),
    "252": ("cancel_subscription",),
    "253": ("refund_transaction", "cancel_subscription"),
    "254": ("assign_tag",),
    "255": CALENDAR,
    "256": CALENDAR,
    "259": ("cancel_calendar",),
    "260": ("subscribe_calendar", "edit_subscription"),
    "261": ("subscribe_calendar", "edit_subscription"),
    "268": ("refund_transaction", "edit_subscription"),
    "271": ("create_lead", "update_lead"),
    "274": ("pause_subscription",),
    "275": ("pause_subscription", "edit_subscription"),
    "276": ("edit_subscription",),
    "277": ("edit_subscription",),
    "278": ("edit_subscription",),
    "280": ("edit_subscription",),
    "281": ("edit_subscription",),
    "282": ("edit_subscription",),
    "283": ("edit_subscription",),
    "284": ("pause_subscription", "edit_subscription"),
    "285": ("edit_subscription",),
    "290": ("edit_subscription",),
}
CATALOGUE = {
    "209": ("unsubscribe_list",),
    "212": ("assign_tag",),
    "214": ("unassign_tag",),
    "219": ("subscribe_sequence",),
    "220": ("unsubscribe_sequence",),
    "230": ("subscribe_sequence",),
    "231": ("subscribe_list",),
    "257": CALENDAR,
    "258": CALENDAR,
}
STOPS_CONNECTION = ("202", "203", "204", "233")
STOPS_APP = ("201", "238", "239", "240", "242")
FIELD = ("263", "264", "265", "269", "270", "272", "273")
APART = ("429", "234", "243", "244", "245", "262", "266", "267")


def pairs(table):
    return [(code, kind) for code, of in table.items() for kind in of]


@pytest.fixture
def lead(sandbox, connection):
    made = sandbox.mirrored_lead(connection, "ada@example.com")
    Lead.objects.filter(pk=made.pk).update(score=0, read_at=None)
    sale = sandbox.act("sale", lead=made.kartra_id)["transaction"]
    plan = sandbox.act("start_subscription", lead=made.kartra_id)["subscription"]
    made.sale, made.plan = str(sale), str(plan)
    Transaction.objects.create(
        account=connection.account, kartra_id=made.sale, lead=made, type="sale", full_amount="97.00"
    )
    RecurringSubscription.objects.create(
        account=connection.account, kartra_id=made.plan, lead=made, status="Active", read_at=timezone.now()
    )
    return made


def wish(lead, kind):
    given = dict(WISHES[kind])
    if "transaction" in given:
        given["transaction"] = lead.sale
    if "subscription" in given:
        given["subscription"] = lead.plan
    if kind == "create_lead":
        return changes.create_lead(lead.account, given)[0]
    return record_change(lead, kinds.get_kind(kind), given)


def after(connection, change, settle=False):
    push.drain(Connection.objects.get(pk=connection.pk), until_s=2)
    if settle:
        from tests.flows.steps import settle_all

        settle_all(connection, 12)
    change.refresh_from_db()
    return change


def test_the_table_names_every_code():
    tested = {*REFUSED, *CATALOGUE, *STOPS_CONNECTION, *STOPS_APP, *FIELD, *APART}

    assert tested == set(CODES)
    assert len(CODES) == 74 + 1  # and the HTTP status 429


@pytest.mark.parametrize("shape", ["whole call refused", "action k fails"])
@pytest.mark.parametrize(("code", "kind"), [*pairs(REFUSED), *pairs(CATALOGUE)])
def test_refusal_is_final_and_told_with_what_to_do(sandbox, connection, lead, code, kind, shape):
    cmd = {
        "create_lead": "create_lead",
        "refund_transaction": "refund_transaction",
        "give_points": "give_points_to_lead",
        "remove_points": "remove_points_from_lead",
        "subscribe_sequence": "subscribe_lead_to_sequence_at_step",
    }.get(kind)
    sandbox.fault(shape, code=code, **({"cmd": cmd} if cmd else {}))

    change = after(connection, wish(lead, kind))

    assert (change.status, change.code, change.words) == ("rejected", code, CODES[code].words)
    assert advice(code).endswith(".")
    assert len(sandbox.calls(writes=True)) == 1
    connection.refresh_from_db()
    assert connection.catalogue_due == (code in CATALOGUE)
    assert connection.sending == "on"


@pytest.mark.parametrize("code", [*STOPS_CONNECTION, *STOPS_APP])
def test_refused_keys_or_app_stop_sending_and_keep_the_wish(sandbox, connection, lead, code):
    sandbox.credentials(refuse=code)

    change = after(connection, wish(lead, "assign_tag"))

    connection.refresh_from_db()
    assert (change.status, connection.sending) == ("waiting", "stopped")
    assert CODES[code].words in switch.why_not_sending(connection)
    assert advice(code) in switch.why_not_sending(connection)
    sandbox.credentials(refuse="")
    switch.on(connection)
    assert after(connection, change).status == "accepted"


def test_429_waits_and_goes_on(sandbox, connection, lead):
    sandbox.fault("429")

    assert after(connection, wish(lead, "assign_tag"), settle=True).status == "accepted"


@pytest.mark.parametrize("code", ["243", "234"])
def test_no_lead_found_is_looked_at_and_sent_again_if_it_is_there(sandbox, connection, lead, code):
    sandbox.fault("whole call refused", code=code)

    change = after(connection, wish(lead, "assign_tag"), settle=True)

    assert change.status == "accepted"


def test_no_lead_found_by_its_id_is_gone(sandbox, connection, lead):
    Lead.objects.filter(pk=lead.pk).update(kartra_id="999999", email="bo@example.com", email_key="bo@example.com")

    change = after(connection, wish(Lead.objects.get(pk=lead.pk), "assign_tag"), settle=True)

    lead.refresh_from_db()
    assert (change.status, change.reason, lead.gone_reason) == ("skipped", "gone", "not_found")


def test_no_lead_found_by_its_address_is_refused(sandbox, connection, lead):
    Lead.objects.filter(pk=lead.pk).update(kartra_id=None, email="bo@example.com", email_key="bo@example.com")

    change = after(connection, wish(Lead.objects.get(pk=lead.pk), "assign_tag"), settle=True)

    assert (change.status, change.code) == ("rejected", "243")


def test_existing_lead_is_adopted(sandbox, connection, lead):
    number = sandbox.add_lead("new@example.com")

    change = after(connection, wish(lead, "create_lead"), settle=True)

    assert change.status == "accepted"
    assert Lead.objects.get(email="new@example.com").kartra_id == number


@pytest.mark.parametrize("kind", ["assign_tag", "create_lead", "update_lead"])
def test_deleted_lead_is_marked_and_nothing_more_is_sent(sandbox, connection, lead, kind):
    sandbox.fault("whole call refused", code="245")

    change = after(connection, wish(lead, kind))

    assert (change.status, change.reason) == ("skipped", "gone")
    assert change.lead.__class__.objects.get(pk=change.lead_id).gone_reason == "deleted"


def test_command_that_is_not_allowed_waits_and_all_else_goes_on(sandbox, connection, lead):
    sandbox.credentials(refused_commands=["assign_tag"])
    first = wish(lead, "assign_tag")
    second = wish(lead, "subscribe_list")

    after(connection, first, settle=False)
    verify.drain(connection, until_s=1)
    push.drain(Connection.objects.get(pk=connection.pk), until_s=2)
    push.drain(Connection.objects.get(pk=connection.pk), until_s=2)

    first.refresh_from_db()
    second.refresh_from_db()
    connection.refresh_from_db()
    assert (first.status, second.status) == ("waiting", "accepted")
    assert "does not allow the app" in switch.why_commands_wait(connection)
    sandbox.credentials(refused_commands=[])
    switch.on(connection)
    assert after(connection, first).status == "accepted"


@pytest.mark.parametrize(("code", "kind"), [("266", "refund_transaction"), ("267", "cancel_subscription")])
def test_failed_money_is_looked_at_before_anything_else(sandbox, connection, lead, code, kind, settings):
    settings.VERIFY_MONEY_SETTLE_S = [0.1, 0.2]
    marks = {"refund_fails": True} if kind == "refund_transaction" else {"cancel_fails": True}
    of = (
        {"kind": "transaction", "id": lead.sale}
        if "refund_fails" in marks
        else {"kind": "subscription", "id": lead.plan}
    )
    sandbox.act("mark_payment", **of, marks=marks)

    change = wish(lead, kind)
    push.drain(connection, until_s=2)
    change.refresh_from_db()

    assert (change.status, change.code) == ("unknown", code)
    assert "before anything" in advice("266")


@pytest.mark.parametrize(
    ("code", "kind"), [("251", "refund_transaction"), ("252", "cancel_subscription"), ("259", "cancel_calendar")]
)
def test_done_before_counts_as_done_after_an_unclear_try(sandbox, connection, lead, code, kind):
    change = wish(lead, kind)
    sandbox.fault("hung, then nothing", cmd=sorted(cmd_of(kind))[-1], seconds=1)
    push.drain(connection, until_s=2)
    change.attempts.update(looks=1, proof="not_done", verify_at=None)
    LeadChange.objects.filter(pk=change.pk).update(status="waiting")
    sandbox.fault("whole call refused", code=code, cmd=sorted(cmd_of(kind))[-1])
    Connection.objects.update(hold_until=None, failures=0)

    assert after(connection, change).status == "accepted"


def cmd_of(kind):
    return {
        "refund_transaction": ["refund_transaction"],
        "cancel_subscription": ["modify_subscription_status"],
        "cancel_calendar": ["calendar_cancel"],
    }[kind]


@pytest.mark.parametrize("code", FIELD)
def test_refused_custom_field_is_told(sandbox, connection, code):
    sandbox.fault("whole call refused", code=code)

    with pytest.raises(Rejected) as refused:
        create_custom_field(connection, "size", "drop_down", ["a", "b"])

    assert refused.value.code == code
    assert advice(code).endswith(".")


@pytest.mark.parametrize(
    ("identifier", "type", "options", "words"),
    [
        ("", "input_field", [], "identifier"),
        ("shoe size", "input_field", [], "letters, digits"),
        ("größe", "input_field", [], "letters, digits"),
        ("size", "number", [], "five types"),
        ("size", "drop_down", ["one"], "two options"),
        ("size", "drop_down", ["one", " "], "empty"),
        ("shirt_size", "input_field", [], "already"),
    ],
)
def test_bad_custom_field_is_refused_before_anything_is_sent(sandbox, connection, identifier, type, options, words):
    with pytest.raises(CannotCreate, match=words):
        create_custom_field(connection, identifier, type, options)

    assert sandbox.calls() == []
