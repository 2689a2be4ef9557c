"""Creating, changing, finding and calling, in a real browser; Kartra has received exactly what was typed."""

import pytest
from django.urls import reverse
from django.utils import timezone

from integrations.models import Connection
from leads import mirror
from leads.models import Lead, LeadChange
from tests.browser.hands import sign_in
from tests.browser.looking import shows
from tests.flows.steps import BOOKING, PROFILE, said
from tests.kartra_mirror.admin.forms import drain

pytestmark = pytest.mark.django_db(transaction=True)


def choose(page, name, *words):
    """Pick names in a searched list (Select2) as a person does: click, type, Enter."""
    for word in words:
        box = page.locator(f"select[name='{name}'] + .select2-container")
        box.click()
        page.keyboard.type(word)
        page.wait_for_selector(f".select2-results__option--highlighted:has-text('{word}')")
        page.keyboard.press("Enter")


def booking(page):
    page.fill("input[name=calendar]", "Coaching")
    page.fill("input[name=class]", "Intro call")
    page.fill("input[name=date]", BOOKING["date"])
    page.fill("input[name=hour]", "15:00")


def run_here(connection):
    """The pusher, in this thread between two looks at the page."""
    drain(Connection.objects.get(pk=connection.pk))


def test_create_a_lead(page, live_server, sandbox, connection):
    sign_in(page, live_server)
    page.goto(f"{live_server.url}/admin/leads/lead/add/")
    page.fill("input[name=email]", "ada@example.com")
    page.fill("input[name=first_name]", "Ada 🦊 & Co")
    page.click("text=Create in Kartra")
    page.wait_for_selector("text=1 change requested")
    page.wait_for_selector("text=not in Kartra yet")
    run_here(connection)

    [call] = sandbox.calls()
    assert (call["cmds"], call["form"]["lead"]) == (
        ["create_lead"],
        {"email": "ada@example.com", "first_name": "Ada 🦊 & Co"},
    )
    page.reload()
    page.wait_for_selector(f"#kartra-id:has-text('{sandbox.lead('ada@example.com')['id']}')")
    assert Lead.objects.get().first_name == "Ada 🦊 & Co"


def test_create_a_lead_with_everything(page, live_server, sandbox, connection):
    sign_in(page, live_server)
    page.goto(f"{live_server.url}/admin/leads/lead/")
    page.click("a[href='/admin/leads/lead/add/']")
    page.fill("input[name=email]", "ada@example.com")
    for name, value in PROFILE.items():
        page.fill(f"input[name={name}]", value)
    page.select_option("select[name='custom.shirt_size']", label="Large")
    page.check("text=Running")
    choose(page, "tag", "VIP", "buyer")
    page.fill("input[name=points]", "15")
    choose(page, "list", "Buyers")
    page.select_option("select[name=sequence]", "Welcome series")
    page.fill("input[name=step]", "2")
    booking(page)
    page.click("text=Create in Kartra")
    page.wait_for_selector("text=changes requested")
    run_here(connection)

    first, second = sandbox.calls()
    assert first["cmds"] == [
        "create_lead",
        "assign_tag",
        "assign_tag",
        "give_points_to_lead",
        "subscribe_lead_to_list",
        "subscribe_lead_to_sequence_at_step",
    ]
    assert {name: first["form"]["lead"][name] for name in PROFILE} == PROFILE
    assert said(second)[0]["starting_hour"] == "15:00"
    page.reload()
    page.wait_for_selector(f"#kartra-id:has-text('{sandbox.lead('ada@example.com')['id']}')")
    assert Lead.objects.get().city == PROFILE["city"]


def ask(page, opener, **fields):
    """A small form over the lead's page: opened, filled in, sent."""
    page.click(opener)
    page.wait_for_selector("#ask[open] .btn.main")
    for name, value in fields.items():
        field = page.locator(f"#ask [name={name}]")
        (field.select_option if field.evaluate("each => each.tagName") == "SELECT" else field.fill)(value)
    page.click("#ask .btn.main")
    page.wait_for_selector("#ask", state="hidden")


