"""A lead is changed on its page: what was typed becomes the exact call that Kartra received, and what was not stays."""

import html

import pytest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from leads import changes, kinds, mirror
from leads.models import Activity, Lead, LeadChange, LeadTag
from tests.factories import BulkRunFactory, LeadChangeFactory
from tests.flows.steps import BESIDES, BOOKING, PROFILE, said
from tests.kartra_mirror.admin.forms import BOOKED, FORM_BOOKING, FORM_CUSTOM, check_copy, drain, edit, shown_form

pytestmark = pytest.mark.django_db(transaction=True)


def text_of(staff, lead):
    """What the lead's page says, without its markup."""
    page = strip_tags(staff.get(lead.get_absolute_url()).content.decode())
    return " ".join(html.unescape(page).split())


def test_form_that_is_sent_twice_is_recorded_once(staff, sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    given = {**shown_form(staff, lead), "points": "15"}

    pages = [staff.post(lead.get_absolute_url(), given, follow=True).content.decode() for _ in range(2)]
    assert ["nothing was added" in page for page in pages] == [False, True]
    assert [change.kind for change in lead.changes.all()] == ["give_points"]
    edit(staff, lead, points="15")
    assert lead.changes.count() == 2


def test_only_what_was_changed_is_recorded_with_what_was_seen(staff, sandbox, connection, lead):
    edit(staff, lead, city="Bend", zip="97701")
    change = LeadChange.objects.get()
    assert (change.kind, change.parameters) == ("update_lead", {"city": "Bend", "zip": "97701"})
    assert change.baseline == {"city": ["Salem"], "zip": [""]}
    page = text_of(staff, lead)
    assert "Salem" in page
    assert "→ Bend · queued" in page

    drain(connection)

    [call] = sandbox.calls()
    assert call["form"]["lead"] == {"id": lead.kartra_id, "city": "Bend", "zip": "97701"}
    lead.refresh_from_db()
    assert lead.city == "Bend"


def test_update_with_everything_is_three_calls(staff, sandbox, connection, lead):
    sandbox.act("book", lead=lead.kartra_id, calendar="Support", **{"class": "Office hours"}, when="2031-02-02 10:00")
    everything = {
        **PROFILE,
        **FORM_CUSTOM,
        **BESIDES,
        "list": ["Buyers"],
        **FORM_BOOKING,
        "email": "moss@example.com",
        "leave_list": ["Partners"],
        "leave_sequence": "Win back",
        "leave_calendar": "Support",
        "leave_class": "Office hours",
    }
    Lead.objects.update(read_at=None)

    edit(staff, lead, **everything)
    drain(connection)

    first, second, third = sandbox.calls(writes=True)
    assert first["cmds"] == [
        "edit_lead",
        "assign_tag",
        "assign_tag",
        "give_points_to_lead",
        "unsubscribe_lead_from_list",
        "subscribe_lead_to_list",
        "unsubscribe_lead_from_sequence",
        "calendar_cancel",
    ]
    assert {n: v for n, v in first["form"]["lead"].items() if n != "custom_fields"} == {
        "id": lead.kartra_id,
        "new_email": "moss@example.com",
        **PROFILE,
    }
    assert said(first)[3:] == [
        {"cmd": "give_points_to_lead", "points": "15", "expiration": "30"},
        {"cmd": "unsubscribe_lead_from_list", "list_name": "Partners"},
        {"cmd": "subscribe_lead_to_list", "list_name": "Buyers"},
        {"cmd": "unsubscribe_lead_from_sequence", "sequence_name": "Win back"},
        {"cmd": "calendar_cancel", "calendar_name": "Support", "class_name": "Office hours"},
    ]
    assert said(second) == [
        {"cmd": "subscribe_lead_to_sequence_at_step", "sequence_name": "Welcome series", "step": "2"}
    ]
    assert said(third) == [BOOKED]
    assert set(LeadChange.objects.values_list("status", flat=True)) == {"accepted"}
    lead.refresh_from_db()
    check_copy(lead, sandbox.lead("moss@example.com"))


def test_nothing_changed_is_said(staff, lead):
    assert "Nothing was changed" in edit(staff, lead).content.decode()
    assert not LeadChange.objects.exists()


def test_a_field_is_emptied_on_the_page(staff, sandbox, connection, lead):
    edit(staff, lead, city="")
    drain(connection)

    assert sandbox.calls()[0]["form"]["lead"] == {"id": lead.kartra_id, "city": ""}


def test_odd_texts_are_asked_about_first(staff, lead):
    answer = edit(staff, lead, company="A <b>").content.decode()
    assert "Please check once more" in answer
    assert not LeadChange.objects.exists()

    edit(staff, lead, company="A <b>", confirmed="1")

    assert LeadChange.objects.get().parameters == {"company": "A <b>"}


@pytest.mark.parametrize(
    ("answer", "status", "city"), [("give-up", "cancelled", "Reno"), ("again", "accepted", "Bend")]
)
def test_a_field_changed_in_kartra_meanwhile_is_a_conflict(staff, sandbox, connection, lead, answer, status, city):
    edit(staff, lead, city="Bend")
    sandbox.act("edit_lead", lead=lead.kartra_id, fields={"city": "Reno"})
    staff.post(reverse("admin:leads_lead_read", args=[lead.pk]))
    drain(connection)

    change = LeadChange.objects.get()
    page = staff.get(lead.get_absolute_url()).content.decode()
    assert (change.status, change.reason) == ("undecided", "conflict")
    assert "Changed in Kartra meanwhile" in page
    assert sandbox.calls(writes=True) == []
    staff.post(reverse("admin:leads_lead_decide", args=[lead.pk, change.pk, answer]), {"decision_why": "She said so"})
    drain(connection)

    change.refresh_from_db()
    assert (change.status, sandbox.lead(lead.kartra_id)["city"]) == (status, city)
    assert Activity.objects.get(kind="decided").details["why"] == "She said so"


def test_keeping_theirs_says_what_else_is_dropped_before_and_after(staff, sandbox, connection, lead):
    edit(staff, lead, city="Bend", first_name="Ben2")
    sandbox.act("edit_lead", lead=lead.kartra_id, fields={"city": "Reno"})
    staff.post(reverse("admin:leads_lead_read", args=[lead.pk]))
    drain(connection)

    change = LeadChange.objects.get()
    words = "“Keep theirs” drops the rest of this change too; not sent then: set first name to Ben2."
    for page in (lead.get_absolute_url(), reverse("admin:decision", args=[change.pk])):
        assert words in staff.get(page).content.decode()
    decide = reverse("admin:leads_lead_decide", args=[lead.pk, change.pk, "give-up"])
    after = staff.post(decide, follow=True).content.decode()

    change.refresh_from_db()
    assert change.words == "Somebody kept the value in Kartra. Not sent either: set first name to Ben2."
    assert change.words in after
    assert Activity.objects.get(kind="decided").details["answer"] == {"what": "keep_theirs"}


def test_a_second_wish_for_a_field_is_no_conflict(staff, sandbox, connection, lead):
    edit(staff, lead, city="Bend")
    edit(staff, lead, city="Reno")
    drain(connection)

    assert sandbox.lead(lead.kartra_id)["city"] == "Reno"
    assert list(LeadChange.objects.order_by("pk").values_list("status", flat=True)) == ["superseded", "accepted"]


def test_a_second_wish_after_the_first_has_gone_out_is_no_conflict(staff, sandbox, connection, lead):
    shown = shown_form(staff, lead)
    edit(staff, lead, city="Bend")
    drain(connection)
    staff.post(lead.get_absolute_url(), {**shown, "city": "Reno"})
    drain(connection)

    assert LeadChange.objects.last().status == "undecided"  # she saw Salem, and a colleague's Bend came between


def test_who_put_it_there_is_told(staff, sandbox, connection, lead):
    now = timezone.now()
    run = BulkRunFactory(account=connection.account, name="Spring offer")
    change = LeadChangeFactory(
        lead=lead, run=run, requested_by=staff.user, why="They asked", status="accepted", settled_at=now
    )
    for name, more in (
        ("VIP", {"source": "push", "change": change}),
        ("buyer", {"source": "refresh"}),
        ("cold", {"source": "refresh", "after": lead.read_at}),
        ("trial", {"source": "webhook"}),
        ("podcast", {"source": "import"}),
    ):
        LeadTag.objects.create(lead=lead, tag=connection.account.tags.get(name=name), since=now, **more)
    Activity.objects.create(
        account=connection.account,
        lead=lead,
        kind="payment_sale",
        at=now - timezone.timedelta(seconds=40),
        source="ipn",
        details={"product_name": "Trail Course"},
    )

    page = staff.get(lead.get_absolute_url()).content.decode()

    assert "added by mara in “Spring offer”" in page
    assert "because: They asked" in page
    assert "already there at the first update" in page
    assert "found by an update: came between" in page
    assert "added by Kartra" not in page  # what came before is no cause
    assert "Trail Course was bought 40 s before, which may or may not be why" in page
    assert "by an import" in page


def test_who_took_it_off_is_told(staff, connection, lead):
    now = timezone.now()
    off_list, into_sequence, out_of_sequence = (
        LeadChangeFactory(
            lead=lead,
            kind=kind,
            parameters=given,
            requested_by=staff.user,
            why="Asked",
            status="accepted",
            settled_at=now,
        )
        for kind, given in (
            ("unsubscribe_list", {"list": "Buyers"}),
            ("subscribe_sequence", {"sequence": "Upsell", "step": 1}),
            ("unsubscribe_sequence", {"sequence": "Upsell"}),
        )
    )
    mirror.set_list(lead, "Buyers", True, source="webhook", at=now)
    mirror.set_list(lead, "Buyers", False, source="push", at=now, change=off_list)
    mirror.set_sequence(lead, "Upsell", "1", "active", at=now, change=into_sequence)
    mirror.set_sequence(lead, "Upsell", "", "unsubscribed", at=now, change=out_of_sequence)

    page = staff.get(lead.get_absolute_url()).content.decode()

    assert page.split('id="story"')[1].count("removed by mara") == 2
    assert "added by mara" not in page


def test_timeline_tells_in_words_with_kartras_zone(staff, sandbox, connection, lead):
    for kind, given in (
        ("give_points", {"points": 5, "expires_in_days": 1}),
        ("subscribe_sequence", {"sequence": "Upsell", "step": 2}),
        ("subscribe_calendar", FORM_BOOKING),
        ("update_lead", {"custom.shirt_size": "Large", "city": "Bend"}),
    ):
        changes.record_changes(lead, kinds.get_kind(kind), given, by=staff.user, why="Fair")
    drain(connection)

    page = text_of(staff, lead)

    year = BOOKING["date"][:4]
    booked = f"16 Jan {year} 15:00, Kartra's time (America/New_York)"
    for words in (
        "Points given 5, to expire after 1 day ",
        "Sequence entered Upsell, at step 2 ",
        "City Salem → Bend ",
        "Shirt size — → Large ",
        f"Calendar booked Coaching, Intro call, {booked} ",
    ):
        assert words in page
    assert page.count("by mara, confirmed by Kartra · Fair") == 5
    assert f"Coaching · Intro call {booked}" in page


def test_wish_for_an_option_is_shown_by_its_name(staff, sandbox, connection, lead):
    edit(staff, lead, **{"custom.shirt_size": "611"})

    assert "→ Large · queued" in text_of(staff, lead)
    assert LeadChange.objects.get().parameters == {"custom.shirt_size": "611"}
