"""All that is held of a person: on the page, as a file, from the command line; what is in it, what never is, who may."""

import io
import json
import time

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from integrations.person import held as held_of_integrations
from kartra_mirror import groups
from leads.erasure import forget
from leads.models import Activity, DataSubjectRequest, Lead, StaffLimits
from leads.person import held
from leads.person.naming import person_of
from tests.factories import AccountFactory, LeadFactory, StaffFactory
from tests.factories.accounts import whole_account
from tests.flows import placed

pytestmark = pytest.mark.django_db


def signed_in(client, group="Manager"):
    groups.make()
    user = StaffFactory(username=f"a {group}")
    user.groups.add(Group.objects.get(name=group))
    client.force_login(user)
    return user


def url_of(lead):
    return reverse("admin:leads_lead_held", args=[lead.pk])


def sections_of(text):
    return {each["name"]: each["rows"] for each in json.loads(text)["sections"]}


@pytest.fixture
def everything(connection, client, tmp_path):
    """The person of `placed`, by every entrance."""
    before, settings.VAR_DIR = settings.VAR_DIR, tmp_path
    world = placed.World(connection, client)
    for entrance in placed.ENTRANCES:
        entrance(world)
    yield world
    settings.VAR_DIR = before


def test_everything_that_is_held_is_in_it_and_no_secret(everything):
    text = held.held_of(Lead.objects.get(pk=everything.lead.pk)).as_json()

    for value in placed.VALUES.values():
        assert value in text, value
    assert "secret-of-ipn" not in text
    assert set(sections_of(text)) >= {
        "leads.lead",
        "leads.leademail",
        "leads.leadtag",
        "leads.transaction",
        "leads.leadchange",
        "leads.activity",
        "integrations.delivery",
        "nobody",
        "integrations.apicall",
        "leads.importreject",
        "leads.segment",
        "leads.rundraft",
        "admin.logentry",
    }


def test_no_table_that_hangs_on_a_lead_is_left_out(everything):
    """A table that is added later is in it, or is named here."""
    lead = Lead.objects.get(pk=everything.lead.pk)
    own = [each.name for each in held.held_of(lead).sections]
    own += [each.name for each in held_of_integrations(lead, person_of(lead))]
    hanging = {relation.related_model._meta.label_lower for relation in Lead._meta.related_objects}
    assert hanging - set(own) == set()


def test_each_says_when_it_came_and_from_where():
    rows = whole_account("Zebra", 902)
    Lead.objects.filter(pk=rows.lead.pk).update(known_from="webhook", city="Salem")
    Activity.objects.create(
        account=rows.account,
        lead=rows.lead,
        kind="changed_in_kartra",
        at=timezone.now(),
        source="refresh",
        details={"field": "city", "was": "Bend", "is": "Salem"},
    )
    told = sections_of(held.held_of(Lead.objects.get(pk=rows.lead.pk)).as_json())

    fields = {row["field"]: row for row in told["leads.lead"]}
    assert (fields["city"]["value"], fields["city"]["source"]) == ("Salem", "refresh")
    assert (fields["email"]["source"], fields["custom.Zebra_field"]["value"]) == ("webhook", "Zebra value")
    assert all(row["as_of"] and row["since"] for row in fields.values())
    tag = told["leads.leadtag"][0]
    assert (tag["tag"], tag["source"]) == ("Zebra tag", "refresh")
    assert tag["since"]
    assert told["leads.membershipgrant"][0]["membership"] == "Zebra membership"
    assert told["leads.calendarenrollment"][0]["calendar"] == "Zebra calendar"
    change = told["leads.leadchange"][-1]
    assert (change["requested_by"], change["why"], change["became"]) == (
        "colleague902",
        "Zebra why",
        "failed",
    )
    assert "Zebra body" in told["integrations.delivery"][0]["text"]


# --- the page


def test_first_page_says_how_much_there_is_and_writes_nothing_down(client):
    rows = whole_account("Zebra", 902)
    signed_in(client)

    page = client.get(url_of(rows.lead)).content.decode()

    assert "Requested changes: 3" in page
    assert "Zebra value" not in page
    assert not LogEntry.objects.exists()
    assert DataSubjectRequest.objects.filter(kind="export").count() == 0
    assert url_of(rows.lead) in client.get(rows.lead.get_absolute_url()).content.decode()


@pytest.mark.parametrize("form", ["page", "json"])
def test_what_is_shown_or_taken_out_is_written_down_without_a_word_of_it(client, form):
    rows = whole_account("Zebra", 902)
    user = signed_in(client)

    answer = client.post(url_of(rows.lead), {"as": form, "asked_on": "2026-01-05"})

    text = answer.content.decode()
    assert "Zebra value" in text and "zebra@example.com" in text.lower()  # noqa: PT018
    if form == "json":
        assert answer.headers["Content-Disposition"].startswith('attachment; filename="person-')
        assert json.loads(text)["kartra_id"] == "88902"
    request = DataSubjectRequest.objects.get(kind="export")
    assert (request.asked_by, request.lead, request.counts["leads.leadchange"]) == (user, rows.lead, 3)
    assert request.done_at is not None
    line = LogEntry.objects.get()
    assert line.user == user
    assert "Zebra account" in line.change_message
    assert "zebra@" not in (line.change_message + line.object_repr).lower()


