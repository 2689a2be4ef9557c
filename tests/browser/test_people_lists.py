"""A list of people in the browser: pasted, read, hinted at, and on to a bulk action."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from integrations.read import people_lists
from leads.models import LeadTag, PeopleList, Tag
from leads.people import reading
from tests.browser.hands import sign_in
from tests.browser.looking import findings, paint, wider_by
from tests.factories import LeadFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_people_from_a_list(page, live_server, connection, sandbox):
    account = connection.account
    tag = Tag.objects.create(account=account, name="Customer")
    for n in range(8):
        lead = LeadFactory(account=account, email=f"known{n}@example.com", first_name=f"Ada{n}")
        if n < 2:
            LeadTag.objects.create(lead=lead, tag=tag, since=timezone.now(), source="refresh")
    sandbox.add_lead("found@example.com", first_name="Fay")
    sign_in(page, live_server)
    page.goto(f"{live_server.url}/admin/leads/lead/")
    page.get_by_role("link", name="People from a list").click()
    known = ", ".join(f"known{n}@example.com" for n in range(8))
    page.get_by_label("Paste email addresses").fill(
        f"{known}\nfound@example.com\nmaya.n@exmaple.com\nOmar Diallo <omar@example.net>\nknown1@example.com\nnobody\n"
    )
    page.get_by_label("Name of the list").fill("Webinar November")
    page.get_by_role("button", name="Read the list").click()
    expect(page.get_by_text("Reading the list: 0 %")).to_be_visible()
    page.get_by_label("What to do").select_option("give_points")

    made = PeopleList.objects.get()
    reading.read(made)
    people_lists.look_up(connection, made)
    expect(page.get_by_text("Next with 9 people")).to_be_visible()  # by itself

    assert findings(page) == []
    page.get_by_label("create them as leads").check()
    expect(page.get_by_text("Next with 11 people")).to_be_visible()
    page.get_by_label("Segment, list or tag").select_option(label="Customer")
    page.get_by_role("button", name="Leave out").click()
    expect(page.get_by_text("Next with 9 people")).to_be_visible()
    paint(page, "light")
    page.set_viewport_size({"width": 390, "height": 844})
    assert wider_by(page) <= 0
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_role("button", name="meant maya.n@example.com?").click()
    expect(page.get_by_text("1 person we do not know is being looked for in Kartra")).to_be_visible()
    page.get_by_role("button", name="Next with").click()
    expect(page.get_by_role("heading", name="Give points")).to_be_visible()  # chosen while the page kept itself true
