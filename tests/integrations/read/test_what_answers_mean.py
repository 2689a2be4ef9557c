"""What Kartra's answers say, kind by kind, in every spelling: one test for each line, with its sisters."""

import io
import json

import pytest
import responses
from django.core.management import CommandError, call_command
from django.utils import timezone

from integrations import push
from integrations.kartra.client import Client, Credentials
from integrations.kartra.commands import LeadRef, assign_tag, subscribe_lead_to_list
from integrations.kartra.errors import OutcomeUnknown, Throttled
from integrations.kartra.profile import profile_of
from integrations.kartra.replies import ChainReply, parse_chain
from integrations.kartra.transport import Transport, answer_text
from integrations.models import Connection
from integrations.push.proof import Request, classify_answer
from integrations.push.proof.answers import Sent
from integrations.read import catalogue
from integrations.translate.profile import facts_of
from leads import mirror
from leads.models import (
    CustomField,
    Lead,
    LeadTag,
    ListSubscription,
    MailingList,
    Membership,
    MembershipGrant,
    MembershipLevel,
    Page,
    Sequence,
    SequenceEnrollment,
    Tag,
)
from tests.factories import ConnectionFactory, LeadChangeFactory, LeadFactory

URL = "http://127.0.0.1:9/api"
ONE = [assign_tag(tag_name="VIP")]
TWO = [*ONE, subscribe_lead_to_list(list_name="Buyers")]
DONE = {"status": "Success", "actions": [{"assign_tag": {"status": "Success", "message": "ok"}}]}


@pytest.fixture
def kartra():
    return Client(Credentials("a", "b", "c"), Transport(URL))


def answering(body, **more):
    responses.add(responses.POST, URL, body=body if isinstance(body, str | bytes) else json.dumps(body), **more)


# --- a block that did not come


@pytest.fixture
def joined(db):
    lead = LeadFactory(kartra_id="50417")
    account = lead.account
    how = {"lead": lead, "since": timezone.now(), "source": "refresh"}
    LeadTag.objects.create(tag=Tag.objects.create(account=account, name="VIP"), **how)
    ListSubscription.objects.create(mailing_list=MailingList.objects.create(account=account, name="Buyers"), **how)
    sequence = Sequence.objects.create(account=account, name="Welcome")
    SequenceEnrollment.objects.create(sequence=sequence, step="1", status="active", **how)
    level = MembershipLevel.objects.create(
        membership=Membership.objects.create(account=account, name="Club"), name="Gold"
    )
    MembershipGrant.objects.create(level=level, **how)
    return lead


def read(lead, **told):
    facts = facts_of(profile_of({"id": "50417", "email": lead.email, **told}), lead.account, authority=True)
    return mirror.apply_facts(
        lead.account, facts, source="refresh", at=timezone.now(), lead=lead, read_began_at=timezone.now()
    ).differences


def still(lead):
    return (
        lead.leadtags.count(),
        lead.listsubscriptions.filter(active=True).count(),
        lead.sequenceenrollments.count(),
        lead.membershipgrants.filter(active=True).count(),
    )


BLOCKS = ("tags", "lists", "sequences", "memberships")


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize(
    "nothing", ["missing", None, "", "N/A", "null", 0, False, "none", [None], [5, {}], [{"id_of_it": 5}], {"a": None}]
)
def test_block_that_did_not_come_takes_nothing_away(joined, block, nothing):
    if nothing == [5, {}] and block == "memberships":
        nothing = [{}]
    differences = read(joined, **({} if nothing == "missing" else {block: nothing}))

    assert still(joined) == (1, 1, 1, 1)
    assert differences == ()


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("empty", [[], {}, "[]", "{}"])
def test_block_that_came_empty_does(joined, block, empty):
    read(joined, **{block: empty})

    assert still(joined) == tuple(int(name != block) for name in BLOCKS)


@pytest.mark.parametrize("active", ["missing", None, "", "maybe", "N/A"])
def test_membership_without_a_state_is_neither_access_nor_none(joined, active):
    more = {} if active == "missing" else {"active": active}
    entries = [{"membership_name": name, "level_name": "Gold", **more} for name in ("Club", "Other")]

    read(joined, memberships=entries)

    assert list(MembershipGrant.objects.values_list("level__membership__name", "active")) == [("Club", True)]


