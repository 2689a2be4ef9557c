"""A lead is added, found in Kartra or updated from there: what is typed becomes the exact call that Kartra received."""

import pytest

from leads.models import Lead, LeadChange
from tests.flows.steps import BESIDES, PROFILE, custom_said, said
from tests.kartra_mirror.admin.drafts import LEADS
from tests.kartra_mirror.admin.forms import BOOKED, FORM_BOOKING, FORM_CUSTOM, check_copy, drain

pytestmark = pytest.mark.django_db(transaction=True)


# --- create


def test_add_a_lead(staff, sandbox, connection):
    answer = staff.post(
        f"{LEADS}add/", {"email": "ada@example.com", **PROFILE, **FORM_CUSTOM, "why": "Fair"}, follow=True
    )
    drain(connection)

    [call] = sandbox.calls()
    assert "1 change requested" in answer.content.decode()
    assert call["cmds"] == ["create_lead"]
    assert {n: v for n, v in call["form"]["lead"].items() if n != "custom_fields"} == {
        "email": "ada@example.com",
        **PROFILE,
    }
    assert custom_said(call)["interests"] == {"0": "620", "1": "621"}
    change = LeadChange.objects.get()
    assert (change.status, change.why, change.requested_by) == ("accepted", "Fair", staff.user)
    assert Lead.objects.get().kartra_id == str(sandbox.lead("ada@example.com")["id"])


def test_add_a_lead_with_everything_is_two_calls(staff, sandbox, connection):
    staff.post(
        f"{LEADS}add/",
        {"email": "ada@example.com", **PROFILE, **FORM_CUSTOM, **BESIDES, "list": ["Buyers"], **FORM_BOOKING},
    )
    drain(connection)

    first, second = sandbox.calls()
    assert {n: v for n, v in first["form"]["lead"].items() if n != "custom_fields"} == {
        "email": "ada@example.com",
        **PROFILE,
    }
    assert said(first) == [
        {"cmd": "create_lead"},
        {"cmd": "assign_tag", "tag_name": "VIP"},
        {"cmd": "assign_tag", "tag_name": "buyer"},
        {"cmd": "give_points_to_lead", "points": "15", "expiration": "30"},
        {"cmd": "subscribe_lead_to_list", "list_name": "Buyers"},
        {"cmd": "subscribe_lead_to_sequence_at_step", "sequence_name": "Welcome series", "step": "2"},
    ]
    assert said(second) == [BOOKED]
    assert set(LeadChange.objects.values_list("status", flat=True)) == {"accepted"}
    check_copy(Lead.objects.get(), sandbox.lead("ada@example.com"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"email": ""}, "needs an email"),
        ({"email": "ada"}, "valid email"),
        ({"email": "a@example.com", "sequence": "Upsell"}, "sequence and step"),
        ({"email": "a@example.com", "points": "-1"}, "greater than or equal to 1"),
        ({"email": "a@example.com", "tag": ["nope"]}, "not in our copy"),
        ({"email": "ada@example.com"}, "already"),
    ],
)
def test_bad_input_on_the_add_page_is_told_and_changes_nothing(staff, sandbox, lead, given, words):
    answer = staff.post(f"{LEADS}add/", given)

    assert words in answer.content.decode()
    assert not LeadChange.objects.exists()
    assert Lead.objects.count() == 1


def test_known_address_is_told_once_with_the_way_to_its_lead(staff, sandbox, lead):
    text = staff.post(f"{LEADS}add/", {"email": "ada@example.com"}).content.decode()

    assert text.count("Change that one instead.") == 1
    assert f'<a href="{lead.get_absolute_url()}">Open {lead}</a>' in text


# --- get, does it exist


@pytest.mark.parametrize("named", ["email", "id"])
def test_find_in_kartra_says_yes_and_keeps_only_when_asked(staff, sandbox, connection, named):
    number = sandbox.add_lead("bo@example.com", first_name="Bo")
    asked = {"connection": connection.pk, "named": "bo@example.com" if named == "email" else number}

    yes = staff.post(f"{LEADS}find/", {**asked, "do": "look"}).content.decode()
    assert f"Yes: Kartra has lead {number}" in yes
    assert not Lead.objects.exists()
    kept = staff.post(f"{LEADS}find/", {**asked, "do": "keep"}, follow=True).content.decode()

    assert "in our copy now" in kept
    assert Lead.objects.get().first_name == "Bo"
    assert sandbox.calls()[0]["form"]["get_lead"] == {named: asked["named"]}


@pytest.mark.parametrize("named", ["+34", "600 123 456", "Ada", "@", "12x", "٣"])
def test_what_names_no_lead_to_kartra_is_not_asked(staff, sandbox, connection, named):
    answer = staff.post(f"{LEADS}find/", {"connection": connection.pk, "named": named}).content.decode()

    assert "type a whole email address" in answer
    assert sandbox.calls() == []
    assert "type a whole email address" in staff.get(LEADS, {"q": named}).content.decode()


def test_id_that_never_was_is_not_said_to_be_deleted(staff, sandbox, connection):
    answer = staff.post(f"{LEADS}find/", {"connection": connection.pk, "named": "999999"}).content.decode()

    assert "No: Kartra has no lead 999999." in answer
    assert "deleted there" not in answer


def test_find_in_kartra_says_no(staff, sandbox, connection):
    answer = staff.post(f"{LEADS}find/", {"connection": connection.pk, "named": "no@example.com"})

    assert "No: Kartra has no lead no@example.com" in answer.content.decode()
    assert not Lead.objects.exists()


def test_leads_are_updated_from_kartra_by_an_action(staff, sandbox, lead, notified):
    Lead.objects.update(dirty_at=None)
    staff.post(LEADS, {"action": "read_again", "_selected_action": [lead.pk], "index": "0", "select_across": "0"})

    lead.refresh_from_db()
    assert lead.dirty_at is not None
    assert ("refresh_leads", (lead.account.connection.pk,)) in notified
