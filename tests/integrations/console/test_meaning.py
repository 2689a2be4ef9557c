"""Each kind of change is known again in the call that says it, and nothing else is taken for one."""

import pytest

from integrations.console.form import read_form
from integrations.console.meaning import NotOurs, moves_money, wishes_of
from integrations.kartra.commands import call_fields
from integrations.translate import WIRE_FORMATS
from leads import kinds
from tests.leads.kinds.parameters import GIVEN

SAID = {
    **GIVEN,
    "update_lead": {"city": "Bend", "email": "new@example.com", "custom.size": "611", "custom.likes": ["1", "2"]},
    "refund_transaction": {"transaction": "71", "amount": "20.00"},
    "edit_subscription": {"subscription": "81", "amount": "31.50", "period": "weekly", "later_period": "yearly"},
}
STORED_OTHERWISE = {"date": "16 Jan 2031"}


def said(name, parameters):
    """The fields of the call that says this change."""
    wire = WIRE_FORMATS[name]
    lead = wire.lead_fields(parameters) if wire.lead_fields else None
    return call_fields([wire.action(parameters)], lead_fields=lead)


@pytest.mark.parametrize("name", kinds.ALL)
def test_every_kind_is_known_again(name):
    parameters = {
        key: STORED_OTHERWISE.get(key, value if isinstance(value, list) else str(value))
        for key, value in SAID[name].items()
        if key != "named_by"
    }

    assert wishes_of(read_form(said(name, SAID[name]))) == [(kinds.get_kind(name), parameters)]


@pytest.mark.parametrize("name", kinds.ALL)
@pytest.mark.parametrize(
    "extra", ["actions[0][surprise]", "actions[0][cmds][x]", "lead[surprise]", "lead[city2][x]", "surprise"]
)
def test_no_kind_is_known_in_a_call_that_says_more(name, extra):
    with pytest.raises(NotOurs):
        wishes_of(read_form([*said(name, SAID[name]), (extra, "1")]))


def test_list_where_a_text_belongs_is_not_understood():
    with pytest.raises(NotOurs, match="assign_tag"):
        wishes_of(read_form([("actions[0][cmd]", "assign_tag"), ("actions[0][tag_name][0]", "VIP")]))


@pytest.mark.parametrize(
    ("command", "money"),
    [
        ("refund_transaction", True),
        ("cancel_transaction", True),
        ("modify_subscription_status", True),
        ("edit_subscription", True),
        ("charge_lead", True),
        ("refund_everything", True),
        ("create_invoice", True),
        ("assign_tag", False),
        ("search_transaction", False),
        ("delete_lead", False),
    ],
)
def test_what_moves_money(command, money):
    assert moves_money(read_form([("actions[0][cmd]", command)])) is money
