"""Every operation on leads through the command: the exact call that Kartra received, and our copy afterwards."""

import datetime as dt
import io

import pytest
from django.core.management import CommandError, call_command

from leads.models import Activity, CalendarEnrollment, Lead, LeadChange, LeadTag, ListSubscription, SequenceEnrollment
from tests.flows.steps import BESIDES, BOOKING, CUSTOM, NEXT_YEAR, PROFILE, change, custom_said, said

pytestmark = pytest.mark.django_db(transaction=True)


def test_create_a_lead(sandbox, connection):
    facts = change(connection, "create_lead", email="ada@example.com", **PROFILE, **CUSTOM)

    [call] = sandbox.calls()
    assert (facts["state"], facts["accepted"]) == ("finished", 1)
    assert call["cmds"] == ["create_lead"]
    given = {name: value for name, value in call["form"]["lead"].items() if name != "custom_fields"}
    assert given == {"email": "ada@example.com", **PROFILE}
    assert custom_said(call) == {
        "shirt_size": "611",
        "interests": {"0": "620", "1": "621"},
        "crm_ref": "A-1009",
        "remarks": "a\nb",
    }
    lead = Lead.objects.get()
    assert lead.kartra_id == str(sandbox.lead("ada@example.com")["id"])
    assert {name: getattr(lead, name) for name in PROFILE} == PROFILE
    assert lead.custom_values["interests"] == [["620", "Running"], ["621", "Cooking"]]
    assert (lead.absent_at, lead.dirty_at is not None) == (None, True)


def test_create_a_lead_with_everything_is_two_calls_with_a_booking(sandbox, connection):
    change(connection, "create_lead", email="ada@example.com", **PROFILE, **CUSTOM, **BESIDES, **BOOKING)

    first, second = sandbox.calls()
    assert first["cmds"] == [
        "create_lead",
        "assign_tag",
        "assign_tag",
        "give_points_to_lead",
        "subscribe_lead_to_list",
        "subscribe_lead_to_sequence_at_step",
    ]
    assert said(first)[3] == {"cmd": "give_points_to_lead", "points": "15", "expiration": "30"}
    assert said(first)[5]["step"] == "2"
    assert said(second) == [
        {
            "cmd": "calendar_subscribe",
            "calendar_name": "Coaching",
            "class_name": "Intro call",
            "starting_date": f"16 Jan {NEXT_YEAR}",
            "starting_hour": "15:00",
        }
    ]
    kartra = sandbox.lead("ada@example.com")
    assert second["form"]["lead"] == {"id": str(kartra["id"])}
    assert (set(kartra["tags"]), kartra["score"], kartra["lists"]) == ({"VIP", "buyer"}, 15, {"Buyers": True})
    assert len(kartra["bookings"]) == 1
    lead = Lead.objects.get()
    assert SequenceEnrollment.objects.get(lead=lead).step == "2"
    booked = CalendarEnrollment.objects.get(lead=lead)
    assert booked.starts_at == dt.datetime(NEXT_YEAR, 1, 16, 20, tzinfo=dt.UTC)
    assert set(LeadTag.objects.values_list("tag__name", flat=True)) == {"VIP", "buyer"}
    assert set(LeadChange.objects.values_list("status", flat=True)) == {"accepted"}


def test_create_without_a_booking_is_one_call(sandbox, connection):
    change(connection, "create_lead", email="ada@example.com", **PROFILE, **CUSTOM, **BESIDES)

    assert len(sandbox.calls()) == 1


