"""The first five minutes and the everyday of each group, in a real browser; also without a mouse."""

import re

import pytest
from django.contrib.auth.models import Group, User
from django.urls import reverse
from django.utils import timezone

from integrations.models import Connection
from leads import mirror
from tests.browser.hands import sign_in
from tests.browser.looking import focused, shows, tab_to
from tests.factories import BulkRunFactory, DeliveryFactory, LeadChangeFactory, StaffFactory
from tests.kartra_mirror.admin.forms import drain
from tests.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "a-long-enough-secret"


def come_in(page, live_server, group):
    """Sign in as somebody of the group."""
    user = StaffFactory(username=group.lower(), password=SECRET)
    user.groups.set([Group.objects.get(name=group)])
    page.goto(f"{live_server.url}/admin/")
    page.fill("input[name=username]", group.lower())
    page.fill("input[name=password]", SECRET)
    page.keyboard.press("Enter")
    page.wait_for_selector("#to-do-title")
    return user


def ticked(page):
    return [title.strip() for title in page.locator(".km-done h3").all_inner_texts()]


def test_connect_ones_kartra_and_see_the_ticks_appear(page, live_server, sandbox, db):
    sign_in(page, live_server)
    page.click("#content a:text-is('Start')")
    page.click("#content a:has-text('Connect')")
    for name, value in (
        ("name", "Shop"),
        ("app_id", sandbox.app_id),
        ("key", sandbox.key),
        ("password", sandbox.password),
        ("api_url", sandbox.url),
    ):
        page.fill(f"input[name={name}]", value)
    page.click("button[name=_save]")
    page.wait_for_selector("text=Shop: 4 of 11 steps are done")
    shows(page, "#content", "It is read-only now.")
    connection = Connection.objects.get()

    lead = sandbox.mirrored_lead(connection, "me@example.com")
    page.wait_for_selector("text=Shop: 5 of 11 steps are done", timeout=60_000)
    assert page.locator("#events").get_attribute("open") is not None
    DeliveryFactory(
        endpoint=connection.endpoints.get(), action="assign_tag", status="applied", applied_at=timezone.now()
    )
    page.wait_for_selector("text=1 of 25 events have come.", timeout=60_000)

    sandbox.make_known(connection)
    page.fill("#find", "me@example.com")
    page.click("#found a:has-text('me@example.com') >> nth=0")
    page.click("#tag-add")
    page.wait_for_selector("#tag-adding input[name=tag]:focus")
    page.keyboard.type("VIP")
    page.keyboard.press("Enter")
    wait_until(lambda: lead.changes.filter(kind="assign_tag").exists())
    page.goto(f"{live_server.url}/admin/setup/")
    page.click("text=Allow changes…")
    page.click("button:has-text('Start sending')")
    drain(Connection.objects.get())
    page.goto(f"{live_server.url}/admin/setup/")
    page.wait_for_selector("text=1 change confirmed.")

    assert sandbox.tagged("VIP") == {lead.kartra_id}
    assert "Kartra confirmed it" in " ".join(ticked(page))


def test_trial_ticks_on_the_open_home_and_its_pages_lead_back(page, live_server, sandbox, connection, settings):
    settings.SANDBOX_URL = sandbox.base
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sign_in(page, live_server)
    page.click("summary:has-text('Change someone')")
    with page.context.expect_page() as beside:
        page.click("text=Open a lead in the Kartra sandbox")
    beside.value.wait_for_selector("button:has-text('Add tag')")
    beside.value.close()

    mirror.set_tag(lead, "VIP", True, source="webhook", at=timezone.now())

    page.wait_for_selector(".km-done:has-text('Change someone')", timeout=60_000)
    page.goto(f"{live_server.url}/admin/try/arrive/")
    page.click(".note a:has-text('Back to the trials')")
    page.wait_for_selector("#trials-title")
    assert page.locator(".km-done").count() == 1