@pytest.mark.parametrize(
    ("active", "has"), [("1", True), (1, True), (True, True), ("0", False), (0, False), (False, False)]
)
def test_membership_with_a_state_is_as_told(joined, active, has):
    read(joined, memberships=[{"id": 4, "name": "Club", "level_name": "Gold", "active": active}])
    assert MembershipGrant.objects.get().active is has


# --- the catalogue

PARTS = [
    ("retrieve_account_tags", "account_tags", Tag),
    ("retrieve_account_lists", "account_lists", MailingList),
    ("retrieve_account_sequences", "account_sequences", Sequence),
    ("retrieve_account_pages", "account_pages", Page),
]


@pytest.mark.parametrize(("method", "key", "model"), PARTS)
@pytest.mark.parametrize(
    ("told", "names"),
    [
        (None, None),
        ("", None),
        ("N/A", None),
        (0, None),
        (False, None),
        (["VIP", None], None),
        (["VIP", {}], None),
        (["VIP", "Caf\ufffd"], None),
        ([], []),
        ({}, []),
        ("[]", []),
        (["VIP"], ["VIP"]),
        ('["VIP"]', ["VIP"]),
        ({"0": "VIP"}, ["VIP"]),
        ([{"name": "VIP"}], ["VIP"]),
    ],
)
@responses.activate
def test_catalogue_answer_says_names_or_nothing(kartra, method, key, model, told, names):
    answering({"status": "Success", key: told})
    assert getattr(kartra, method)() == names


@pytest.mark.parametrize("told", [None, "", [{"field_id": 5}], [None], [{"field_identifier": "Caf\ufffd"}]])
@responses.activate
def test_custom_fields_answer_that_says_nothing(kartra, told):
    answering({"status": "Success", "custom_fields": told})
    assert kartra.retrieve_custom_fields() is None


@pytest.fixture
def known(db, monkeypatch):
    """A connection with ten names of each, and an answer of Kartra's to set."""
    connection = ConnectionFactory()
    account = connection.account
    names = [f"name {number}" for number in range(10)]
    for model in (Tag, MailingList, Sequence, Page):
        model.objects.bulk_create(model(account=account, name=name) for name in names)
    CustomField.objects.bulk_create(CustomField(account=account, identifier=name, type="input_field") for name in names)
    told = {"names": names}
    monkeypatch.setattr(catalogue.calls, "read", lambda connection, *, ask, **how: ask(Answering(told["names"])))
    return connection, told


class Answering:
    def __init__(self, names):
        self.names = names

    def retrieve_custom_fields(self):
        from integrations.kartra.client import CustomFieldDefinition

        return None if self.names is None else [CustomFieldDefinition("", name, "input_field") for name in self.names]

    def __getattr__(self, name):
        return lambda: self.names


def missing():
    return [
        model.objects.exclude(missing_since=None).count() for model in (Tag, MailingList, Sequence, Page, CustomField)
    ]


def test_null_for_a_catalogue_marks_nothing(known):
    connection, told = known
    told["names"] = None

    found = catalogue.read(connection)

    assert missing() == [0] * 5
    assert found.counts == {}
    assert all("says nothing" in words for words in found.problems.values())


@pytest.mark.parametrize(("left", "marked"), [(9, 1), (8, 2), (7, 0), (1, 0), (0, 0)])
def test_more_than_a_fifth_missing_at_once_asks_a_person(known, client, left, marked):
    connection, told = known
    told["names"] = told["names"][:left]

    catalogue.read(connection)

    assert missing() == [marked] * 5
    connection.refresh_from_db()
    assert bool(connection.catalogue_doubt) is (marked == 0)
    catalogue.read(connection, believe=True)
    connection.refresh_from_db()
    assert (missing(), connection.catalogue_doubt) == ([10 - left] * 5, {})


