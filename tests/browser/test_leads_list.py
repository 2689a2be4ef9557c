"""The leads list as it is drawn: 20 lines of 36 px on a screen of 1440 × 900, and nothing to scroll sideways at 1280."""

import pytest
from django.utils import timezone

from leads.models import LeadTag, ListSubscription
from tests.browser.hands import sign_in
from tests.browser.looking import findings, shows, wider_by
from tests.factories import LeadFactory, MailingListFactory, SegmentFactory, TagFactory

pytestmark = pytest.mark.django_db(transaction=True)

SEEN = """() => [...document.querySelectorAll("#result_list tbody tr")].map((row) => row.getBoundingClientRect())
  .filter((box) => box.bottom <= innerHeight).map((box) => Math.round(box.height))"""
HIDDEN = "() => { const box = document.querySelector('#result_list').parentElement; return box.scrollWidth - box.clientWidth; }"


@pytest.fixture
def listed(page, live_server, connection):
    """30 leads with long names, long addresses, and many tags and lists."""
    account, told = connection.account, {"since": timezone.now(), "source": "refresh"}
    tags = [TagFactory(account=account, name=f"a tag with a long name {number}") for number in range(4)]
    lists = [MailingListFactory(account=account, name=f"A list with a long name {number}") for number in range(3)]
    for number in range(30):
        lead = LeadFactory(
            account=account,
            first_name="Maximiliane",
            last_name="Oberhausen-Freudenberg",
            email=f"maximiliane.oberhausen.freudenberg{number}@a-rather-long-name.example.com",
            country="United Kingdom of Great Britain",
            score=12345,
        )
        LeadTag.objects.bulk_create(LeadTag(lead=lead, tag=tag, **told) for tag in tags)
        ListSubscription.objects.bulk_create(ListSubscription(lead=lead, mailing_list=each, **told) for each in lists)
    sign_in(page, live_server)
    page.goto(f"{live_server.url}/admin/leads/lead/")
    page.wait_for_selector("#result_list tbody tr")
    return page


def test_twenty_lines_are_in_sight(listed):
    assert listed.evaluate(SEEN) == [36] * 20


def test_columns_fit_at_1280(listed):
    listed.set_viewport_size({"width": 1280, "height": 900})

    assert listed.evaluate(HIDDEN) <= 0
    assert wider_by(listed) <= 0


def test_columns_are_chosen_and_fit_however_many_they_are(listed):
    listed.set_viewport_size({"width": 1280, "height": 900})
    listed.click("#columns summary")
    for name in ("phone", "company", "city", "first_name"):
        listed.check(f"#columns input[value={name}]")
    listed.click("#columns .btn.main")
    listed.wait_for_selector("#result_list.own")

    assert listed.locator("#result_list thead th").count() == 12
    assert set(listed.evaluate(SEEN)) == {36}
    assert listed.evaluate(HIDDEN) <= 0
    assert wider_by(listed) <= 0
    assert findings(listed) == []
    listed.set_viewport_size({"width": 390, "height": 844})
    assert wider_by(listed) <= 0


def test_column_is_found_by_keyboard(listed):
    listed.focus("#columns summary")
    listed.keyboard.press("Enter")
    listed.wait_for_selector("#columns [data-filter-search]:focus")
    listed.keyboard.type("compan")
    listed.keyboard.press("Enter")

    assert listed.is_checked("#columns input[value=company]")
    assert listed.locator("#columns label:visible").count() == 1


def test_menu_of_segments_is_loaded_when_it_is_opened(listed, connection):
    SegmentFactory(account=connection.account, name="Everybody", conditions={"score_min": ["5"]})

    listed.click("#segments summary")

    shows(listed, "#segments .menu a", "Everybody")
    shows(listed, "#segments .menu .size", "30")
    assert findings(listed) == []


def test_or_group_is_made_in_the_drawer_with_the_keyboard_alone(listed):
    listed.focus(".filter-bar .chip.add")
    listed.keyboard.press("Enter")
    for adds, words in (("Add a group", "score"), ("Or", "country")):
        listed.wait_for_selector("#filters footer")
        listed.locator(f".conds summary.add:has-text('{adds}')").focus()
        listed.keyboard.press("Enter")
        listed.wait_for_selector("details[open] > .menu [data-filter-search]:focus")
        listed.keyboard.type(words)
        listed.keyboard.press("Enter")
        listed.wait_for_selector("[data-fresh] :focus")
        if words == "score":
            listed.keyboard.type("99999")
    assert listed.input_value("[type=number][name='or1.1.score_min']") == "99999"
    assert findings(listed) == []
    shows(listed, "#filter-show", "Show 0 leads")
    listed.keyboard.type("United")
    listed.wait_for_selector(".select2-results__option--highlighted:has-text('United')")
    listed.keyboard.press("Enter")
    shows(listed, "#filter-show", "Show 30 leads")
    listed.keyboard.press("Escape")
    listed.wait_for_selector("#changelist-filter", state="hidden")
    assert listed.evaluate("document.activeElement.matches('.filter-bar .chip.add')")
    listed.keyboard.press("Enter")
    listed.locator("#filters footer .btn.main").focus()
    listed.keyboard.press("Enter")

    shows(listed, ".filter-bar", "score 99999 or more or from United Kingdom of Great Britain")
    assert listed.url.partition("?")[2] == "or1.1.score_min=99999&or1.2.country=United+Kingdom+of+Great+Britain"


def test_drawer_works_in_a_window_of_its_own(listed):
    listed.goto(
        listed.url + listed.get_attribute(".filter-bar .chip.add", "href").rpartition("/lead/")[2] + "score_min=5"
    )
    listed.click(".conds summary.add:has-text('Add a group')")
    listed.click("details[open] button[value='add or gdpr']")
    listed.wait_for_selector("[data-fresh]")
    shows(listed, "#filter-show", "Show 30 leads")
    listed.click("button[value='remove or1.1.gdpr']")
    listed.wait_for_selector("[data-fresh]", state="detached")
    listed.click("#filters footer .btn.main")

    listed.wait_for_url("**/admin/leads/lead/?score_min=5")


@pytest.mark.parametrize("width", [1440, 390])
def test_drawer_fits_the_screen(listed, width):
    listed.set_viewport_size({"width": width, "height": 844})
    listed.goto(f"{listed.url}?score_min=5&or1.1.bought=any&or1.2.custom_how=filled&or1.3.calendar_from=2026-01-01")
    listed.click(".filter-bar .chip.add")
    listed.wait_for_selector(".conds .cond")

    drawer = listed.locator("#filters").bounding_box()
    assert drawer["x"] >= 0
    assert drawer["x"] + drawer["width"] <= width
    assert (
        listed.evaluate(
            "(() => { const box = document.querySelector('.conds'); return box.scrollWidth - box.clientWidth })()"
        )
        <= 0
    )
    assert findings(listed) == []


def test_lines_are_cards_on_a_phone(listed):
    listed.set_viewport_size({"width": 390, "height": 844})

    assert listed.locator("#result_list tbody tr").first.bounding_box()["height"] <= 120
    assert wider_by(listed) <= 0
    assert findings(listed) == []