def test_sign_in_and_connect_by_keyboard_alone(page, live_server, sandbox, db):
    User.objects.create_superuser("mara", "mara@example.com", SECRET)
    page.goto(f"{live_server.url}/admin/")
    page.wait_for_load_state("networkidle")
    if focused(page) != "username":
        tab_to(page, "username")
    page.keyboard.type("mara")
    tab_to(page, "password")
    page.keyboard.type(SECRET)
    page.keyboard.press("Enter")
    page.wait_for_selector("#to-do-title")

    tab_to(page, "Start")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=0 of 11 steps are done")
    tab_to(page, "Connect")
    while focused(page) != "Connect":
        tab_to(page, "Connect")
    page.keyboard.press("Enter")
    page.wait_for_selector("input[name=app_id]")
    for name, value in (
        ("name", "Shop"),
        ("app_id", sandbox.app_id),
        ("key", sandbox.key),
        ("password", sandbox.password),
        ("api_url", sandbox.url),
    ):
        tab_to(page, name)
        page.keyboard.press("Control+a")
        page.keyboard.type(value)
    page.keyboard.press("Enter")

    page.wait_for_selector("text=Shop: 4 of 11 steps are done")
    assert Connection.objects.get().sending == "look_only"


def test_a_poll_does_not_take_the_focus_away(page, live_server, connection):
    sign_in(page, live_server)
    page.goto(f"{live_server.url}/admin/setup/")
    tab_to(page, "Find a lead")

    for index in range(2):
        DeliveryFactory(
            endpoint=connection.endpoints.create(name=f"Door {index}"), action=["assign_tag", "buy_product"][index]
        )
        page.wait_for_selector(f"text={index + 1} of 25 events have come.", timeout=60_000)
        assert focused(page) == "Find a lead or a page"


def buttons(page):
    """The words of everything on the page that can be pressed and is no way to another page of the side bar."""
    return page.eval_on_selector_all(
        "#content button, #content a.btn, #content select[name=action] option, #content input[type=submit]",
        "all => all.map(each => (each.ariaLabel || each.innerText || each.value || '').trim())",
    )


