"""The second step in a browser: set up with a picture, the codes on paper, and the code at the next sign-in; wide and on a phone,
light and dark, under the policy of the pages."""

import os
from pathlib import Path

import pytest
from django_otp.oath import TOTP

from integrations.clock import now
from integrations.models import SecondFactor
from tests.browser.hands import sign_in
from tests.browser.looking import findings, paint, wider_by
from tests.factories import StaffFactory

pytestmark = pytest.mark.django_db(transaction=True)

KEPT = os.environ.get("SCREENS")
"""A folder for pictures of what is looked at here."""


def look(page, name):
    """What is wrong with the page, in both colours and both widths."""
    found = []
    for width, height in ((1440, 900), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            paint(page, scheme)
            found += [f"{name} {width} {scheme}: {each}" for each in findings(page)]
            if KEPT:
                page.screenshot(path=str(Path(KEPT) / f"{name}-{width}-{scheme}.png"), full_page=True)
        if (pixels := wider_by(page)) > 0:
            found.append(f"{name}: {pixels} px wider than a screen of {width}")
    return found


def code():
    factor = SecondFactor.objects.get()
    totp = TOTP(bytes.fromhex(factor.key))
    totp.time = now().timestamp()
    return f"{totp.token():06d}"


def give_password(page):
    page.fill("input[name=username]", "mara")
    page.fill("input[name=password]", "a-long-enough-secret")
    page.keyboard.press("Enter")


def test_second_step_from_the_first_sign_in_to_the_next(page, live_server, settings):
    settings.SECOND_FACTOR = "money"
    StaffFactory(username="mara", is_superuser=True, password="a-long-enough-secret")
    page.goto(f"{live_server.url}/admin/")
    give_password(page)
    page.wait_for_url("**/second-step/**")
    found = look(page, "begin")
    page.click("button[name=begin]")
    page.wait_for_selector("svg.km-code path")
    box = page.locator("svg.km-code").bounding_box()
    assert box["width"] > 150
    found += look(page, "set-up")
    page.fill("input[name=code]", "nonsense")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=This code is not right")
    found += look(page, "wrong")
    SecondFactor.objects.update(throttling_failure_timestamp=None)
    page.fill("input[name=code]", code())
    page.keyboard.press("Enter")
    page.wait_for_selector(".km-codes li")
    assert page.locator(".km-codes li").count() == 10
    found += look(page, "codes")
    recovery = page.locator(".km-codes li").first.inner_text()
    page.click("text=I have kept them")
    page.wait_for_url(f"{live_server.url}/admin/")
    page.goto(f"{live_server.url}/admin/your-sign-in/")
    found += look(page, "own-sign-in")
    page.click("button[value=sign_out]")
    page.wait_for_selector("text=You are signed out on every device.")
    found += look(page, "signed-out")

    give_password(page)
    page.wait_for_url("**/second-step/**")
    found += look(page, "code")
    page.fill("input[name=code]", recovery)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{live_server.url}/admin/")
    assert found == []


def test_page_of_a_colleague(page, live_server):
    other = StaffFactory(username="ada")
    SecondFactor.objects.create(user=other, confirmed=True)
    sign_in(page, live_server)
    page.goto(f"{live_server.url}/admin/auth/user/{other.pk}/change/")
    assert look(page, "colleague") == []
    page.click("button:has-text('Remove the second step')")
    page.wait_for_selector("text=sets up a new phone at the next sign-in")
    assert not SecondFactor.objects.exists()
