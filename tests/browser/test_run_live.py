"""The page of a bulk action says at every second what a freshly loaded one says, from its start to its end."""

import time

import pytest

from integrations.models import Connection
from leads import changes, kinds
from leads.models import Lead
from tests.browser.hands import sign_in

pytestmark = pytest.mark.django_db(transaction=True)

LEADS = 16
REFUSED = 12  # ten in a row pause it, two fail after it was resumed
LONGEST_S = 300
SAYS = """() => {
  const run = document.getElementById("run");
  const copy = run.cloneNode(true);
  copy.querySelectorAll("[name=csrfmiddlewaretoken]").forEach((each) => each.remove());
  const plain = (part) => part.textContent.replace(/\\s+/g, " ").trim();
  return {
    title: document.title + " / " + plain(copy.querySelector("h1")),
    state: plain(copy.querySelector("[role=status] .badge")),
    buttons: Array.from(copy.querySelectorAll("button, summary, a.btn"), (each) => `${plain(each)} (${each.className})`),
    reason: Array.from(copy.querySelectorAll(".note"), plain),
    bar: Array.from(copy.querySelectorAll("svg.parts rect"), (each) => `${each.getAttribute("class")} ${each.getAttribute("width")}`),
    percent: copy.querySelector("progress").value,
    text: plain(copy),
    menu: plain(document.querySelector("nav.side")),
  };
}"""


def differs(page, tab, url):
    """What the live page and a fresh one say, where they differ; one of the two may have changed between the looks."""
    for _ in range(6):
        before = page.evaluate(SAYS)
        tab.goto(url)
        fresh = tab.evaluate(SAYS)
        page.wait_for_timeout(1100)  # the live page asks every second
        after = page.evaluate(SAYS)
        if fresh in (before, after):
            return None, after
    return (before, fresh, after), after


def test_live_page_is_a_fresh_one_at_every_second(page, live_server, sandbox, connection, pusher):
    Connection.objects.update(calls_per_second=2)
    for number in range(LEADS):
        sandbox.mirrored_lead(connection, f"lead{number}@example.com")
    sandbox.fault("action k fails", cmd="assign_tag", code="212", count=REFUSED)
    run = changes.record_run(connection.account, Lead.objects.all(), kinds.get_kind("assign_tag"), {"tag": "VIP"})
    url = f"{live_server.url}{run.get_absolute_url()}"
    sign_in(page, live_server)
    page.goto(url)
    tab = page.context.new_page()
    pusher.start()
    states, ends = [], time.monotonic() + LONGEST_S

    while "finished" not in states:
        difference, said = differs(page, tab, url)
        assert difference is None
        if said["state"] not in states:
            states.append(said["state"])
            if said["state"] == "paused":
                page.click("#run button[value=resume]")
                page.wait_for_selector("#run button[value=pause]")
        assert time.monotonic() < ends, states

    difference, said = differs(page, tab, url)
    assert difference is None
    assert states == ["running", "paused", "finished"]
    assert f"{LEADS - REFUSED} leads were changed" in said["text"]
    assert f"{REFUSED} failed" in said["text"]
    assert not any("Pause" in button or "Cancel" in button for button in said["buttons"])
