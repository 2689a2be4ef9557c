"""Pages light and dark, wide and on a phone: axe-core finds nothing of any grade, nothing scrolls sideways."""

import datetime as dt

import pytest
from django.contrib.admin import site
from django.contrib.auth import get_user_model
from django.urls import reverse
from django.utils import timezone

from integrations.models import ApiCall, Heartbeat, SendingStop
from leads.models import DataSubjectRequest, ErasureRemark, RunDraft
from leads.models.remarks import remark
from tests.browser.hands import sign_in
from tests.browser.looking import findings, focused, paint, wider_by
from tests.factories import BulkRunFactory, DeliveryFactory, LeadChangeFactory, LeadFactory, TagFactory

pytestmark = pytest.mark.django_db(transaction=True)

HOSTILE = '<img x-data x-init="alert(1)" src=x onerror=alert(2)>'


@pytest.fixture
def busy(sandbox, connection, settings):
    """An installation in which everything there is to show is there, under hostile names."""
    settings.SANDBOX_URL = sandbox.base
    now = timezone.now()
    Heartbeat.objects.create(name="sweep", at=now - dt.timedelta(hours=1))
    endpoint = connection.endpoints.create(name="Kartra")
    lead = sandbox.mirrored_lead(connection, "ada@example.com", first_name=HOSTILE, company="x" * 200)
    run = BulkRunFactory(account=connection.account, name=f"Assign {HOSTILE}")
    for status, reason in (("waiting", ""), ("accepted", ""), ("rejected", ""), ("undecided", "outcome")):
        ended = now if status in ("accepted", "rejected") else None
        LeadChangeFactory(
            lead=lead, run=run, status=status, reason=reason, settled_at=ended, message=HOSTILE, code="212"
        )
    LeadChangeFactory(lead=lead, family="tag:other")
    BulkRunFactory(account=connection.account, state="paused", paused_at=now, paused_why=HOSTILE)
    for hours in range(60, 50, -1):
        DeliveryFactory(endpoint=endpoint, action="assign_tag", received_at=now - dt.timedelta(hours=hours), lead=lead)
    delivery = DeliveryFactory(
        endpoint=endpoint,
        action=HOSTILE,
        status="quarantined",
        applied_at=now,
        body=HOSTILE.encode() * 20,
        reason=HOSTILE,
        lead=lead,
    )
    call = ApiCall.objects.create(
        connection=connection,
        cause="push",
        commands="assign_tag",
        claimed_at=now,
        sent_at=now,
        finished_at=now,
        outcome="unknown",
        message=HOSTILE,
        elapsed_ms=20,
    )
    SendingStop.objects.create(connection=connection, stopped_by="person", why=HOSTILE, began_at=now, ended_at=now)
    LeadFactory(account=connection.account, email=lead.email, kartra_id="99", first_name=HOSTILE)
    said = [remark(code, number=2) for code in ErasureRemark]
    asked = DataSubjectRequest.objects.create(
        kind="erasure",
        account=connection.account,
        digest="0",
        asked_at=now,
        due_at=now + dt.timedelta(days=30),
        done_at=now,
        counts={"leads.activity": 1200, "integrations.delivery": 3, "leads.leadchange": 1, "files": 1},
        remarks=said,
    )
    DataSubjectRequest.objects.create(
        kind="export", account=connection.account, lead=lead, digest="0", asked_at=now - dt.timedelta(40), due_at=now
    )
    return {
        "home": "/admin/",
        "health": "/admin/health/",
        "setup": "/admin/setup/",
        "connections": "/admin/integrations/connection/",
        "connection": connection.get_absolute_url(),
        "new connection": reverse("admin:integrations_connection_add"),
        "addresses": "/admin/integrations/webhookendpoint/",
        "address": endpoint.get_absolute_url(),
        "discard": reverse("admin:integrations_webhookendpoint_discard", args=[endpoint.pk]),
        "what would be discarded": f"{reverse('admin:integrations_webhookendpoint_discard', args=[endpoint.pk])}?since=2026-01-01T00:00",
        "deliveries": "/admin/integrations/delivery/",
        "delivery": delivery.get_absolute_url(),
        "calls": "/admin/integrations/apicall/",
        "call": call.get_absolute_url(),
        "users": "/admin/auth/user/",
        "invite": reverse("admin:auth_user_add"),
        "group": reverse("admin:auth_group_changelist"),
        "leads": "/admin/leads/lead/",
        "lead": lead.get_absolute_url(),
        "run": run.get_absolute_url(),
        "changes": "/admin/leads/leadchange/",
        "decisions": "/admin/decisions/",
        "failed": "/admin/failed/",
        "decision": reverse("admin:decision", args=[run.changes.get(status="undecided").pk]),
        "change": run.changes.get(status="rejected").get_absolute_url(),
        "timeline": "/admin/leads/activity/",
        "forget": reverse("admin:leads_lead_forget", args=[lead.pk]),
        "all that is held": reverse("admin:leads_lead_held", args=[lead.pk]),
        "requests of people": reverse("admin:leads_datasubjectrequest_changelist"),
        "request of a person": asked.get_absolute_url(),
        "create from a file": reverse("admin:leads_lead_newcomers"),
        "own sign-in": reverse("admin:own_sign_in"),
    }