@pytest.fixture
def shop(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sandbox.mirrored_lead(connection, "bo@example.com")
    sale = lead.transactions.create(
        account=connection.account, kartra_id="70001", type="sale", full_amount="80.00", at=timezone.now()
    )
    run = BulkRunFactory(account=connection.account)
    LeadChangeFactory(lead=lead, run=run)
    LeadChangeFactory(lead=lead, status="undecided", reason="outcome", family="tag:other")
    return {"lead": lead, "run": run, "sale": sale, "connection": connection}


def pages(shop):
    return [
        "/admin/",
        "/admin/leads/lead/",
        f"{shop['lead'].get_absolute_url()}",
        f"{shop['lead'].get_absolute_url()}?tab=money",
        shop["run"].get_absolute_url(),
        "/admin/leads/leadchange/",
        "/admin/integrations/delivery/",
        "/admin/leads/transaction/",
        "/admin/leads/tag/",
        "/admin/leads/customfield/",
    ]


FORBIDDEN = re.compile(
    r"(tag|list|points|sequence|calendar|refund|subscription|create|edit|change)\b.*…$|^(cancel|pause|resume|it happened|give it up|start|send to kartra|discard|refund…)"
    r"|^(add a tag|add to a list|add|edit|book|− remove|\+ give)$|^remove (the tag|from) ",
    re.IGNORECASE,
)


def test_viewer_sees_no_button_that_changes_anything(page, live_server, shop):
    come_in(page, live_server, "Viewer")
    seen = []
    for path in pages(shop):
        page.goto(f"{live_server.url}{path}")
        seen += [(path, words) for words in buttons(page) if FORBIDDEN.search(words)]
    assert seen == []
    side_bar = (
        page.inner_text("#nav-sidebar-apps, #nav-sidebar, aside >> nth=0")
        if page.query_selector("#nav-sidebar")
        else page.content()
    )
    for words in ("API console", "Users", "Groups", "Connections"):
        assert f">{words}<" not in side_bar.replace(" ", "").replace("\n", "")
    assert page.goto(f"{live_server.url}/admin/auth/user/add/").status == 403


def test_the_buttons_a_viewer_must_not_see_are_known_by_their_words(page, live_server, shop):
    """What the test above looks for is there for somebody who may press it."""
    come_in(page, live_server, "Support")
    page.goto(f"{live_server.url}{shop['lead'].get_absolute_url()}")
    assert len([words for words in buttons(page) if FORBIDDEN.search(words)]) >= 6


def test_viewer_comes_to_no_such_button_by_keyboard_either(page, live_server, shop):
    come_in(page, live_server, "Viewer")
    page.goto(f"{live_server.url}{shop['lead'].get_absolute_url()}")
    page.wait_for_load_state("networkidle")
    met = []
    for _ in range(80):
        page.keyboard.press("Tab")
        met.append(focused(page))
    assert "Leads" in " ".join(met)
    assert [words for words in met if FORBIDDEN.search(words)] == []


def test_supporter_works_on_one_lead_and_sees_nothing_for_many(page, live_server, sandbox, shop):
    come_in(page, live_server, "Support")
    page.goto(f"{live_server.url}/admin/leads/lead/")
    assert not [words for words in buttons(page) if words.endswith("…")]
    page.goto(f"{live_server.url}{shop['run'].get_absolute_url()}")
    assert not {"Cancel", "Pause"} & set(buttons(page))
    page.goto(f"{live_server.url}/admin/leads/customfield/")
    assert page.query_selector("a[href$='/customfield/add/']") is None

    page.goto(f"{live_server.url}{shop['lead'].get_absolute_url()}")
    page.click("#ask-give_points")
    page.fill("#ask input[name=points]", "5")
    page.click("#ask .btn.main")
    wait_until(lambda: shop["lead"].changes.filter(kind="give_points").exists())
    drain(shop["connection"])
    assert sandbox.lead("ada@example.com")["score"] == 5

    page.goto(f"{live_server.url}{reverse('admin:leads_transaction_refund', args=[shop['sale'].pk])}")
    assert "Refund a sale" in buttons(page)


def test_supporter_changes_a_lead_by_keyboard_alone(page, live_server, sandbox, shop):
    come_in(page, live_server, "Support")
    page.goto(f"{live_server.url}{shop['lead'].get_absolute_url()}")
    tab_to(page, "+ Give")
    page.keyboard.press("Enter")
    page.wait_for_selector("#ask input[name=points]")
    if focused(page) != "points":
        tab_to(page, "points")
    page.keyboard.type("5")
    page.keyboard.press("Enter")
    wait_until(lambda: shop["lead"].changes.filter(kind="give_points").exists())
    drain(shop["connection"])

    assert sandbox.lead("ada@example.com")["score"] == 5


def test_invited_colleague_chooses_a_password_and_is_in(page, live_server, browser, connection):
    sign_in(page, live_server)
    page.goto(f"{live_server.url}/admin/auth/user/")
    page.click("a[href='/admin/auth/user/add/'] >> nth=0")
    page.fill("input[name=email]", "new@example.com")
    page.check("text=Viewer: looks")
    page.click("button:has-text('Invite')")
    link = page.input_value("#link")
    context = browser.new_context()
    theirs = context.new_page()

    theirs.goto(link.replace("http://testserver", live_server.url))
    theirs.fill("input[name=new_password1]", "an-uncommon-secret-9")
    theirs.fill("input[name=new_password2]", "an-uncommon-secret-9")
    theirs.keyboard.press("Enter")
    theirs.wait_for_selector("text=you are signed in")
    theirs.wait_for_selector("#to-do-title")
    context.close()