def test_update_with_everything_is_three_calls(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sandbox.act("assign_tag", lead=lead.kartra_id, tag="cold")
    sandbox.act("subscribe_list", lead=lead.kartra_id, list="Partners")
    sandbox.act("start_sequence", lead=lead.kartra_id, sequence="Win back")
    sandbox.act(
        "book", lead=lead.kartra_id, calendar="Support", **{"class": "Office hours"}, when=f"{NEXT_YEAR}-02-02 10:00"
    )
    call_command("pull", "--connection", connection.name, "--lead", lead.kartra_id, stdout=io.StringIO())
    before = len(sandbox.calls())

    change(
        connection,
        "update_lead",
        "--lead",
        lead.kartra_id,
        email="ada.moss@example.com",
        **PROFILE,
        **CUSTOM,
        **BESIDES,
        **BOOKING,
        remove_tag="cold",
        leave_list="Partners",
        leave_sequence="Win back",
        leave_calendar="Support",
        leave_class="Office hours",
    )

    first, second, third = sandbox.calls()[before:]
    assert first["cmds"] == [
        "edit_lead",
        "assign_tag",
        "assign_tag",
        "unassign_tag",
        "give_points_to_lead",
        "unsubscribe_lead_from_list",
        "subscribe_lead_to_list",
        "unsubscribe_lead_from_sequence",
        "calendar_cancel",
    ]
    assert first["form"]["lead"]["id"] == lead.kartra_id
    assert first["form"]["lead"]["new_email"] == "ada.moss@example.com"
    assert "email" not in first["form"]["lead"]
    assert (second["cmds"], third["cmds"]) == (["subscribe_lead_to_sequence_at_step"], ["calendar_subscribe"])
    lead.refresh_from_db()
    kartra = sandbox.lead(lead.kartra_id)
    assert (lead.email, kartra["email"]) == ("ada.moss@example.com", "ada.moss@example.com")
    assert (lead.city, kartra["city"], kartra["score"]) == ("Bend", "Bend", 15)
    assert set(LeadChange.objects.values_list("status", flat=True)) == {"accepted"}
    assert not ListSubscription.objects.get(mailing_list__name="Partners").active


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("give_points", {"points": "5"}, {"cmd": "give_points_to_lead", "points": "5"}),
        (
            "give_points",
            {"points": "5", "expires_in_days": "7"},
            {"cmd": "give_points_to_lead", "points": "5", "expiration": "7"},
        ),
        ("remove_points", {"points": "3"}, {"cmd": "remove_points_from_lead", "points": "3"}),
        (
            "subscribe_sequence",
            {"sequence": "Upsell", "step": "2"},
            {"cmd": "subscribe_lead_to_sequence_at_step", "sequence_name": "Upsell", "step": "2"},
        ),
        ("subscribe_list", {"list": "Buyers"}, {"cmd": "subscribe_lead_to_list", "list_name": "Buyers"}),
        ("assign_tag", {"tag": "VIP"}, {"cmd": "assign_tag", "tag_name": "VIP"}),
        (
            "subscribe_calendar",
            {"calendar": "Coaching", "class_": "Deep dive"},
            {"cmd": "calendar_subscribe", "calendar_name": "Coaching", "class_name": "Deep dive"},
        ),
    ],
)
def test_one_change_in_bulk_is_one_call_a_lead(sandbox, connection, kind, given, expected):
    leads = [
        sandbox.mirrored_lead(
            connection,
            f"lead{n}@example.com",
        )
        for n in range(3)
    ]
    Lead.objects.update(score=0)

    facts = change(connection, kind, "--all", **given)

    calls = sandbox.calls()
    assert facts["accepted"] == 3
    assert [said(call) for call in calls] == [[expected]] * 3
    assert {call["form"]["lead"]["id"] for call in calls} == {lead.kartra_id for lead in leads}
    assert Activity.objects.filter(source="push").count() == 3


