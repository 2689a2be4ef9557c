"""One lead and one decision in a real browser, each with the mouse and with the keyboard alone."""

import datetime as dt

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from integrations import push
from integrations.models import Connection
from integrations.push import verify
from leads import changes, kinds, mirror
from leads.models import Activity, ChangeStatus, Lead, LeadChange
from tests.browser.hands import Keyboard, Mouse, sign_in
from tests.browser.looking import findings, shows, wider_by
from tests.browser.test_clicks import COUNTING, clicks
from tests.factories import LeadChangeFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=[Mouse, Keyboard], ids=lambda hand: hand.name)
def hand(request, page):
    return request.param(page)


@pytest.fixture
def lead(sandbox, connection):
    return sandbox.mirrored_lead(connection, "ada@example.com", first_name="Ada", last_name="Lind", city="Salem")


def open_lead(page, live_server, lead):
    page.goto(f"{live_server.url}{lead.get_absolute_url()}")
    page.wait_for_selector("#lead")


def asked_city(lead):
    return LeadChange.objects.get(lead=lead, kind="update_lead")


@pytest.mark.parametrize(("button", "city"), [("Send ours", "Bend"), ("Keep theirs", "Reno")])
def test_lead_edited_and_its_conflict_resolved(
    page,
    hand,
    live_server,
    sandbox,
    connection,
    lead,
    pusher,
    button,
    city,
):
    sign_in(page, live_server)
    open_lead(page, live_server, lead)
    sandbox.act("edit_lead", lead=lead.kartra_id, fields={"city": "Reno"})  # somebody else, in Kartra
    hand.press("#fact-city > summary")
    hand.fill("#edit_city", "Bend")
    page.wait_for_selector("#unsent:has-text('1 unsent edit')")
    hand.press("#edit button:has-text('Send to Kartra')")
    page.wait_for_selector("text=1 change requested")
    page.wait_for_selector("#spoken:has-text('is next to be sent to Kartra')")
    hand.press("button:has-text('Update from Kartra')")
    page.wait_for_selector("text=had changed in Kartra")
    push.drain(Connection.objects.get(pk=connection.pk), until_s=2)
    page.wait_for_selector("#lead-decide h2:has-text('Needs your decision')")
    shows(page, "#lead-decide", "city is now Reno in Kartra")
    assert asked_city(lead).reason == "conflict"
    assert sandbox.calls(writes=True) == []

    hand.fill("input[name=decision_why]", "Ada told us on the phone")
    hand.press(f"#lead-decide button:has-text('{button}')")
    page.wait_for_selector("text=set city to Bend")
    pusher.start()

    if button == "Send ours":
        page.wait_for_selector(
            "#spoken:has-text('Kartra now has for Ada Lind: city Bend. Kartra confirmed it at')", timeout=20000
        )
    else:
        page.wait_for_selector("#spoken:has-text('was cancelled before it was sent')")
    assert sandbox.lead(lead.kartra_id)["city"] == city
    assert asked_city(lead).status == (ChangeStatus.ACCEPTED if button == "Send ours" else ChangeStatus.CANCELLED)
    assert Activity.objects.get(kind="decided").details["why"] == "Ada told us on the phone"


@pytest.mark.parametrize(
    ("answer", "status", "score"),
    [
        ("It happened", ChangeStatus.ACCEPTED, 5),
        ("It did not: send it again", ChangeStatus.ACCEPTED, 10),
        ("Give it up", ChangeStatus.CANCELLED, 5),
    ],
)
def test_decision(page, hand, live_server, sandbox, connection, lead, answer, status, score):
    """Points whose answer was lost while others came and went: nothing in Kartra tells."""
    sandbox.act("give_points", lead=lead.kartra_id, points=5)
    change = LeadChangeFactory(
        lead=lead,
        account=lead.account,
        kind="give_points",
        parameters={"points": 5},
        family="points",
        status=ChangeStatus.UNDECIDED,
        reason="outcome",
        message="the answer was lost",
    )
    sign_in(page, live_server)
    page.goto(f"{live_server.url}/admin/")
    hand.press("a[href*='/admin/decisions/']:has-text('To do')")
    page.wait_for_selector("text=1 change needs your decision")
    hand.press("a:has-text('Give 5 points')")
    page.wait_for_selector("text=Look at the lead in Kartra.")
    assert (findings(page), wider_by(page)) == ([], 0)
    page.set_viewport_size({"width": 390, "height": 844})
    for answered in page.locator(".answers .card").all():
        card, button = answered.bounding_box(), answered.locator("button").bounding_box()
        assert button["x"] + button["width"] <= card["x"] + card["width"]
    hand.fill("input[name=why]", "Looked at it in Kartra")
    hand.press(f"button:has-text('{answer}')")
    page.wait_for_selector("text=No decisions waiting")
    push.drain(Connection.objects.get(pk=connection.pk), until_s=3)
    verify.drain(Connection.objects.get(pk=connection.pk))

    change.refresh_from_db()
    assert (change.status, sandbox.lead(lead.kartra_id)["score"]) == (status, score)
    assert Activity.objects.get(kind="decided").details["why"] == "Looked at it in Kartra"


