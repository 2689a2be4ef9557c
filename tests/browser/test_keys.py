"""Daily tasks by the keyboard alone, each in at most fifteen presses of a key, typed letters among them; and on a phone."""

import pytest
from django.urls import reverse
from django.utils import timezone

from integrations.models import ApiCall
from leads import mirror
from leads.models import ChangeStatus, LeadChange, Source
from tests.browser.hands import sign_in
from tests.browser.looking import focused, shows
from tests.factories import LeadChangeFactory, LeadFactory
from tests.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

MOST_KEYS = 15
COUNTING = """
addEventListener("keydown", (event) => { if (!["Shift", "Control"].includes(event.key)) sessionStorage.keys = Number(sessionStorage.keys || 0) + 1; }, true);
addEventListener("pointerdown", () => { sessionStorage.pointed = "yes"; }, true);
"""


def keys(page):
    """How many keys were pressed; the mouse was not used."""
    assert page.evaluate("sessionStorage.pointed || ''") == ""
    return int(page.evaluate("sessionStorage.keys || 0"))


@pytest.fixture
def at(page, live_server, connection):
    """Opens a page of somebody signed in; from then on keys are counted."""
    sign_in(page, live_server)
    page.add_init_script(COUNTING)

    def opened(path):
        page.goto(f"{live_server.url}{path}")
        page.evaluate("sessionStorage.keys = 0")
        return page

    return opened


@pytest.fixture
def ada(connection):
    return LeadFactory(
        account=connection.account, first_name="Ada", last_name="Lind", email="ada@example.com", phone="+49 170 1234567"
    )


def test_one_lead_is_found_and_tagged(at, ada):
    page = at("/admin/")

    page.keyboard.press("/")
    page.keyboard.type("ada")
    page.wait_for_selector("#found a:has-text('Ada Lind')")
    page.keyboard.press("Enter")
    page.wait_for_url("**/lead/*/change/**")
    page.wait_for_selector("#lead-actions")
    page.keyboard.press("t")
    page.wait_for_function("document.activeElement.name === 'tag'")
    page.keyboard.type("VIP")
    page.keyboard.press("Enter")
    wait_until(lambda: LeadChange.objects.exists())

    assert keys(page) <= MOST_KEYS
    assert LeadChange.objects.get().parameters == {"tag": "VIP"}


def test_person_is_found_by_phone_with_the_arrow_keys(at, ada):
    LeadFactory(account=ada.account, first_name="Bea", phone="0170 1234567")
    page = at("/admin/leads/lead/")

    page.keyboard.press("/")
    with page.expect_response(
        lambda answer: answer.url.endswith("q=1701234567")
    ):  # the last: what comes later moves the focus
        page.keyboard.type("1701234567")
    page.wait_for_selector("#found a:has-text('Ada Lind')")
    page.wait_for_selector("#found a:has-text('Bea')")
    page.keyboard.press("ArrowDown")
    first = focused(page)
    page.keyboard.press("ArrowDown")
    assert focused(page) != first
    page.keyboard.press("ArrowUp")
    assert focused(page) == first
    page.keyboard.press("Enter")
    page.wait_for_url("**/lead/*/change/**")

    assert keys(page) <= MOST_KEYS


def test_decision_is_answered(at, ada, connection):
    change = LeadChangeFactory(
        lead=ada, kind="give_points", family="points", parameters={"points": 5}, status="undecided", reason="outcome"
    )
    call = ApiCall.objects.create(
        connection=connection,
        cause="push",
        commands="give_points",
        claimed_at=timezone.now(),
        sent_at=timezone.now(),
        finished_at=timezone.now(),
        outcome="unknown",
    )
    change.attempts.create(call=call, position=0, command="give_points", evidence=[], before={})
    page = at("/admin/decisions/")

    page.keyboard.press("Tab")
    assert focused(page) == "Skip to content"
    page.keyboard.press("Enter")
    press_to(page, f"a[href='{reverse('admin:decision', args=[change.pk])}']")
    page.keyboard.press("Enter")
    page.wait_for_selector("#answer")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    press_to(page, "#why")
    page.keyboard.type("ok")
    press_to(page, ".answers button")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=No decisions waiting")

    assert keys(page) <= MOST_KEYS
    change.refresh_from_db()
    assert change.status == ChangeStatus.ACCEPTED


def press_to(page, selector, most=MOST_KEYS):
    """Tab until this has the focus."""
    for _ in range(most):
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not come to {selector}, but to {focused(page)}")


def test_lead_takes_at_most_120_pixels_on_a_phone(page, live_server, connection):
    for number in range(3):
        lead = LeadFactory(account=connection.account, first_name="Ada" * 9, last_name=f"Lind {number}")
        for name in ("buyer", "newsletter", "VIP"):
            mirror.set_tag(lead, f"{name} {number}", True, source=Source.IMPORT, at=timezone.now())
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, live_server)
    page.goto(f"{live_server.url}/admin/leads/lead/")
    shows(page, "#result_list", "Lind 2")

    heights = page.locator("#result_list .data-row").evaluate_all(
        "(rows) => rows.map((row) => row.getBoundingClientRect().height)"
    )
    assert len(heights) == 3
    assert max(heights) <= 120