def test_doubt_ends_by_itself_when_the_names_are_back(known):
    connection, told = known
    told["names"], all_of_them = [], told["names"]
    catalogue.read(connection)
    told["names"] = all_of_them
    catalogue.read(connection)

    connection.refresh_from_db()
    assert (missing(), connection.catalogue_doubt) == ([0] * 5, {})


def test_doubt_is_asked_about_on_home_the_connection_and_the_command_line(known, admin_client):
    connection, told = known
    told["names"] = []
    with pytest.raises(CommandError, match="missing at once"):
        call_command("pull", connection=connection.account.name, catalogue=True, stdout=io.StringIO())

    assert "50 names of" in admin_client.get("/admin/").content.decode()
    page = admin_client.get(connection.refresh_from_db() or Connection.objects.get().get_absolute_url())
    assert "They are deleted in Kartra: update the catalogue" in page.content.decode()
    admin_client.post(f"/admin/integrations/connection/{connection.pk}/do/believe/")
    assert missing() == [10] * 5


# --- bytes


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("Café ☕".encode(), "Café ☕"),
        ("Café".encode("latin-1"), "Café"),
        ("“Café” – €5".encode("cp1252"), "“Café” – €5"),
        ("Café".encode("utf-16"), "Café"),
        (b"", ""),
        (b"a\tb\r\n", "a\tb\r\n"),
    ],
)
def test_answer_in_an_older_encoding_is_read(body, text):
    assert answer_text(body) == text


@pytest.mark.parametrize(
    "body", [b"Caf\x81", b"\xff\x00\x01", b"VIP\xe9\x00", b"\xc3\x28\x8f", b"\xff\xfe\x41", bytes(range(128, 160))]
)
def test_answer_that_is_no_text_is_not_taken_in(body):
    with pytest.raises(OutcomeUnknown):
        answer_text(body)


@responses.activate
def test_catalogue_in_latin_1_has_whole_names(kartra):
    answering('{"status": "Success", "account_tags": ["Café"]}'.encode("latin-1"))
    assert kartra.retrieve_account_tags() == ["Café"]


# --- what is not understood


@pytest.mark.parametrize(
    "answer",
    [
        '[{"status": "Success"}]',
        '[{"status":"Success"},{"status":"Success"}]',
        "[]",
        '"Success"',
        "1",
        "true",
        "null",
        'x [{"status": "Success"}]',
        '[{"status": "Success"}',
        '[{"status": "Success"}, oops]',
        "{}",
        "Success",
        '[["Success"]]',
        '{"x": {"status": "Success"}',
        json.dumps([DONE]),
        json.dumps(DONE)[:-1],
        json.dumps(DONE)[1:],
        json.dumps(json.dumps(DONE)),
        "<br /><b>Notice</b><br />" + json.dumps([DONE]),
        "",
    ],
)
@pytest.mark.parametrize("actions", [ONE, TWO])
def test_what_is_not_understood_is_never_done(answer, actions):
    try:
        reply = parse_chain(answer, actions)
    except OutcomeUnknown:
        return
    assert isinstance(reply, ChainReply)
    assert {outcome.state for outcome in reply.outcomes} == {"missing"}


@pytest.mark.parametrize(
    "before", ["", "\ufeff", "<br />\n<b>Warning</b>: {closure}() in [x.php] on line 3<br />\n", "PHP Notice: [8] x\n"]
)
def test_what_php_says_before_an_answer_is_passed_over(before):
    reply = parse_chain(before + json.dumps(DONE), ONE)
    assert [outcome.state for outcome in reply.outcomes] == ["done"]


@pytest.mark.django_db
@pytest.mark.parametrize("answer", ['[{"status": "Success"}]', "[]", '{"status": "Success", "actions": null}'])
@responses.activate
def test_change_with_such_an_answer_is_looked_at(answer):
    responses.add(responses.POST, URL, body=answer)
    connection = ConnectionFactory(sending="on", get_lead_by_id=True)
    change = LeadChangeFactory(lead=LeadFactory(account=connection.account))

    push.drain(connection, until_s=2)

    change.refresh_from_db()
    assert change.status == "unknown"


# --- an error without a code


