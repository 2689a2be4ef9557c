"""The main job in a real browser: filter, select all, tag, preview, start, watch it end; Kartra has exactly those."""

import pytest

from leads.models import BulkRun, LeadChange, ListSubscription, MailingList
from tests.browser.hands import sign_in
from tests.browser.looking import reads, shows

pytestmark = pytest.mark.django_db(transaction=True)

LEADS = 60  # over one page of the list, so that "select all" means more than what is shown


def test_staff_tag_a_whole_list_and_kartra_has_exactly_those(page, live_server, sandbox, connection, pusher):
    buyers = MailingList.objects.get(name="Buyers")
    on_list = [
        sandbox.mirrored_lead(connection, f"buyer{n}@example.com", first_name=f"Buyer {n}") for n in range(LEADS)
    ]
    for number in range(10):
        sandbox.mirrored_lead(connection, f"other{number}@example.com")
    for lead in on_list:
        ListSubscription.objects.create(lead=lead, mailing_list=buyers, since=lead.read_at, source="refresh")
    sign_in(page, live_server)

    page.goto(f"{live_server.url}/admin/leads/lead/?list={buyers.pk}")
    page.check("#action-toggle")
    page.click("text=Select all 60")
    page.click(".select-bar button[value=assign_tag]")
    page.wait_for_selector("text=60 leads of")
    page.select_option("select[name=tag]", "VIP")
    page.click("button[value=preview]")
    page.wait_for_selector("text=What will happen")
    shows(page, "#preview-counts", "60 leads will change")
    page.click("button[value=start]")
    page.click("text=Watch it")
    page.wait_for_selector("#run")
    pusher.start()
    page.wait_for_selector("#run .badge:has-text('finished')", timeout=60_000)

    reads(page, "[data-count=accepted]", "60")
    assert BulkRun.objects.get().state == "finished"
    assert set(LeadChange.objects.values_list("status", flat=True)) == {"accepted"}
    assert sandbox.tagged("VIP") == {lead.kartra_id for lead in on_list}


def test_hostile_name_stays_text_in_the_browser(page, live_server, sandbox, connection):
    lead = sandbox.mirrored_lead(
        connection, "ada@example.com", first_name='<img x-data x-init="alert(1)" src=x onerror=alert(2)>'
    )
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    sign_in(page, live_server)

    for path in ("/admin/leads/lead/", lead.get_absolute_url()):
        page.goto(f"{live_server.url}{path}")
        page.wait_for_selector("text=<img x-data")

    assert dialogs == []
    assert page.query_selector("img[x-data]") is None


@pytest.mark.parametrize("path", ["/admin/", "/admin/leads/lead/", "/admin/integrations/connection/"])
def test_pages_do_not_scroll_sideways_on_a_phone(page, live_server, sandbox, connection, path):
    sandbox.mirrored_lead(connection, "ada@example.com")
    sign_in(page, live_server)
    page.set_viewport_size({"width": 390, "height": 800})

    page.goto(f"{live_server.url}{path}")

    wider_by = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wider_by <= 0
