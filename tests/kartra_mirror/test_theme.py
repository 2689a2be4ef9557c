"""The templates of the theme that ours stand in for are as they were when ours were written: an update of the theme is noticed.
And the icon in the browser's tab."""

import hashlib
from html.parser import HTMLParser
from pathlib import Path

import pytest
import unfold

OURS = Path(__file__).resolve().parents[2] / "templates"
THEIRS = Path(unfold.__file__).parent / "templates"
SEEN = {
    "admin/actions.html": "b5332aace8e69192",
    "admin/base.html": "2ce9250b3c649e3a",
    "admin/base_site.html": "50eb1e71a0b2729c",
    "admin/index.html": "9fdb849b7da18ccd",
    "admin/login.html": "13deb7765ce36659",
    "admin/nav_sidebar.html": "d61d8a2fd3fe3115",
    "admin/search_form.html": "32c57965802858bd",
    "unfold/helpers/add_link.html": "36cc86e42047e012",
    "unfold/helpers/change_list_actions.html": "ac1d59b3ae5d7b49",
    "unfold/helpers/command.html": "ae6ce324d8536613",
    "unfold/helpers/empty_results.html": "5f4727a37a99da76",
    "unfold/helpers/header.html": "d30d2ed9f06b45f3",
    "unfold/helpers/messages/errornote.html": "c2213d68f03f316f",
    "unfold/helpers/navigation.html": "fd819dae3473c0be",
    "unfold/helpers/unauthenticated_header.html": "904c823eb0d85052",
}
"""Of the theme's files. Where one differs, look what it does now, bring ours up to it, and write its new mark here."""


def test_every_template_that_ours_replaces_is_the_one_we_know():
    replaced = {
        str(path.relative_to(OURS)): (THEIRS / path.relative_to(OURS)).read_bytes()
        for path in OURS.rglob("*.html")
        if (THEIRS / path.relative_to(OURS)).exists()
    }

    assert {name: hashlib.sha256(text).hexdigest()[:16] for name, text in replaced.items()} == SEEN


def icons(page):
    found = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: found.append(dict(attributes)) if tag == "link" else None
    parser.feed(page.content.decode())
    return [each["href"] for each in found if each["rel"] == "icon"]


@pytest.mark.django_db
def test_every_page_has_our_icon(client, staff):
    [icon] = icons(staff.get("/admin/"))
    client.logout()

    assert icons(client.get("/admin/login/")) == [icon]
    assert client.get("/favicon.ico", follow=False).url == icon
    answer = client.get(icon)
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/svg+xml")