@pytest.mark.django_db
@pytest.mark.parametrize(
    "answer",
    [
        {"status": "Error", "message": "Something"},
        {"status": "Error", "message": "Something", "type": ""},
        {"status": "Error", "type": None},
        {"status": "Success", "actions": [{"assign_tag": {"status": "Error", "message": "Something"}}]},
    ],
)
def test_error_without_a_code_is_looked_at_first(answer):
    change = LeadChangeFactory()
    reply = parse_chain(json.dumps(answer), ONE)
    request = Request(change.pk, change.kind, change.parameters)
    [verdict] = classify_answer([Sent(request, 0, creates=False, first_look_s=30.0)], reply)

    assert (verdict.status, verdict.proof) == ("unknown", "unclear")


@pytest.mark.django_db
def test_error_without_a_code_is_proven_by_a_read(sandbox, connection):
    from integrations.push import verify

    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    change = LeadChangeFactory(lead=lead)
    sandbox.fault("whole call refused", cmd="assign_tag", code="", count=1)

    push.drain(connection, until_s=3)
    change.refresh_from_db()
    assert change.status == "unknown"
    for _ in range(3):
        verify.drain(connection, now=timezone.now() + timezone.timedelta(seconds=5))
        push.drain(connection, until_s=3)

    change.refresh_from_db()
    assert change.status == "accepted"
    assert sandbox.tagged("VIP") == {Lead.objects.get().kartra_id}


# --- older names


@pytest.mark.parametrize("name", ["retrieve_transactions_from_lead", "get_transactions_from_lead"])
@pytest.mark.parametrize("key", ["transaction_list", "transactions_list", "transactions"])
@pytest.mark.parametrize("shape", ["list", "object", "flat"])
@responses.activate
def test_transactions_under_older_names_are_read_alike(kartra, name, key, shape):
    inner = {
        "status": "Success",
        key: [{"transaction_id": "70001", "transaction_type": "sale"}, {"transaction_type": "sale"}],
    }
    actions = {"list": [{name: inner}], "object": {"0": {name: inner}}}
    answering(
        {"status": "Success", name: inner} if shape == "flat" else {"status": "Success", "actions": actions[shape]}
    )

    found = kartra.retrieve_transactions_from_lead(LeadRef(id="5"))

    assert [(entry.id, entry.type) for entry in found] == [("70001", "sale"), ("", "sale")]


@pytest.mark.parametrize("name", ["retrieve_subscriptions_from_lead", "get_subscriptions_from_lead"])
@pytest.mark.parametrize("key", ["subscriptions_list", "subscription_list", "subscriptions"])
@responses.activate
def test_plans_under_older_names_are_read_alike(kartra, name, key):
    inner = {
        "status": "Success",
        key: [{"transaction_subscription_id": 8001, "transaction_subscription_status": "Active"}],
    }
    answering({"status": "Success", "actions": [{name: inner}]})

    [plan] = kartra.retrieve_subscriptions_from_lead(LeadRef(id="5"))

    assert (plan.id, plan.status) == ("8001", "Active")


# --- 429


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, ""),
        (429, "{}"),
        (200, "Too Many Requests"),
        (200, "429"),
        (200, "429 Too many requests\n"),
        (200, "<html><head><title>429 Too Many Requests</title></head></html>"),
        (200, "<h1>too many\nrequests</h1>"),
        (200, '{"status": "Error", "type": 429, "message": "Too many requests"}'),
    ],
)
@responses.activate
def test_429_in_any_clothes_is_a_refusal_at_the_endpoint(kartra, status, body):
    answering(body, status=status)

    with pytest.raises(Throttled):
        kartra.one(assign_tag(tag_name="VIP"), LeadRef(id="5"))
    with pytest.raises(Throttled):
        kartra.retrieve_account_tags()
    with pytest.raises(Throttled):
        kartra.get_lead(id="5")


@pytest.mark.parametrize("body", ["<html>Error 4290</html>", "<p>requests</p>", "4291"])
@responses.activate
def test_other_pages_are_no_429(kartra, body):
    answering(body)
    with pytest.raises(OutcomeUnknown):
        kartra.one(assign_tag(tag_name="VIP"), LeadRef(id="5"))
