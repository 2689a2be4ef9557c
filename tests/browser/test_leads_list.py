"""The leads list as it is drawn: 20 lines of 36 px on a screen of 1440 × 900, and nothing to scroll sideways at 1280."""

import pytest
from django.utils import timezone

from leads.models import LeadTag, ListSubscription
from tests.browser.hands import sign_in
from tests.browser.looking import findings, wider_by
from tests.factories import LeadFactory, MailingListFactory, TagFactory

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


def test_lines_are_cards_on_a_phone(listed):
    listed.set_viewport_size({"width": 390, "height": 844})

    assert listed.locator("#result_list tbody tr").first.bounding_box()["height"] <= 120
    assert wider_by(listed) <= 0
    assert findings(listed) == []