def test_points_show_in_our_copy(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    Lead.objects.update(score=0)

    change(connection, "give_points", "--lead", "ada@example.com", points="5")
    change(connection, "remove_points", "--lead", "ada@example.com", points="2")

    lead.refresh_from_db()
    assert (lead.score, sandbox.lead(lead.kartra_id)["score"]) == (3, 3)


def test_leaving_what_the_lead_is_in(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    change(connection, "subscribe_sequence", "--all", sequence="Upsell", step="1")
    change(connection, "subscribe_calendar", "--all", **BOOKING)

    change(connection, "unsubscribe_sequence", "--all", sequence="Upsell")
    change(connection, "cancel_calendar", "--all", calendar="Coaching", class_="Intro call")

    assert [call["cmds"] for call in sandbox.calls()][2:] == [["unsubscribe_lead_from_sequence"], ["calendar_cancel"]]
    assert sandbox.lead(lead.kartra_id)["sequences"]["Upsell"]["status"] == "unsubscribed"
    assert SequenceEnrollment.objects.get().status == "unsubscribed"
    assert CalendarEnrollment.objects.get().status == "Cancelled"


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        ("give_points", {"points": "0"}, "points: "),
        ("give_points", {"points": "-3"}, "points: "),
        ("give_points", {"points": "1.5"}, "points: "),
        ("give_points", {"points": "many"}, "points: "),
        ("give_points", {"points": "5", "expires_in_days": "-1"}, "expires_in_days"),
        ("subscribe_sequence", {"sequence": "Upsell"}, "step"),
        ("subscribe_sequence", {"sequence": "Upsell", "step": "two"}, "step"),
        ("subscribe_sequence", {"sequence": "nope", "step": "1"}, "not in our copy"),
        ("subscribe_calendar", {"calendar": "Coaching"}, "class"),
        ("subscribe_calendar", {**BOOKING, "date": "2020-01-16"}, "in the past in Kartra's time"),
        ("subscribe_calendar", {**BOOKING, "date": "16.1.2030"}, "date"),
        ("subscribe_calendar", {**BOOKING, "hour": ""}, "date and the hour"),
        ("update_lead", {}, "what to change"),
        ("update_lead", {"email": ""}, "not emptied"),
        ("update_lead", {"city": "Bend", "step": "1"}, "sequence and step"),
        ("update_lead", {"city": "Bend", "expires_in_days": "3"}, "give points too"),
        ("update_lead", {"custom__shirt_size": "Huge"}, "not one of its options"),
        ("update_lead", {"custom__nope": "x"}, "does not take custom.nope"),
        ("update_lead", {"country": "x" * 101}, "at most 100"),
        ("update_lead", {"business_type": "shop"}, "number"),
        ("update_lead", {"city": "a\0b"}, "Null characters"),
    ],
)
def test_bad_parameters_are_refused_in_words_and_nothing_is_sent(sandbox, connection, kind, given, words):
    sandbox.mirrored_lead(connection, "ada@example.com")

    with pytest.raises(CommandError, match=words):
        change(connection, kind, "--all", **given)

    assert not LeadChange.objects.exists()
    assert sandbox.calls() == []


def test_creating_a_known_lead_is_refused_before_anything_is_sent(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")

    with pytest.raises(CommandError, match=f"already: {lead.kartra_id}"):
        change(connection, "create_lead", email=" ADA@example.com")

    assert sandbox.calls() == []


@pytest.mark.parametrize("on_244", ["drop_chain", "go_on"])
def test_creating_a_lead_that_kartra_has_adopts_it_and_goes_on(sandbox, connection, on_244):
    sandbox.switch(on_244=on_244)
    number = sandbox.add_lead("ada@example.com", city="Salem")
    sandbox.act("give_points", lead=number, points=40)
    sandbox.act("assign_tag", lead=number, tag="VIP")

    change(connection, "create_lead", email="ada@example.com", city="Bend", tag="VIP", points="5", list="Buyers")

    kartra = sandbox.lead(number)
    assert (kartra["city"], kartra["score"], kartra["lists"]) == ("Bend", 45, {"Buyers": True})
    assert Lead.objects.get().kartra_id == number
    by_kind = dict(LeadChange.objects.values_list("kind", "status"))
    if on_244 == "drop_chain":
        assert by_kind.pop("assign_tag") == "skipped"  # the lead that was there had the tag
    assert set(by_kind.values()) == {"accepted"}
    writes = [call["cmds"] for call in sandbox.calls(writes=True)]
    assert writes[0][0] == "create_lead"
    assert writes[1][0] == "edit_lead"
    assert len(writes) == 2


@pytest.mark.parametrize(
    "fault", ["carried out, then hung", "carried out, then dropped", "hung, then nothing", "502, nothing done"]
)
def test_a_creation_without_an_answer_happens_once(sandbox, connection, fault):
    sandbox.fault(fault, cmd="create_lead")

    change(
        connection,
        "create_lead",
        email="ada@example.com",
        city="Bend",
        tag="VIP",
        points="5",
        sequence="Upsell",
        step="1",
    )

    kartra = sandbox.lead("ada@example.com")
    assert (kartra["city"], kartra["score"], kartra["tags"]) == ("Bend", 5, ["VIP"])
    assert Lead.objects.get().kartra_id == str(kartra["id"])
    assert set(LeadChange.objects.values_list("status", flat=True)) == {"accepted"}


@pytest.mark.parametrize("fault", ["carried out, then hung", "hung, then nothing"])
@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("give_points", {"points": "5"}),
        ("remove_points", {"points": "5"}),
        ("subscribe_sequence", {"sequence": "Upsell", "step": "1"}),
    ],
)
def test_what_must_not_be_told_twice_is_proven_first(sandbox, connection, kind, given, fault):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sandbox.act("give_points", lead=lead.kartra_id, points=20)
    Lead.objects.update(score=20)
    sandbox.fault(fault)

    change(connection, kind, "--all", **given)

    kartra = sandbox.lead(lead.kartra_id)
    assert LeadChange.objects.get().status == "accepted"
    assert kartra["score"] == {"give_points": 25, "remove_points": 15}.get(kind, 20)
    assert len(sandbox.calls(writes=True)) == (1 if fault.startswith("carried") else 2)