def test_request_of_somebody_who_was_forgotten_later_tells_nothing_of_them(client):
    lead = LeadFactory(email="ada@example.com")
    signed_in(client)
    client.post(url_of(lead), {"as": "json"})
    digest = DataSubjectRequest.objects.get().digest

    forget.forget(lead)

    assert list(DataSubjectRequest.objects.values_list("lead", "digest")) == [(None, digest)] * 2


@pytest.mark.parametrize(
    ("group", "status"), [("Viewer", 403), ("Support", 403), ("Marketer", 403), ("Manager", 200), ("Engineer", 200)]
)
def test_who_may(client, group, status):
    lead = LeadFactory()
    signed_in(client, group)
    assert client.get(url_of(lead)).status_code == status
    assert client.post(url_of(lead), {"as": "json"}).status_code == status
    assert DataSubjectRequest.objects.exists() is (status == 200)
    assert (url_of(lead) in client.get(lead.get_absolute_url()).content.decode()) is (status == 200)


def test_ten_thousand_lines_cost_no_more_queries_than_ten(client, django_assert_max_num_queries):
    lead = LeadFactory()
    signed_in(client)

    def lines(number):
        at = timezone.now()
        made = [
            Activity(
                account=lead.account, lead=lead, kind="tag_assigned", at=at, source="refresh", details={"tag": f"t{n}"}
            )
            for n in range(number)
        ]
        Activity.objects.bulk_create(made, batch_size=2000)

    lines(10)
    client.post(url_of(lead), {"as": "page"})
    with django_assert_max_num_queries(70) as few:
        client.post(url_of(lead), {"as": "page"})
    lines(10_000)
    began = time.monotonic()
    with django_assert_max_num_queries(len(few.captured_queries)):
        page = client.post(url_of(lead), {"as": "page"}).content.decode()
    assert time.monotonic() - began < 15
    assert "10,010" in page
    assert len(page) < 400_000
    told = sections_of(client.post(url_of(lead), {"as": "json"}).content.decode())
    assert len(told["leads.activity"]) == 10_010


def test_hostile_texts_are_harmless(client):
    hostile = '<img x-data x-init="alert(1)">'
    lead = LeadFactory(first_name=hostile, custom_values={hostile: hostile}, notes=hostile)
    signed_in(client)
    for answer in (client.get(url_of(lead)), client.post(url_of(lead), {"as": "page"})):
        assert "<img x-data" not in answer.content.decode()


# --- the command


def printed(*args, **options):
    out = io.StringIO()
    call_command("export_person", *args, stdout=out, **options)
    return out.getvalue()


def test_command_writes_all_of_it_to_a_file_for_its_owner_alone(tmp_path):
    rows = whole_account("Zebra", 902)
    path = tmp_path / "zebra.json"

    told = printed("Zebra@example.com", "--connection", "Zebra account", "--json", str(path))

    assert "3 Requested changes" in told
    assert sections_of(path.read_text())["leads.leadtag"][0]["tag"] == "Zebra tag"
    assert path.stat().st_mode & 0o077 == 0
    request = DataSubjectRequest.objects.get(kind="export")
    assert (request.asked_by, request.lead) == (None, rows.lead)


def test_command_prints_it_and_names_who_asked():
    rows = whole_account("Zebra", 902)
    user = StaffFactory(username="kim", is_superuser=True)

    told = json.loads(printed("88902", "--connection", "Zebra account", "--json", "-", "--by", "kim"))

    assert told["kartra_id"] == "88902"
    assert LogEntry.objects.get().user == user
    assert DataSubjectRequest.objects.get(kind="export").lead == rows.lead


def test_command_writes_nothing_down_of_a_user_who_could_not_have_done_it(client):
    rows = whole_account("Zebra", 902)
    user = signed_in(client)
    for limited in (False, True):
        if limited:
            StaffLimits.objects.create(user=user, limited=True).accounts.set([AccountFactory()])
        else:
            user.groups.clear()
        for command in ("export_person", "forget"):
            given = ["Zebra@example.com"] if command == "export_person" else ["--lead", "Zebra@example.com", "--yes"]
            with pytest.raises(CommandError, match="may not do this in Zebra account"):
                call_command(command, *given, "--connection", "Zebra account", "--by", user.username)
        user.groups.add(Group.objects.get(name="Manager"))
    assert Lead.objects.filter(pk=rows.lead.pk).exists()
    assert not DataSubjectRequest.objects.filter(kind="export").exists()


def test_command_says_whom_it_does_not_know_or_cannot_tell_apart():
    rows = whole_account("Zebra", 902)
    with pytest.raises(CommandError, match="has no lead nobody"):
        printed("nobody@example.com", "--connection", "Zebra account")
    LeadFactory(account=rows.account, kartra_id="5", email="zebra@example.com", email_key="zebra@example.com")
    with pytest.raises(CommandError, match="Name one by its id"):
        printed("zebra@example.com", "--connection", "Zebra account")
    assert "The lead" in printed("5", "--connection", "Zebra account")