def previewed(connection):
    """The address of a bulk action that is about to be started, for who is signed in."""
    TagFactory(account=connection.account, name=HOSTILE)
    clean = {"steps": [["assign_tag", {"tag": HOSTILE}], ["give_points", {"points": 5}]]}
    draft = RunDraft.objects.create(
        created_by=get_user_model().objects.get(username="mara"),
        kind="assign_tag",
        more=["give_points"],
        selection={
            "version": 1,
            "leads": {"not": {"condition": "bought", "values": {"bought": ["any"]}}},
        },
        listed="not_bought=any",
        parameters={"clean": clean, "form": {}},
        account=connection.account,
    )
    return draft.get_absolute_url()


def problems(page, live_server, busy, schemes=("light",)):
    """Everything wrong with these pages in these colours, named by page."""
    dialogs, found = [], []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    for name, path in busy.items():
        page.goto(f"{live_server.url}{path}")
        for scheme in schemes:
            paint(page, scheme)
            found += [f"{name} ({scheme}): {finding}" for finding in findings(page)]
        if (pixels := wider_by(page)) > 0:
            found.append(f"{name}: {pixels} px wider than the screen")
        if page.query_selector("img[x-data]") or dialogs:
            found.append(f"{name}: a name came alive")
    return found


def tabs_of(path):
    return {f"lead, {name}": f"{path}?tab={name}" for name in ("ties", "money", "requests", "kartra")}


def test_pages_on_a_wide_screen(page, live_server, busy, connection):
    sign_in(page, live_server)
    pages = {**busy, "preview": previewed(connection), **tabs_of(busy["lead"])}
    assert problems(page, live_server, pages, ("light", "dark")) == []


def test_pages_on_a_phone(page, live_server, busy, connection):
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, live_server)
    pages = {**busy, "preview": previewed(connection), **tabs_of(busy["lead"])}
    assert problems(page, live_server, pages) == []


def test_all_that_is_held_of_a_person_as_a_page(page, live_server, busy):
    sign_in(page, live_server)
    page.goto(f"{live_server.url}{busy['all that is held']}")
    page.click("button[value=page]")
    page.wait_for_selector("text=Messages from Kartra (")
    for scheme in ("light", "dark"):
        paint(page, scheme)
        assert findings(page) == []
    assert wider_by(page) <= 0
    page.set_viewport_size({"width": 390, "height": 844})
    assert wider_by(page) <= 0
    assert page.query_selector("img[x-data]") is None


def test_pages_before_the_sign_in(page, live_server):
    before = {
        "sign-in": "/admin/login/",
        "new password": "/admin/password_reset/",
        "dead link": "/admin/reset/MQ/set-password/",
    }
    assert problems(page, live_server, before, ("light", "dark")) == []


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_of_the_kartra_sandbox(page, sandbox, scheme, width):
    errors = []
    page.on("console", lambda each: errors.append(each.text) if each.type in ("error", "warning") else None)
    id = sandbox.add_lead("ada@example.com", first_name=HOSTILE, last_name="x" * 90)
    sandbox.act("start_subscription", lead=id, product="Trail Club")
    sandbox.act("assign_tag", lead=id, tag="VIP")
    sandbox.fault("429")
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)
    for path in ("/", f"/leads/{id}", "/nowhere"):
        page.goto(f"{sandbox.base}{path}")
        assert findings(page) == [], path
        assert wider_by(page) <= 0, path
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark == {"light": "rgb(248, 249, 251)", "dark": "rgb(15, 17, 23)"}[scheme]
    assert [each for each in errors if "404" not in each] == []


def every_list_and_form():
    """The lists of all tables in the admin, their forms for a new row, and their last rows."""
    for model in site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"{name}_changelist")
        yield reverse(f"{name}_add")
        last = model._default_manager.order_by("pk").last()
        if last is not None:
            yield reverse(f"{name}_change", args=[last.pk])


def test_no_page_has_an_error_in_its_console_whatever_key_opens_the_search(page, live_server, busy, connection):
    sign_in(page, live_server)
    errors = []
    page.on("pageerror", lambda error: errors.append((page.url, str(error))))
    page.on("console", lambda each: errors.append((page.url, each.text)) if each.type in ("error", "warning") else None)
    before = ["/admin/login/", "/admin/password_reset/", "/"]
    for path in dict.fromkeys([*busy.values(), *tabs_of(busy["lead"]).values(), *every_list_and_form(), *before]):
        answer = page.goto(f"{live_server.url}{path}")
        if answer.status in (403, 405):  # a form for a new row that nobody may make; the browser notes its status
            errors = [each for each in errors if f"{answer.status}" not in each[1]]
        elif page.query_selector("#find"):
            page.keyboard.press("Control+k")
            assert focused(page) == "Find a lead or a page", path
            page.keyboard.press("Escape")

    assert errors == []


def test_home_stays_true_by_itself_and_rests_when_nobody_looks(page, live_server, busy, connection):
    page.clock.install()  # so that seconds pass when told
    sign_in(page, live_server)
    page.wait_for_selector("text=change of a single lead")
    lead = connection.account.leads.exclude(kartra_id="99").get()
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/home/" in request.url else None)

    LeadChangeFactory(lead=lead, family="tag:third", parameters={"tag": "third"})
    page.clock.run_for(4500)
    page.wait_for_selector("text=changes of single leads")
    assert asked

    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.clock.run_for(4500)
    asked.clear()
    page.clock.run_for(90_000)
    assert asked == []
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {value: false, configurable: true}); document.dispatchEvent(new Event('visibilitychange'))"
    )
    page.wait_for_load_state("networkidle")
    assert {url.split("/home/")[1] for url in asked} == {"now/", "copies/", "trials/"}