def test_change_a_lead_in_every_way_in_three_calls(page, live_server, sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com", city="Salem")
    mirror.set_list(lead, "Partners", True, source="webhook", at=timezone.now())
    mirror.set_sequence(lead, "Win back", "1", "active", at=timezone.now())
    sign_in(page, live_server)
    page.goto(f"{live_server.url}{lead.get_absolute_url()}")
    page.click("#fact-city > summary")
    page.fill("input[name=city]", "Bend")
    assert not page.is_visible("input[name='custom.crm_ref']")
    page.click("#edit-custom")
    page.fill("input[name='custom.crm_ref']", "A-7")
    page.wait_for_selector("#unsent:has-text('2 unsent edits')")
    page.click("#edit button:has-text('Send to Kartra')")
    page.wait_for_selector("text=1 change requested")
    page.click("#tag-add")
    page.fill("#tag-adding input[name=tag]", "VIP")
    page.keyboard.press("Enter")
    page.wait_for_selector("#tags .chip.wish:has-text('VIP')")
    ask(page, "#ask-give_points", points="5")
    page.click("#lists .x[aria-label='Remove from the list Partners']")
    page.wait_for_selector("#lists .chip.wish:has-text('− Partners')")
    ask(page, "#sequences .x")
    ask(page, "#ask-subscribe_sequence", sequence="Upsell", step="1")
    ask(
        page,
        "#ask-subscribe_calendar",
        calendar="Coaching",
        date=BOOKING["date"],
        hour="15:00",
        **{"class": "Intro call"},
    )
    run_here(connection)

    first, second, third = sandbox.calls(writes=True)
    assert first["cmds"] == [
        "edit_lead",
        "assign_tag",
        "give_points_to_lead",
        "unsubscribe_lead_from_list",
        "unsubscribe_lead_from_sequence",
    ]
    assert first["form"]["lead"]["city"] == "Bend"
    assert first["form"]["lead"]["custom_fields"]["0"] == {"field_identifier": "crm_ref", "field_value": "A-7"}
    assert (second["cmds"], third["cmds"]) == (["subscribe_lead_to_sequence_at_step"], ["calendar_subscribe"])
    page.goto(f"{live_server.url}{lead.get_absolute_url()}")
    page.click("#story > summary")
    for words in ("VIP", "added by mara", "Upsell", "Step 1", "15:00, Kartra's time (America/New_York)"):
        shows(page, "#lead-ties", words)


def test_find_a_lead_in_kartra_and_keep_it(page, live_server, sandbox, connection):
    number = sandbox.add_lead("bo@example.com", first_name="Bo")
    sign_in(page, live_server)
    page.goto(f"{live_server.url}/admin/leads/lead/")
    page.click("text=Find in Kartra")
    page.fill("input[name=named]", "bo@example.com")
    page.click("text=Ask Kartra")
    page.wait_for_selector(f"text=Yes: Kartra has lead {number}")
    assert not Lead.objects.exists()
    page.click("text=Keep it in our copy")
    page.wait_for_selector("text=The lead is in our copy now.")

    assert Lead.objects.get().first_name == "Bo"
    assert {call["form"]["get_lead"]["email"] for call in sandbox.calls()} == {"bo@example.com"}


def test_update_a_lead_from_kartra(page, live_server, sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com", city="Salem")
    sandbox.act("edit_lead", lead=lead.kartra_id, fields={"city": "Bend"})
    sign_in(page, live_server)
    page.goto(f"{live_server.url}{lead.get_absolute_url()}")
    page.click("text=Update from Kartra")
    page.wait_for_selector("text=had changed in Kartra")

    page.wait_for_selector("input[name=city][value=Bend]", state="attached")
    assert [call["form"]["get_lead"] for call in sandbox.calls()] == [{"id": lead.kartra_id}]


@pytest.mark.parametrize(
    ("button", "fields", "expected"),
    [
        ("Give points", {"points": "5"}, {"cmd": "give_points_to_lead", "points": "5"}),
        (
            "Add to a calendar",
            {"calendar": "Coaching", "class": "Deep dive", "date": BOOKING["date"], "hour": "09:30"},
            {
                "cmd": "calendar_subscribe",
                "calendar_name": "Coaching",
                "class_name": "Deep dive",
                "starting_date": f"16 Jan {BOOKING['date'][:4]}",
                "starting_hour": "09:30",
            },
        ),
    ],
)
def test_points_and_calendar_with_a_preview_from_the_leads_page(
    page, live_server, sandbox, connection, button, fields, expected
):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sign_in(page, live_server)
    page.goto(f"{live_server.url}{lead.get_absolute_url()}")
    page.click("#lead-actions > summary")
    page.click(f"#lead-actions button:has-text('{button}')")
    page.click("#ask button:has-text('with a preview')")
    for name, value in fields.items():
        page.fill(f"input[name={name}]", value)
    page.click("button[value=preview]")
    page.wait_for_selector("text=What will happen")
    page.click("button[value=start]")
    page.wait_for_selector("text=Watch it")
    run_here(connection)

    [call] = sandbox.calls(writes=True)
    assert said(call) == [expected]
    assert LeadChange.objects.get().status == "accepted"


def test_console(page, live_server, sandbox, connection):
    sign_in(page, live_server)
    page.goto(f"{live_server.url}/admin/")
    page.click("nav.side a:text-is('Kartra')")
    page.click("text=API console")
    page.fill("textarea[name=pairs]", "actions[0][cmd]=retrieve_account_pages")
    page.click("text=Make the call")
    page.wait_for_selector("pre:has-text('Landing A')")

    assert sandbox.key not in page.content()
    [call] = sandbox.calls()
    assert (call["cmds"], call["form"]) == (
        ["retrieve_account_pages"],
        {"actions": {"0": {"cmd": "retrieve_account_pages"}}},
    )


@pytest.mark.parametrize("tab", ["all", "ties", "money", "requests", "kartra"])
def test_lead_page_does_not_scroll_sideways_on_a_phone(page, live_server, sandbox, connection, tab):
    lead = sandbox.mirrored_lead(connection, "ada@example.com", company="x" * 200)
    sandbox.act("sale", lead=lead.kartra_id)
    sign_in(page, live_server)
    page.set_viewport_size({"width": 390, "height": 800})

    page.goto(f"{live_server.url}{lead.get_absolute_url()}?tab={tab}")

    wider_by = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wider_by <= 0


def test_address_page_fits_a_phone(page, live_server, sandbox, connection):
    endpoint = connection.endpoints.create(name="Shop")
    sign_in(page, live_server)
    page.set_viewport_size({"width": 390, "height": 800})

    page.goto(f"{live_server.url}{reverse('admin:integrations_webhookendpoint_change', args=[endpoint.pk])}")

    wider_by = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wider_by <= 0