def test_old_page_reads_itself_and_shows_what_changed(page, live_server, sandbox, connection, lead):
    Lead.objects.filter(pk=lead.pk).update(read_at=timezone.now() - dt.timedelta(hours=2))
    sandbox.act("edit_lead", lead=lead.kartra_id, fields={"city": "Reno", "phone": "5550"})
    sign_in(page, live_server)

    open_lead(page, live_server, lead)

    page.wait_for_selector("#lead-read:has-text('had changed in Kartra')")
    shows(page, "#lead-contact", "Reno")
    shows(page, "#lead-contact", "5550")
    assert len(sandbox.calls()) == 1


def test_old_page_that_reads_itself_keeps_what_somebody_types(page, live_server, sandbox, connection, lead):
    Lead.objects.filter(pk=lead.pk).update(read_at=timezone.now() - dt.timedelta(hours=2))
    sandbox.act("edit_lead", lead=lead.kartra_id, fields={"phone": "5550"})
    sandbox.fault("slow", seconds=1.2)
    sign_in(page, live_server)
    open_lead(page, live_server, lead)
    page.click("#fact-city > summary")
    page.fill("#edit_city", "Bend")

    page.wait_for_selector("#lead-read:has-text('had changed in Kartra') a:has-text('Show it')")
    assert page.input_value("#edit_city") == "Bend"
    page.click("#lead-read a")
    page.wait_for_selector("#edit_phone[value='5550']", state="attached")


def test_outcome_is_read_out_without_a_look_at_the_page(page, live_server, sandbox, connection, lead, pusher):
    sign_in(page, live_server)
    changes.record_changes(
        Lead.objects.get(pk=lead.pk),
        kinds.get_kind("assign_tag"),
        {"tag": "VIP"},
        by=get_user_model().objects.get(username="mara"),
    )
    open_lead(page, live_server, lead)
    assert page.get_attribute("#spoken", "aria-live") == "polite"
    pusher.start()

    page.wait_for_selector("#spoken:has-text('Ada Lind now has the tag VIP. Kartra confirmed it at')", timeout=20000)
    page.wait_for_selector("#tags .chip:not(.wish):has-text('VIP')")
    assert (findings(page), wider_by(page)) == ([], 0)
    page.set_viewport_size({"width": 390, "height": 844})
    assert wider_by(page) == 0
    for tab in ("ties", "money", "requests", "kartra", "all"):
        page.click(f"#tab-{tab}")
        page.wait_for_selector(f"#tab-{tab}.on")
        assert wider_by(page) == 0


def test_tag_is_added_with_three_clicks_and_the_page_stays(page, live_server, sandbox, connection, lead, pusher):
    sign_in(page, live_server)
    page.add_init_script(COUNTING)
    page.goto(f"{live_server.url}/admin/leads/lead/")
    assert clicks(page) == 0
    page.click("#result_list a:has-text('Ada')")
    page.click("#tag-add")
    page.wait_for_selector("#tag-adding input[name=tag]:focus")
    page.keyboard.type("VIP")
    page.keyboard.press("Enter")
    page.wait_for_selector("#tags .chip.wish:has-text('VIP · queued')")
    assert clicks(page) == 3
    pusher.start()

    page.wait_for_selector("#tags .chip:not(.wish):has-text('VIP')", timeout=20000)  # by itself
    page.wait_for_selector("#lead-time .ev:has-text('Tag assigned VIP')")
    shows(page, "#spoken", "Ada Lind now has the tag VIP. Kartra confirmed it at")
    assert page.url == f"{live_server.url}{lead.get_absolute_url()}"
    assert sandbox.lead(lead.kartra_id)["tags"] == ["VIP"]


