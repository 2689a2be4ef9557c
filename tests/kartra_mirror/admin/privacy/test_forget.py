"""Forgetting a person from their page: what is said, what is wanted, what goes, what stays, and who may."""

import io
import json
import re
from urllib.parse import urlencode

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.core import serializers
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from integrations.models import ApiCall, Attempt, Delivery
from kartra_mirror import groups
from leads import changes, forgotten, kinds
from leads.erasure import forget
from leads.importing import people_list
from leads.models import (
    Activity,
    BulkRun,
    Forgotten,
    ImportReject,
    Lead,
    LeadChange,
    Occurrence,
    RunDraft,
    ScheduleRemark,
    Segment,
)
from leads.models.remarks import remark
from tests.factories import (
    AccountFactory,
    BulkRunFactory,
    DeliveryFactory,
    LeadChangeFactory,
    LeadFactory,
    RecipeFactory,
    ScheduleFactory,
    SegmentFactory,
    StaffFactory,
    TagFactory,
    WebhookEndpointFactory,
)
from tests.factories.accounts import whole_account

pytestmark = pytest.mark.django_db

HOSTILE = '<img x-data x-init="alert(1)">'


@pytest.fixture
def theirs(db):
    groups.make()
    rows = whole_account("Zebra", 902)
    LeadChange.objects.filter(lead=rows.lead, status="waiting").update(status="cancelled", settled_at=timezone.now())
    return rows


@pytest.fixture
def manager(client, theirs):
    user = StaffFactory(username="max")
    user.groups.add(Group.objects.get(name="Manager"))
    client.force_login(user)
    return client


def url_of(lead):
    return reverse("admin:leads_lead_forget", args=[lead.pk])


def test_page_says_what_goes_and_what_stays_and_changes_nothing(manager, theirs):
    page = manager.get(url_of(theirs.lead)).content.decode()
    for words in (
        "What goes",
        "3 requested changes",
        "1 call to Kartra",
        "1 message from Kartra",
        "1 line of the timeline",
        "What stays",
        "delete this one there first",
    ):
        assert words in page
    assert Lead.objects.filter(pk=theirs.lead.pk).exists()


@pytest.mark.parametrize("typed", ["", "someone@example.com", "Zebra"])
def test_nothing_goes_without_the_address(manager, theirs, typed):
    answer = manager.post(url_of(theirs.lead), {"typed": typed})
    assert answer.status_code == 200
    assert Lead.objects.filter(pk=theirs.lead.pk).exists()
    assert not Forgotten.objects.exists()
    assert not LogEntry.objects.exists()


def test_with_the_address_the_person_goes_and_a_line_stays(manager, theirs):
    answer = manager.post(url_of(theirs.lead), {"typed": " zebra@EXAMPLE.com "}, follow=True)

    assert "Erased." in answer.content.decode()
    assert not Lead.objects.exists()
    for model in (LeadChange, ApiCall, Attempt, Activity):
        assert not model.objects.exists()
    line = LogEntry.objects.get()
    assert (line.user.username, line.is_deletion(), line.object_id) == ("max", True, None)
    assert "Zebra account" in line.change_message
    assert "example.com" not in line.change_message + line.object_repr
    assert Forgotten.objects.count() == 2
    assert manager.post(url_of(theirs.lead), {"typed": "zebra@example.com"}).status_code == 404
    with pytest.raises(forgotten.LeftOut):
        forgotten.check(theirs.account, email="zebra@example.com")


def test_a_lead_without_an_address_is_named_by_its_id(manager, theirs):
    Lead.objects.filter(pk=theirs.lead.pk).update(email="", email_key="")
    assert "Type the id of this lead" in manager.get(url_of(theirs.lead)).content.decode()
    manager.post(url_of(theirs.lead), {"typed": theirs.lead.kartra_id})
    assert not Lead.objects.exists()


def test_not_while_a_change_is_on_its_way(manager, theirs):
    LeadChangeFactory(lead=theirs.lead, status="sending", family="tag:x")
    answer = manager.post(url_of(theirs.lead), {"typed": theirs.lead.email})
    assert "on its way to Kartra" in answer.content.decode()
    assert Lead.objects.exists()
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(
    ("name", "status"), [("Viewer", 403), ("Support", 403), ("Marketer", 403), ("Manager", 200), ("Engineer", 200)]
)
def test_who_may(client, theirs, name, status):
    user = StaffFactory()
    user.groups.add(Group.objects.get(name=name))
    client.force_login(user)
    assert client.get(url_of(theirs.lead)).status_code == status
    if status == 403:
        assert client.post(url_of(theirs.lead), {"typed": theirs.lead.email}).status_code == 403
        assert Lead.objects.filter(pk=theirs.lead.pk).exists()


def test_a_hostile_name_is_harmless(manager, theirs):
    Lead.objects.filter(pk=theirs.lead.pk).update(first_name=HOSTILE, email=f"{HOSTILE}@example.com", email_key="x")
    page = manager.post(url_of(theirs.lead), {"typed": HOSTILE}).content.decode()
    assert "<img x-data" not in page


