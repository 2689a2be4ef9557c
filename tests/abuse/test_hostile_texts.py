"""Hostile texts in every parameter: they reach Kartra byte for byte, or are refused in words and nothing is sent."""

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from integrations import push
from integrations.kartra.commands import call_fields
from integrations.models import Connection
from integrations.translate import compose
from leads import changes, kinds
from leads.fields import WRITABLE
from leads.kinds.writable_fields import CUSTOM
from leads.models import (
    Account,
    Calendar,
    CustomField,
    Lead,
    LeadChange,
    MailingList,
    RecurringSubscription,
    Sequence,
    Tag,
    Transaction,
)
from tests.factories import LeadFactory
from tests.flows.steps import NEXT_YEAR, settle_all
from tests.recording import record_change

pytestmark = pytest.mark.django_db(transaction=True)

HOSTILE = {
    "empty": "",
    "long": "x" * 10_000,
    "emoji": "🦊 ça & co",
    "form": "&=[]%+;\"'",
    "brackets": "lead[id]=1&actions[0][cmd]=x",
    "newlines": "a\r\nb\nc\td",
    "right to left": "‮שלום‬ abc",
    "trailing space": "VIP ",
    "markup": "<b>{x}</b>[y]\\",
    "case": "vip",
    "percent": "100% %20 %%",
    "plus": "+1 555",
    "sql": "'; DROP TABLE leads; --",
    "template": "{{ 7*7 }}{% x %}",
    "zero width": "a\u200bb\u00a0c",
}

MAY_BE_EMPTY = ("business_type", "custom.shirt_size", "custom.interests", "expires_in_days", "date", "hour", "named_by")
WITH = {
    "subscribe_calendar": {
        "calendar": "Coaching",
        "class": "Intro call",
        "date": f"{NEXT_YEAR}-01-16",
        "hour": "15:00",
    },
    "subscribe_sequence": {"sequence": "Upsell"},
    "give_points": {"points": "5"},
    "edit_subscription": {"subscription": "8001"},
    "refund_transaction": {"transaction": "70001", "amount": "whole"},
    "cancel_subscription": {"subscription": "8001"},
}
"""What else a kind needs, so that nothing but the text in question can be refused."""


@pytest.fixture
def lead(sandbox, connection):
    return sandbox.mirrored_lead(connection, "ada@example.com")


def sent(connection):
    push.drain(Connection.objects.get(pk=connection.pk), until_s=3)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_every_field_of_a_lead(sandbox, connection, lead, text):
    fields = {name: text for name in WRITABLE if name not in ("business_type", "country")}
    fields |= {f"{CUSTOM}crm_ref": text, f"{CUSTOM}remarks": text}
    changes.record_changes(lead, kinds.get_kind("update_lead"), fields)
    sent(connection)

    [call] = sandbox.calls()
    for name in fields:
        if not name.startswith(CUSTOM):
            assert call["form"]["lead"][name] == text
    assert [entry["field_value"] for entry in call["form"]["lead"]["custom_fields"].values()] == [text, text]
    lead.refresh_from_db()
    assert lead.company == text
    assert sandbox.lead(lead.kartra_id)["company"] == text


@pytest.mark.parametrize("name", [n for n in HOSTILE if n not in ("empty", "long")])
@pytest.mark.parametrize(
    ("model", "thing", "kind", "parameter", "said_as"),
    [
        (Tag, "tag", "assign_tag", "tag", "tag_name"),
        (MailingList, "list", "subscribe_list", "list", "list_name"),
        (Sequence, "sequence", "unsubscribe_sequence", "sequence", "sequence_name"),
    ],
)
def test_every_name_of_the_catalogue(sandbox, connection, lead, model, thing, kind, parameter, said_as, name):
    text = HOSTILE[name]
    Lead.objects.update(read_at=None)
    doc = {"doc": {"steps": ["1"]}} if thing == "sequence" else {}
    sandbox.act(f"create_{thing}", name=text, **doc)
    model.objects.get_or_create(account=connection.account, name=text)

    change = record_change(lead, kinds.get_kind(kind), {parameter: text})
    sent(connection)

    change.refresh_from_db()
    assert (change.status, change.parameters) == ("accepted", {parameter: text})
    assert sandbox.calls()[0]["form"]["actions"]["0"][said_as] == text


@pytest.mark.parametrize("name", [n for n in HOSTILE if n not in ("empty", "long")])
def test_calendar_and_class(sandbox, connection, lead, name):
    text = HOSTILE[name]
    sandbox.act("create_calendar", name=text, doc={"classes": [text]})
    wish = {"calendar": text, "class": text, "date": f"{NEXT_YEAR}-03-01", "hour": "09:30"}

    change = record_change(lead, kinds.get_kind("subscribe_calendar"), wish)
    sent(connection)

    change.refresh_from_db()
    assert change.status == "accepted"
    action = sandbox.calls()[0]["form"]["actions"]["0"]
    assert (action["calendar_name"], action["class_name"]) == (text, text)
    assert Calendar.objects.get().name == text


