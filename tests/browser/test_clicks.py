"""How many clicks the daily tasks take from the leads list on: every pointer press and every Enter is counted by the page itself."""

import pytest

from leads.models import Lead, LeadChange
from tests.browser.hands import sign_in
from tests.browser.looking import shows
from tests.factories import LeadFactory

pytestmark = pytest.mark.django_db(transaction=True)

LEADS = "/admin/leads/lead/"
COUNTING = """
addEventListener("pointerdown", () => { sessionStorage.clicks = Number(sessionStorage.clicks || 0) + 1; }, true);
addEventListener("keydown", (e) => { if (e.key === "Enter") sessionStorage.clicks = Number(sessionStorage.clicks || 0) + 1; }, true);
"""


def clicks(page):
    return int(page.evaluate("sessionStorage.clicks || 0"))


@pytest.fixture
def hundred(page, live_server, sandbox, connection):
    """A hundred leads of Spain in the list, and one of Peru; what is clicked from here on is counted."""
    account = connection.account
    for number in range(100):
        LeadFactory(account=account, country="Spain", email=f"lead{number}@example.com")
    LeadFactory(account=account, country="Peru", phone="+49 (170) 123-4567", first_name="Ada", last_name="Lind")
    sign_in(page, live_server)
    page.add_init_script(COUNTING)
    page.goto(f"{live_server.url}{LEADS}?country=Spain")
    assert clicks(page) == 0
    return page


def type_into_choice(page, label, words):
    """With the keyboard alone: the field has the focus, and its choice is found by its first letters."""
    page.wait_for_function("(label) => document.activeElement?.labels?.[0]?.textContent.includes(label)", arg=label)
    page.keyboard.type(words)


def test_filtered_hundred_is_tagged_in_five(hundred):
    page = hundred
    page.click("#action-toggle")
    page.click("text=Select all 100")
    page.click(".select-bar button[value=assign_tag]")
    type_into_choice(page, "Tag", "VIP")
    page.click("button[value=preview]:visible")
    shows(page, "#preview-counts", "100 leads will change")
    page.click("button[value=start]")
    page.wait_for_selector("a:has-text('Watch it')")

    assert clicks(page) == 5
    assert LeadChange.objects.filter(kind="assign_tag", parameters={"tag": "VIP"}).count() == 100


def test_three_actions_take_nine_at_most(hundred):
    page = hundred
    page.click("#action-toggle")
    page.click("text=Select all 100")
    page.click(".select-bar button[value=assign_tag]")
    type_into_choice(page, "Tag", "VIP")
    for kind, label, words in (("subscribe_list", "List", "Buyers"), ("give_points", "Points", "5")):
        page.select_option("#add-kind", kind)
        page.click("button[value=add]")
        type_into_choice(page, label, words)
    page.click("button[value=preview]:visible")
    shows(page, "#preview-counts", "100 leads will change")
    page.click("button[value=start]")
    page.wait_for_selector("a:has-text('Watch it')")

    assert clicks(page) <= 9
    assert LeadChange.objects.count() == 300


def test_person_is_found_by_a_phone_as_it_is_printed(hundred):
    page = hundred
    page.keyboard.press("/")
    page.keyboard.type("0170 / 1234567")
    page.wait_for_selector("#found a:has-text('Ada Lind')")
    page.keyboard.press("Enter")
    page.wait_for_url("**/lead/*/change/**")

    assert clicks(page) == 1
    assert str(Lead.objects.get(first_name="Ada").pk) in page.url