def test_page_costs_the_same_queries_for_more_rows(manager, theirs, django_assert_max_num_queries):
    url = url_of(theirs.lead)
    manager.get(url)
    with django_assert_max_num_queries(40) as few:
        manager.get(url)
    for number in range(20):
        LeadChangeFactory(lead=theirs.lead, family=f"tag:{number}", parameters={"tag": str(number)})
    with django_assert_max_num_queries(len(few.captured_queries)):
        manager.get(url)


# --- what others' rows keep of a person


def holds(text, *, but=()):
    """Whether a stored row of any table of ours holds the text."""
    models = [
        m for app in ("leads", "integrations", "admin") for m in apps.get_app_config(app).get_models() if m not in but
    ]
    found = [row for model in models for row in model._default_manager.all()]
    stored = serializers.serialize("json", found)
    bodies = b"".join(bytes(body) for body in Delivery.objects.values_list("body", flat=True)).decode(errors="replace")
    return text.casefold() in (stored + bodies).casefold()


def searched_for(text):
    return {"version": 1, "leads": {"condition": "search", "values": {"q": [text]}}}


def test_nothing_of_ours_holds_the_address_or_the_id_afterwards(theirs):
    """Of all places where one is written down that are not the lead's own rows."""
    lead = theirs.lead
    Lead.objects.filter(pk=lead.pk).update(
        email="ada.lind@example.com", email_key="ada.lind@example.com", kartra_id="7744330"
    )
    lead.refresh_from_db()
    lead.emails.create(email="Old.Ada@example.com", email_key="old.ada@example.com", since=timezone.now())
    lists = people_list.read(theirs.account, io.BytesIO(b"Email\nada.lind@example.com\nbo@example.com\n"))
    author = StaffFactory()
    prepared = RunDraft.objects.create(
        created_by=author,
        account=theirs.account,
        kind="create_lead",
        parameters={"people": 2, "clean": {}, "form": {}},
        selection={
            "people": [[p.line, p.parameters] for p in lists.people],
            "file": "x.csv",
            "bad": [[4, "old.ada@example.com"]],
        },
    )
    RunDraft.objects.create(
        created_by=author,
        account=theirs.account,
        kind="assign_tag",
        selection=searched_for("ada.lind@example.com"),
        listed="q=ada.lind%40example.com",
    )
    LogEntry.objects.create(
        user=author, action_flag=2, object_repr="2 leads", change_message="filtered by q=ada.lind%40example.com."
    )
    ImportReject.objects.create(
        file=theirs.job, line=9, reason="ada.lind@example.com is odd", cells=["ADA.LIND@example.com"]
    )
    endpoint = WebhookEndpointFactory(connection=theirs.connection)
    for body in (b"lead_email=ada.lind%40example.com&x=1", json.dumps({"email": "Old.Ada@Example.com"}).encode()):
        DeliveryFactory(endpoint=endpoint, body=body, status="quarantined", applied_at=timezone.now())
    other = DeliveryFactory(
        endpoint=endpoint, body=b"lead_email=bo%40example.com", status="quarantined", applied_at=timezone.now()
    )
    run = changes.record_run(
        theirs.account,
        Lead.objects.filter(pk=lead.pk),
        kinds.get_kind("update_lead"),
        {"website": "https://ada.lind@example.com"},
        why="ada.lind@example.com wrote to us",
        name="Mend ada.lind@example.com",
    )
    assert holds("ada.lind") and holds("7744330") and holds("old.ada")  # noqa: PT018

    call_command("forget", "--connection", theirs.connection.name, "--lead", "7744330", "--yes", stdout=io.StringIO())

    for text in ("ada.lind", "7744330", "old.ada"):
        assert not holds(text), text
    prepared.refresh_from_db()
    assert [each[1]["email"] for each in prepared.selection["people"]] == ["bo@example.com"]
    assert prepared.parameters["people"] == 1
    run.refresh_from_db()
    assert (run.state, run.name, run.parameters) == ("finished", "Change fields", {})
    other.refresh_from_db()
    assert bytes(other.body) == b"lead_email=bo%40example.com"


def _people(account, **more):
    lines = [[2, {"email": "bo@example.com"}]]
    return {
        "kind": "create_lead",
        "account": account,
        "selection": {"people": lines, "file": "x.csv", "bad": []},
        "parameters": {"people": 1, "clean": {}, "form": {}},
        **more,
    }


TICKED = {"version": 1, "leads": {"ids": [1]}}


def _draft(**given):
    return RunDraft.objects.create(**{"created_by": StaffFactory(), "kind": "assign_tag", "selection": TICKED, **given})