def test_tags_that_differ_only_in_case_stay_two(sandbox, connection, lead):
    sandbox.act("create_tag", name="vip")
    Tag.objects.create(account=connection.account, name="vip")

    changes.record_changes(lead, kinds.get_kind("update_lead"), {"tag": ["VIP", "vip"]})
    sent(connection)

    assert sandbox.lead(lead.kartra_id)["tags"] == ["VIP", "vip"]
    assert LeadChange.objects.filter(family__in=["tag:VIP", "tag:vip"]).count() == 2


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, name)
        for kind, names in (
            ("assign_tag", ["tag"]),
            ("unassign_tag", ["tag"]),
            ("subscribe_list", ["list"]),
            ("unsubscribe_list", ["list"]),
            ("subscribe_sequence", ["sequence", "step"]),
            ("unsubscribe_sequence", ["sequence"]),
            ("give_points", ["points", "expires_in_days"]),
            ("remove_points", ["points"]),
            ("create_lead", ["email"]),
            ("subscribe_calendar", ["date", "hour"]),
            ("refund_transaction", ["transaction", "amount"]),
            ("cancel_subscription", ["subscription", "named_by"]),
            ("pause_subscription", ["subscription"]),
            ("unpause_subscription", ["subscription"]),
            (
                "edit_subscription",
                [
                    "subscription",
                    "amount",
                    "quantity",
                    "next_payment",
                    "period",
                    "later_period",
                    "installments_left",
                    "tax_percent",
                    "product_id",
                    "price_point",
                ],
            ),
            (
                "update_lead",
                [
                    "email",
                    "business_type",
                    "custom.shirt_size",
                    "custom.interests",
                    "clear",
                    "tag",
                    "remove_tag",
                    "list",
                    "leave_list",
                    "sequence",
                    "leave_sequence",
                    "step",
                    "points",
                    "expires_in_days",
                    "date",
                    "hour",
                ],
            ),
        )
        for name in names
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(connection, lead, kind, name):
    of_lead = {"account": connection.account, "lead": lead}
    RecurringSubscription.objects.create(**of_lead, kartra_id="8001", status="Active")
    Transaction.objects.create(**of_lead, kartra_id="70001", type="sale", full_amount="97.00")
    taken, told = [], []
    for text in [*HOSTILE.values(), "a\0b", "\ud800", "-1", "1e400", "NaN"]:
        if not text and name in MAY_BE_EMPTY:
            continue
        given_ = {**WITH.get(kind, {}), name: text}
        try:
            if kind == "create_lead":
                changes.create_lead(connection.account, given_)
            else:
                changes.record_changes(lead, kinds.get_kind(kind), given_)
            taken.append(text)
        except (kinds.BadParameters, changes.CannotRecord) as refused:
            told.append(str(refused))

    assert taken == []
    assert all(words.strip() for words in told)
    assert not LeadChange.objects.exists()
    assert Lead.objects.count() == 1


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
@pytest.mark.parametrize("name", ["company", "custom.crm_ref", "calendar"])
def test_what_is_no_text_is_refused(lead, name, text):
    given_ = {name: text, **({"class": "x"} if name == "calendar" else {})}

    with pytest.raises(kinds.BadParameters):
        changes.record_changes(lead, kinds.get_kind("update_lead"), given_)


def test_what_the_firewall_refuses_is_warned_of_and_ends_undecided(sandbox, connection, lead):
    wish = {"company": "A <b> {c}"}
    assert "firewall is reported to refuse" in kinds.warnings(wish)[0]
    assert kinds.warnings({"company": 'A & B = C; "d" %'}) == []
    sandbox.switch(firewall=True)

    change = changes.record_changes(lead, kinds.get_kind("update_lead"), wish)[0]
    settle_all(connection)

    change.refresh_from_db()
    assert (change.status, change.reason) == ("undecided", "firewall")
    assert len(sandbox.calls(writes=True)) == 2
    assert "web page" in change.words


@given(
    values=st.dictionaries(
        st.sampled_from([*WRITABLE, f"{CUSTOM}a", f"{CUSTOM}b c"]), st.text(), min_size=1, max_size=6
    )
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_said_as_it_is_or_refused(db, values):
    account, _ = Account.objects.get_or_create(name="Any")
    lead = Lead.objects.filter(account=account).first() or LeadFactory(account=account)
    for identifier in ("a", "b c"):
        CustomField.objects.get_or_create(account=account, identifier=identifier, type="input_field")
    try:
        clean = kinds.get_kind("update_lead").clean(account, values)
    except kinds.BadParameters:
        return

    said = compose(lead, [LeadChange(kind="update_lead", parameters=clean, family="profile")])
    pairs = call_fields(said.actions, said.lead, said.lead_fields)

    told = [value for key, value in pairs if key.startswith("lead[") and key != "lead[id]" and "identifier" not in key]
    assert sorted(told) == sorted(values.values())