def test_tag_that_is_not_there_is_read_from_kartra_on_one_click(page, live_server, sandbox, connection, lead):
    sign_in(page, live_server)
    open_lead(page, live_server, lead)
    page.keyboard.press("t")
    page.wait_for_selector("#tag-adding input[name=tag]:focus")
    page.keyboard.type("Brand new")
    page.keyboard.press("Enter")
    page.wait_for_selector("#tag-adding .note:has-text('“Brand new” is not in our copy')")
    shows(page, "#tag-adding", "Create it in Kartra first")
    assert (findings(page), LeadChange.objects.count()) == ([], 0)

    sandbox.act("create_tag", name="Brand new")
    page.click("button:has-text('Update the names from Kartra')")
    page.wait_for_selector("#tag-adding .note:has-text('The names were updated from Kartra just now.')")
    page.click("#tag-adding button:has-text('Add')")

    page.wait_for_selector("#tags .chip.wish:has-text('Brand new · queued')")
    assert LeadChange.objects.get().parameters == {"tag": "Brand new"}


def test_small_form_says_who_and_leaves_unsent_edits_alone(page, hand, live_server, sandbox, connection, lead, pusher):
    sign_in(page, live_server)
    open_lead(page, live_server, lead)
    hand.press("#fact-city > summary")
    hand.fill("#edit_city", "Bend")
    hand.press("#lead-actions > summary")
    hand.press("#lead-actions button:has-text('Give points')")
    page.wait_for_selector("#ask[open] h2:has-text('Give points · Ada Lind')")
    assert (findings(page), wider_by(page)) == ([], 0)
    page.keyboard.type("5")
    page.keyboard.press("Enter")
    page.wait_for_selector("#ask:not([open])", state="hidden")
    pusher.start()

    page.wait_for_selector("#spoken:has-text('Ada Lind was given 5 points. Kartra confirmed it at')", timeout=20000)
    shows(page, "#points", "5")
    assert (page.input_value("#edit_city"), page.inner_text("#unsent")) == ("Bend", "1 unsent edit")
    hand.press("#discard")
    assert page.is_hidden("#edit")
    shows(page, "#fact-city", "Salem")
    assert sandbox.lead(lead.kartra_id)["score"] == 5
    assert LeadChange.objects.get().kind == "give_points"


def test_tag_comes_off_with_its_cross_and_waiting_is_taken_back(page, live_server, sandbox, connection, lead):
    mirror.set_tag(lead, "VIP", True, source="webhook", at=timezone.now())
    sign_in(page, live_server)
    open_lead(page, live_server, lead)

    page.click("#tags .x[aria-label='Remove the tag VIP']")
    page.wait_for_selector("#tags .chip.wish:has-text('− VIP · queued')")
    assert page.query_selector("#tags .x") is None
    page.click("#spoken button:has-text('Cancel')")

    page.wait_for_selector("#tags .x[aria-label='Remove the tag VIP']")
    shows(page, "#spoken", "was cancelled before it was sent")
    assert LeadChange.objects.get().status == ChangeStatus.CANCELLED


def test_letters_typed_before_the_form_has_come_are_kept(page, live_server, sandbox, connection, lead):
    page.route("**/ask/assign_tag/**", lambda route: (page.wait_for_timeout(400), route.continue_()))
    sign_in(page, live_server)
    open_lead(page, live_server, lead)

    page.keyboard.press("t")
    page.keyboard.type("workshop 2026", delay=50)  # the form comes in the middle
    page.keyboard.press("Enter")

    page.wait_for_selector("text=workshop 2026 · queued")
    assert LeadChange.objects.get(lead=lead).parameters == {"tag": "workshop 2026"}


def test_what_happened_on_a_day_is_one_date_away(page, hand, live_server, sandbox, connection, lead):
    for day in (3, 20):
        at = dt.datetime(2026, 11, day, 10, tzinfo=dt.UTC)
        Activity.objects.create(account=lead.account, lead=lead, kind="decided", at=at, source="staff")
    sign_in(page, live_server)
    open_lead(page, live_server, lead)

    hand.press("#go-to-day > summary")
    page.fill("#until", "2026-11-03")
    hand.press("#go-to-day button")

    page.wait_for_selector("#lead-time a:has-text('Newest')")
    assert page.locator("#lead-time .day").first.inner_text() == "3 November 2026"
    assert page.locator("#lead-time .day:has-text('20 November 2026')").count() == 0
    hand.press("#lead-time a:has-text('Newest')")
    page.wait_for_selector("#lead-time .day:has-text('20 November 2026')")


def test_booking_stands_on_two_lines_at_most(page, live_server, lead):
    at = dt.datetime(2026, 12, 24, 15, 30, tzinfo=dt.UTC)
    mirror.set_booking(lead, "Coaching", "Intro call", at, at=timezone.now(), source="webhook")
    sign_in(page, live_server)

    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 844})
        open_lead(page, live_server, lead)
        boxes = [page.locator(f"#bookings .tie > {part}").bounding_box() for part in ("span >> nth=0", ".end")]
        assert all(box["height"] <= 24 for box in boxes), (width, boxes)
        assert wider_by(page) <= 0
