"""What PHP would read decides what a call is: a key with a reading of its own is refused, whatever stands beside it."""

import pytest

from integrations import console
from integrations.console import meaning
from integrations.console.form import CannotCall, read_form
from integrations.sandbox import forms
from leads.models import LeadChange

READ = ("actions[0][cmd]", "retrieve_account_pages")
REFUND = "refund_transaction"


@pytest.mark.parametrize(
    "pairs",
    [
        # keys that PHP reads otherwise than they look, or that only look like another
        [("Actions[0][cmd]", REFUND)],
        [("actions[0][Cmd]", REFUND), READ],
        [("actions[0][ cmd]", REFUND)],
        [("actions[0][cmd ]", REFUND)],
        [("actions[0] [cmd]", REFUND)],
        [(" actions[0][cmd]", REFUND)],
        [("actions[0][cmd]\n", REFUND)],
        [("actions%5B0%5D[cmd]", REFUND)],
        [("actions[0]%5Bcmd%5D", REFUND)],
        [("actions[0][cmd]x", REFUND)],
        [("actions[0][cmd", REFUND)],
        [("actions.0.cmd", REFUND)],
        [("get.lead[email]", "ada@example.com")],
        [("get lead[email]", "ada@example.com")],
        [("actions[00][cmd]", REFUND)],
        [("actions[-1][cmd]", REFUND)],
        [("actions[1e0][cmd]", REFUND)],
        [("actions[9999999999999999999999][cmd]", REFUND)],
        [("actions[\uff10][cmd]", REFUND)],
        [("actions[0][cmd]\0", REFUND)],
        [("actions[0][[cmd]", REFUND)],
        [("actions[0][cmd][]", REFUND)],
        [("act\u0131ons[0][cmd]", REFUND)],
        # one field twice, or once as a text and once as a list
        [READ, ("actions[0][cmd]", REFUND)],
        [READ, ("actions[][cmd]", REFUND)],
        [("actions[][cmd]", "retrieve_account_pages"), ("actions[][cmd]", REFUND)],
        [READ, ("actions[0][cmd][x]", REFUND)],
        [("actions[0][cmd][x]", REFUND)],
        [("actions", REFUND), READ],
        [READ, ("actions", REFUND)],
        [("lead", "5"), ("actions[0][cmd]", "assign_tag")],
        [("get_lead", "5")],
        # actions out of their order, or apart
        [("actions[1][cmd]", "retrieve_account_pages")],
        [("actions[1][cmd]", REFUND), ("actions[0][cmd]", "retrieve_account_tags")],
        [READ, ("actions[x][cmd]", REFUND)],
        # no command, or one that is written as no command of Kartra's is
        [("actions[0][transaction_id]", "71")],
        [("actions[0][cmd]", "")],
        [("actions[0][cmd]", "GET_lead")],
        [("actions[0][cmd]", "retrieve_account_pages ")],
        [("actions[0][cmd]", " refund_transaction")],
        [("actions[0][cmd]", "refund_transaction\n")],
        [("actions[0][cmd]", "refund_transaction\0")],
        [("actions[0][cmd]", "retrieve_account_pages,refund_transaction")],
        [("actions[0][cmd]", "\uff52efund_transaction")],
        # what PHP would cut off, credentials, and no text
        [READ, *[(f"actions[0][x{n}]", "1") for n in range(500)]],
        [("App_Id", "1"), READ],
        [("api_key[0]", "1"), READ],
        [("api.key", "1"), READ],
        [("", "x")],
        [("actions[0][cmd]", "retrieve\ud800")],
        [READ, ("get_lead[email]", "ada@example.com")],
    ],
    ids=repr,
)
def test_form_that_can_be_read_two_ways_is_refused(pairs):
    with pytest.raises(CannotCall):
        read_form(pairs)


@pytest.mark.parametrize(
    ("pairs", "reads"),
    [
        ([READ], True),
        ([("actions[][cmd]", "retrieve_account_pages")], True),
        ([READ, ("actions[1][cmd]", "get_transaction_details"), ("actions[1][transaction_id]", "7")], True),
        ([("get_lead[email]", "ada@example.com")], True),
        ([("lead[id]", "5"), ("actions[0][cmd]", "search_lead")], True),
        # what a name begins with says nothing
        ([("actions[0][cmd]", "retrieve_and_refund")], False),
        ([("actions[0][cmd]", "get_points_to_lead")], False),
        ([("actions[0][cmd]", "search_lead_or_create")], False),
        # a read that brings more than it needs
        ([("lead[id]", "5"), ("lead[city]", "Bend"), ("actions[0][cmd]", "search_lead")], False),
        ([("get_lead[email]", "a@example.com"), ("get_lead[first_name]", "Ada")], False),
        ([("get_lead[id]", "5"), ("lead[city]", "Bend")], False),
        ([READ, ("edit_lead[id]", "5")], False),
        ([("edit_lead[id]", "5")], False),
    ],
    ids=repr,
)
def test_only_a_documented_read_is_one(pairs, reads):
    assert meaning.only_reads(read_form(pairs)) is reads


def test_read_beside_a_write_is_refused():
    with pytest.raises(CannotCall, match="Make two calls"):
        meaning.only_reads(read_form([READ, ("actions[1][cmd]", "assign_tag")]))


@pytest.mark.parametrize("key", ["actions[][cmd]", "actions[0][cmd]"])
def test_form_is_sent_as_it_was_read(key):
    form = read_form([(key, "assign_tag"), (key.replace("cmd", "tag_name"), "VIP"), ("lead[id]", "5")])

    body = "&".join("=".join(pair) for pair in form.pairs).encode()
    assert forms.parse(body) == {"actions": {"0": {"cmd": "assign_tag", "tag_name": "VIP"}}, "lead": {"id": "5"}}
    assert [dict(each) for each in form.actions] == [{"cmd": "assign_tag", "tag_name": "VIP"}]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_or_recorded_of_what_is_refused(sandbox, connection):
    with pytest.raises(CannotCall):
        console.call(connection, [READ, ("actions[0][ cmd]", REFUND), ("actions[0][transaction_id]", "7")])

    assert sandbox.calls() == []
    assert not LeadChange.objects.exists()
