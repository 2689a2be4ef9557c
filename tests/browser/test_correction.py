"""A failed change is corrected in a real browser, from home."""

import os

import pytest
from django.utils import timezone

from leads.models import LeadChange
from tests.browser.hands import sign_in
from tests.browser.looking import findings, paint, shows, wider_by
from tests.factories import LeadChangeFactory

pytestmark = pytest.mark.django_db(transaction=True)


def picture(page, name):
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def test_a_failed_change_is_corrected_from_home(page, live_server, sandbox, connection):
    ada = sandbox.mirrored_lead(connection, "ada@example.com", first_name="Ada", last_name="Lind")
    failed = LeadChangeFactory(
        lead=ada, parameters={"tag": "VPI"}, family="tag:VPI", status="rejected", code="212", settled_at=timezone.now()
    )
    sign_in(page, live_server)
    page.goto(f"{live_server.url}/admin/")
    picture(page, "home")

    page.click("a.btn:has-text('Correct')")
    page.wait_for_selector("#correction")
    assert findings(page) == []
    picture(page, "light")
    paint(page, "dark")
    picture(page, "dark")
    page.set_viewport_size({"width": 390, "height": 800})
    assert wider_by(page) <= 0
    picture(page, "phone")
    assert findings(page) == []
    page.fill("#correction [name=tag]", "VIP")
    page.click("#correction button[value=send]")

    shows(page, "#lead", "VIP")
    failed.refresh_from_db()
    assert failed.closed_at is not None
    [change] = LeadChange.objects.exclude(pk=failed.pk)
    assert (change.parameters, change.status, change.retry_of_id) == ({"tag": "VIP"}, "waiting", failed.pk)
