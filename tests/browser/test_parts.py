"""The parts that every page is made of have the values that they are to have: colours, sizes, distances, light and dark."""

import pytest
from django.conf import settings as django_settings

from tests.browser.hands import sign_in
from tests.browser.looking import findings

pytestmark = pytest.mark.django_db(transaction=True)

LIGHT = {
    ".btn.main": {"background-color": "#6d28d9", "color": "#ffffff", "font-size": "13px", "font-weight": "600"},
    ".btn:not([class*=' '])": {"background-color": "#ffffff", "border-top-color": "#e6e8ee", "border-radius": "6px"},
    ".btn.bad": {"color": "#b3261e"},
    ".badge.good": {"color": "#137245", "background-color": "#e7f6ee", "font-size": "12px"},
    ".badge.wait": {"color": "#1d5fb8", "background-color": "#e8f1fd"},
    ".badge.warn": {"color": "#8a5300", "background-color": "#fdf3df"},
    ".badge.bad": {"color": "#b3261e", "background-color": "#fdecea"},
    ".chip.wish": {"border-top-style": "dashed", "color": "#1d5fb8", "font-size": "13px"},
    ".card": {"background-color": "#ffffff", "border-radius": "8px", "border-top-color": "#e6e8ee"},
    "#page": {"background-color": "#f8f9fb"},
    ".head h1": {"font-size": "22px", "font-weight": "600", "line-height": "28px"},
    ".facts dt": {"color": "#5b6270"},
    ".table th": {"font-size": "12px", "font-weight": "600"},
    ".note.bad": {"background-color": "#fdecea", "padding-left": "16px", "margin-bottom": "16px"},
    "#parts .link": {"color": "#6d28d9", "font-size": "13px"},
}
DARK = {
    ".btn.main": {"background-color": "#a78bfa", "color": "#14101f"},
    ".badge.good": {"color": "#5fd39a", "background-color": "#12281d"},
    ".badge.bad": {"color": "#ff8f86", "background-color": "#34171a"},
    ".card": {"background-color": "#171a22", "border-top-color": "#2a2e3a"},
    "#page": {"background-color": "#0f1117"},
    ".facts dt": {"color": "#a9b0be"},
    "#parts .link": {"color": "#a78bfa"},
}
HEIGHTS = {".btn.main": 34, ".badge.good": 20, ".chip.wish": 24, ".table tbody td": 36, ".top": 56}
"""Of whole boxes, in px."""

COMPUTED = """([selector, names]) => {
  const style = getComputedStyle(document.querySelector(selector));
  const hex = (text) => text.replace(/^rgb\\((\\d+), (\\d+), (\\d+)\\)$/, (all, ...rgb) =>
    '#' + rgb.slice(0, 3).map((n) => Number(n).toString(16).padStart(2, '0')).join(''));
  return Object.fromEntries(names.map((name) => [name, hex(style.getPropertyValue(name))]));
}"""


@pytest.fixture
def parts(page, live_server, settings):
    settings.DEBUG = True
    sign_in(page, live_server)

    def opened(theme):
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": 1440, "height": 900})
        page.goto(f"{live_server.url}/admin/ui/")
        page.wait_for_selector("html.dark" if theme == "dark" else "html:not(.dark)")
        return page

    return opened


@pytest.mark.parametrize(("theme", "values"), [("light", LIGHT), ("dark", DARK)])
def test_parts_have_their_values(parts, theme, values):
    page = parts(theme)

    found = {selector: page.evaluate(COMPUTED, [selector, list(wanted)]) for selector, wanted in values.items()}

    assert found == values


def test_boxes_have_their_sizes(parts):
    page = parts("light")

    assert {selector: round(page.locator(selector).first.bounding_box()["height"]) for selector in HEIGHTS} == HEIGHTS
    side, top = page.locator(".side").bounding_box(), page.locator(".top").bounding_box()
    assert (side["x"], side["width"]) == (0, 224)
    assert top["x"] == 224
    gap = page.locator("#parts > .card").nth(1).bounding_box()["x"]
    first = page.locator("#parts > .card").first.bounding_box()
    assert gap - first["x"] - first["width"] == 16


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_parts_can_be_used_by_everybody(parts, theme):
    page = parts(theme)

    assert findings(page) == []


def test_menu_opens_by_key_and_closes_by_escape(parts):
    page = parts("light")
    summary = page.locator("#parts details[data-menu] > summary")

    summary.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#parts details[open] .menu")
    box, bar = page.locator("#parts .menu").bounding_box(), summary.bounding_box()
    assert box["y"] - bar["y"] - bar["height"] == 6
    page.keyboard.press("Escape")

    page.wait_for_selector("#parts details:not([open])")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_page_of_parts_is_for_builders_alone(staff_page_status):
    assert not django_settings.DEBUG
    assert staff_page_status("/admin/ui/") == 404


@pytest.fixture
def staff_page_status(client, django_user_model):
    client.force_login(django_user_model.objects.create_superuser("mara", "mara@example.com", "x"))
    return lambda path: client.get(path).status_code