def test_a_booking_without_an_answer_is_left_to_a_person(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sandbox.fault("carried out, then hung")

    with pytest.raises(CommandError, match="needs your decision"):
        change(connection, "subscribe_calendar", "--all", **BOOKING)

    assert (LeadChange.objects.get().status, LeadChange.objects.get().reason) == ("undecided", "outcome")
    assert len(sandbox.lead(lead.kartra_id)["bookings"]) == 1


@pytest.mark.parametrize("fault", ["carried out, then hung", "hung, then nothing"])
def test_a_cancelled_booking_is_asked_for_again_and_259_counts_as_done(sandbox, connection, fault):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    change(connection, "subscribe_calendar", "--all", **BOOKING)
    sandbox.fault(fault, cmd="calendar_cancel")

    change(connection, "cancel_calendar", "--all", calendar="Coaching", class_="Intro call")

    assert LeadChange.objects.last().status == "accepted"
    assert [b["status"] for b in sandbox.lead(lead.kartra_id)["bookings"]] == ["Cancelled"]


def test_cancelling_nothing_is_refused_in_words(sandbox, connection):
    sandbox.mirrored_lead(connection, "ada@example.com")

    with pytest.raises(CommandError, match="No active/pending calendar subscription"):
        change(connection, "cancel_calendar", "--all", calendar="Coaching", class_="Intro call")


def test_edits_of_several_travel_as_one(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    from leads import changes, kinds

    for given in ({"city": "Bend"}, {"zip": "97701"}, {"city": "Reno"}):
        changes.record_changes(lead, kinds.get_kind("update_lead"), given)
    change(connection, "assign_tag", "--all", tag="VIP")

    [call] = sandbox.calls()
    assert call["cmds"] == ["edit_lead", "assign_tag"]
    assert call["form"]["lead"] == {"id": lead.kartra_id, "city": "Reno", "zip": "97701"}
    statuses = list(LeadChange.objects.order_by("pk").values_list("kind", "status"))
    assert statuses == [
        ("update_lead", "superseded"),
        ("update_lead", "accepted"),
        ("update_lead", "accepted"),
        ("assign_tag", "accepted"),
    ]


def test_clearing_fields(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com", city="Bend")

    change(connection, "update_lead", "--all", city="", clear="custom.interests")

    [call] = sandbox.calls()
    assert call["form"]["lead"]["city"] == ""
    assert custom_said(call) == {"interests": ""}
    lead.refresh_from_db()
    assert (lead.city, lead.custom_values) == ("", {"interests": []})