PLACES = {
    "a draft's selection": lambda account, who: _draft(selection=searched_for(f"mail {who}")),
    "the list a draft was made on": lambda account, who: _draft(listed=urlencode({"q": f"mail {who}"})),
    "what was typed into a draft": lambda account, who: _draft(
        parameters={"form": {"why": f"for {who}."}, "clean": {}}
    ),
    "a reason to refuse": lambda account, who: _draft(refused_why=f"not {who}"),
    "a list's reason": lambda account, who: _draft(**_people(account, parameters={"people": 1, "form": {"why": who}})),
    "a segment's filter": lambda account, who: SegmentFactory(account=account, name=who[::-1], conditions={"q": [who]}),
    "a segment's name": lambda account, who: SegmentFactory(
        account=account, name=f"<{who}>", conditions={"tag": ["1"]}
    ),
    "a recipe's note": lambda account, who: RecipeFactory(account=account, note=f"for {who}."),
    "a recipe's name": lambda account, who: RecipeFactory(account=account, name=f"<{who}>"),
    "what a recipe does": lambda account, who: RecipeFactory(
        account=account, steps=[["update_lead", {"company": f"of {who}."}]]
    ),
    "a schedule's filter": lambda account, who: ScheduleFactory(account=account, selection=searched_for(f"mail {who}")),
    "a schedule's name": lambda account, who: ScheduleFactory(account=account, name=f"<{who}>"),
    "a schedule's reason": lambda account, who: ScheduleFactory(account=account, why=f"for {who}."),
    "what a schedule does": lambda account, who: ScheduleFactory(
        account=account, steps=[["update_lead", {"company": f"of {who}."}]]
    ),
    "why a schedule holds": lambda account, who: Occurrence.objects.create(
        schedule=ScheduleFactory(account=account),
        due_at=timezone.now(),
        state="held",
        remark=remark(ScheduleRemark.REFUSED, words=f"{who} is the address of another lead."),
    ),
    "a line": lambda account, who: LogEntry.objects.create(
        user=StaffFactory(),
        action_flag=2,
        object_repr="x",
        change_message=f"filtered by {urlencode({'q': f'mail {who}'})}.",
    ),
    "a line in words": lambda account, who: LogEntry.objects.create(
        user=StaffFactory(), action_flag=2, object_repr="x", change_message=f"For {who}."
    ),
}
SOMEBODY_ELSE = [
    "lada@example.com",
    "x+ada@example.com",
    "x.ada@example.com",
    "ada@example.com.au",
    "ada@example.community",
]


def stored(rows):
    found = type(rows[0]).objects.filter(pk__in=[row.pk for row in rows]).order_by("pk")
    return serializers.serialize("json", found)


@pytest.mark.parametrize("place", PLACES)
def test_of_the_address_nothing_stays_and_of_somebody_elses_everything(theirs, place):
    Lead.objects.filter(pk=theirs.lead.pk).update(email="Ada@example.com", email_key="ada@example.com")
    theirs.lead.refresh_from_db()
    others = [PLACES[place](theirs.account, who) for who in SOMEBODY_ELSE]
    named = PLACES[place](theirs.account, "Ada@Example.com")
    before = stored(others)

    forget.forget(theirs.lead)

    assert stored(others) == before
    assert not re.search("ada@example|ada%40example", stored([named]).casefold())


def test_what_is_left_of_what_named_the_person(theirs):
    Lead.objects.filter(pk=theirs.lead.pk).update(email="ada@example.com", email_key="ada@example.com")
    theirs.lead.refresh_from_db()
    made = {
        place: make(theirs.account, "ada@example.com")
        for place, make in PLACES.items()
        if place != "a segment's filter"
    }
    elsewhere = SegmentFactory(account=AccountFactory(), name="ada@example.com", conditions={"q": ["ada@example.com"]})
    called = made["a segment's name"]
    SegmentFactory(account=theirs.account, name=f"Segment {called.pk}", conditions={"tag": ["1"]})

    forget.forget(theirs.lead)

    for place in ("a draft's selection", "the list a draft was made on"):
        assert not RunDraft.objects.filter(pk=made[place].pk).exists()
    typed = RunDraft.objects.get(pk=made["what was typed into a draft"].pk)
    assert (typed.selection, typed.parameters) == (TICKED, {})
    people = RunDraft.objects.get(pk=made["a list's reason"].pk)
    assert (len(people.selection["people"]), people.parameters) == (1, {"people": 1, "form": {}})
    called.refresh_from_db()
    assert (called.name, called.selection) == (f"Segment {called.pk}*", made["a segment's name"].selection)
    assert Segment.objects.filter(pk=elsewhere.pk, name="ada@example.com").exists()


def test_a_bulk_action_on_others_keeps_its_name_and_ends_without_the_person(theirs):
    TagFactory(account=theirs.account, name="May")
    other = LeadFactory(account=theirs.account)
    run = BulkRunFactory(account=theirs.account, name="Tag for May", why="Spring")
    LeadChangeFactory(lead=theirs.lead, run=run, family="tag:May", parameters={"tag": "May"})
    LeadChangeFactory(
        lead=other, run=run, family="tag:May", parameters={"tag": "May"}, status="accepted", settled_at=timezone.now()
    )

    forget.forget(theirs.lead)

    run = BulkRun.objects.get(pk=run.pk)
    assert (run.name, run.why, run.state, run.changes.count()) == ("Tag for May", "Spring", "finished", 1)
