"""Pages that keep themselves true say at any moment what a reload would say."""

import time

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from leads import transitions
from leads.changes import runs
from leads.models import BulkRun, ChangeStatus, LeadChange
from tests.browser.hands import sign_in
from tests.factories import BulkRunFactory, LeadChangeFactory, LeadFactory

pytestmark = pytest.mark.django_db(transaction=True)

STANDS = """async (selector) => {
  const plain = (part) => {
    const copy = part.cloneNode(true);
    copy.querySelectorAll("[name=csrfmiddlewaretoken]").forEach((each) => each.remove());
    copy.querySelectorAll("details").forEach((each) => each.removeAttribute("open"));
    return copy.textContent.replace(/\\s+/g, " ").trim();
  };
  const text = await (await fetch(location.href)).text();
  const again = new DOMParser().parseFromString(text, "text/html");
  return [plain(document.querySelector(selector)), plain(again.querySelector(selector))];
}"""


def same(page, selector, seconds=15):
    """What stands there comes to be what a reload says."""
    ends = time.monotonic() + seconds
    while True:
        live, again = page.evaluate(STANDS, selector)
        if live == again:
            return live
        assert time.monotonic() < ends, (live, again)
        time.sleep(0.5)


def settle(run, status, **more):
    change = run.changes.filter(status="waiting").first()
    LeadChange.objects.filter(pk=change.pk).update(status=ChangeStatus.SENDING)
    change.refresh_from_db()
    transitions.settle(change, status, at=timezone.now(), **more)


def test_run_is_live_from_its_start_to_its_end(page, live_server, connection):
    run = BulkRunFactory(account=connection.account)
    for _ in range(4):
        LeadChangeFactory(run=run, lead=LeadFactory(account=connection.account))
    sign_in(page, live_server)
    page.goto(f"{live_server.url}{run.get_absolute_url()}")
    asked = []
    page.on("request", lambda request: asked.append(request.url))

    assert "0 of 4 leads" in same(page, "#run")
    settle(run, ChangeStatus.ACCEPTED)
    assert "1 of 4 leads" in same(page, "#run")
    runs.pause(BulkRun.objects.get(pk=run.pk), why="Lunch.")
    assert "Lunch." in same(page, "#run")
    page.wait_for_selector("#run button[value=resume]")
    page.click("#run button[value=resume]")
    assert "running" in same(page, "#run")
    page.click("#run-cancel > summary")
    settle(run, ChangeStatus.REJECTED, code="212", message="Tag does not exist")
    assert "Tag does not exist" in same(page, "#run")
    assert page.locator("#run-cancel[open]").count() == 1  # what stood open stands open
    for _ in range(2):
        settle(run, ChangeStatus.ACCEPTED)
    transitions.finish_run_if_over(run.pk)
    assert "finished" in same(page, "#run")
    assert page.locator("#run a:has-text('Undo…')").count() == 1

    assert LeadChange.objects.filter(status="waiting").count() == 0
    asked.clear()
    page.wait_for_timeout(2500)
    assert [url for url in asked if "/progress/" in url] == []  # nobody asks for what has ended


def test_part_of_a_page_leads_to_sign_in_when_the_session_is_over(page, live_server, connection):
    sign_in(page, live_server)
    page.goto(f"{live_server.url}/admin/")

    Session.objects.all().delete()

    page.wait_for_url("**/admin/login/?next=%2Fadmin%2F", timeout=20_000)
