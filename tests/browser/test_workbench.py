"""What staff do all day, in a real browser, each with the mouse and with the keyboard alone."""

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from integrations import push
from leads import changes, kinds, mirror
from leads.filters.segments import conditions_of
from leads.models import BulkRun, Lead, RunDraft, Segment, Source, Tag
from tests.browser.hands import Keyboard, Mouse, sign_in
from tests.browser.looking import reads, shows
from tests.factories import SegmentFactory
from tests.recording import accept_change

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=[Mouse, Keyboard], ids=lambda hand: hand.name)
def hand(request, page):
    return request.param(page)


def six_leads(sandbox, connection):
    return [
        sandbox.mirrored_lead(connection, f"{name}@example.com", first_name=name.title(), country=country)
        for name, country in zip(
            ["adam", "bea", "carl", "dora", "emil", "fay"],
            ["Spain", "Spain", "Spain", "Spain", "Japan", "Japan"],
            strict=True,
        )
    ]


def tagged_run(connection, leads, by=None):
    """A finished run that put VIP on these leads in Kartra."""
    chosen = Lead.objects.filter(pk__in=[lead.pk for lead in leads])
    run = changes.record_run(connection.account, chosen, kinds.get_kind("assign_tag"), {"tag": "VIP"}, by=by)
    push.drain(connection, until_s=5)
    run.refresh_from_db()
    assert run.state == "finished"
    return run


def pick(page, name, words):
    """Choose in a searched list, by typing."""
    page.wait_for_selector(f"select[name='{name}'] + .select2")
    page.locator(f"select[name='{name}'] + .select2 .select2-search__field").focus()
    page.keyboard.type(words)
    page.wait_for_selector(f".select2-results__option--highlighted:has-text('{words}')")
    page.keyboard.press("Enter")


def test_filter_and_save_a_segment(page, hand, live_server, sandbox, connection):
    leads = six_leads(sandbox, connection)
    vip = Tag.objects.get(name="VIP")
    mirror.set_tag(leads[0], "VIP", True, source=Source.REFRESH, at=timezone.now())
    sign_in(page, live_server)
    page.goto(f"{live_server.url}/admin/leads/lead/")

    hand.press("#content .filter-bar .chip.add")
    page.wait_for_selector("#changelist-filter", state="visible")
    hand.press(".conds summary.add:has-text('Add a filter')")
    hand.press("button[value='add all tag']")
    hand.press(".cond summary:has-text('is')")
    hand.press("button[value='turn tag']")
    page.wait_for_selector("select[name=not_tag]", state="attached")
    pick(page, "not_tag", "VIP")
    hand.press(".conds summary.add:has-text('Add a filter')")
    hand.press("button[value='add all country']")
    pick(page, "country", "Spain")
    reads(page, "#filter-show", "Show 3 leads")
    hand.press("#filters footer .btn.main")
    page.wait_for_selector("text=not: has the tag VIP")
    hand.press("a:has-text('Save as segment')")
    page.wait_for_selector("text=It always holds the leads that match now")
    hand.fill("input[name=name]", "Spain without VIP")
    hand.press("button:has-text('Save segment')")
    page.wait_for_selector("text=is there for everybody now")

    shows(page, ".filter-bar", "in the segment Spain without VIP")
    shows(page, "body", "3 leads")
    assert conditions_of(Segment.objects.get().selection) == {"country": ["Spain"], "not_tag": [str(vip.pk)]}


def test_run_of_several_kinds_from_preview_to_the_end(page, hand, live_server, sandbox, connection, pusher):
    leads = six_leads(sandbox, connection)
    Lead.objects.update(score=0)
    sign_in(page, live_server)
    page.goto(f"{live_server.url}/admin/leads/lead/?country=Spain")

    hand.tick("#action-toggle")
    hand.press(".select-bar button[value=assign_tag]")
    page.wait_for_selector("text=4 leads of")
    hand.choose("select[name=tag]", "VIP")
    hand.choose("#add-kind", "Give points")
    hand.press("button[value=add]")
    page.wait_for_selector("text=2. Give points")
    hand.fill("input[name='2-points']", "5")
    hand.press("button[value=preview]")
    page.wait_for_selector("text=What will happen")
    shows(page, "#preview-counts", "4 leads will change")
    hand.press("button[value=start]")
    page.wait_for_selector("text=Watch it")
    assert "country=Spain" in page.url
    hand.press("a:has-text('Watch it')")
    page.wait_for_selector("#run", state="attached")
    pusher.start()
    page.wait_for_selector("#run .badge:has-text('finished')", timeout=60_000)

    reads(page, "[data-count=accepted]", "4")
    assert len(sandbox.calls(writes=True)) == 4
    assert sandbox.tagged("VIP") == {lead.kartra_id for lead in leads[:4]}
    assert [sandbox.lead(lead.kartra_id)["score"] for lead in leads] == [5, 5, 5, 5, 0, 0]


def test_preview_of_a_long_form_comes_to_the_reader(page, hand, live_server, sandbox, connection):
    six_leads(sandbox, connection)
    sign_in(page, live_server)
    page.goto(f"{live_server.url}/admin/leads/lead/?country=Spain")

    hand.tick("#action-toggle")
    hand.press(".select-bar button[value=update_lead]")
    page.wait_for_selector("text=4 leads of")
    hand.press("#pick-1 > summary")
    hand.press("button[value=pick-1-city]")
    page.wait_for_selector("input[name=city]:focus")
    hand.fill("input[name=city]", "Oslo")
    hand.press("#pick-1 > summary")
    hand.press("button[value=pick-1-company]")
    page.wait_for_selector("input[name=company]:focus")
    hand.press("button[value=unpick-1-company]")
    page.wait_for_selector("input[name=company]", state="detached")
    hand.press("button[value=preview].btn")
    page.wait_for_selector("text=What will happen")

    top = "document.getElementById('preview').getBoundingClientRect().top"
    page.wait_for_function(f"{top} >= 0 && {top} < window.innerHeight - 100")
    assert page.evaluate("document.activeElement.id") == "preview"
    hand.press("button[value=start]")
    page.wait_for_selector("text=Watch it")
    assert BulkRun.objects.get().changes.count() == 4


def test_cancel(page, hand, live_server, sandbox, connection):
    leads = six_leads(sandbox, connection)
    run = changes.record_run(connection.account, Lead.objects.all(), kinds.get_kind("assign_tag"), {"tag": "VIP"})
    first = run.changes.first()
    accept_change(first)
    sign_in(page, live_server)
    page.goto(f"{live_server.url}{run.get_absolute_url()}")

    hand.press("#run-cancel > summary")
    hand.press("button[value=cancel]")
    page.wait_for_selector("#run .badge:has-text('cancelled')")
    push.drain(connection, until_s=2)

    reads(page, "[data-count=cancelled]", "5")
    reads(page, "[data-count=accepted]", "1")
    assert sandbox.calls(writes=True) == []
    assert run.changes.count() == len(leads)


def test_undo_with_what_happened_next(page, hand, live_server, sandbox, connection, pusher):
    leads = six_leads(sandbox, connection)
    run = tagged_run(connection, leads[:3])
    for lead in leads[:2]:
        sandbox.act("start_sequence", lead=lead.kartra_id, sequence="Welcome series")
        mirror.set_sequence(lead, "Welcome series", "1", "active", at=timezone.now(), source=Source.WEBHOOK)
    sandbox.act("unassign_tag", lead=leads[2].kartra_id, tag="VIP")
    mirror.set_tag(leads[2], "VIP", False, source=Source.WEBHOOK, at=timezone.now())
    sign_in(page, live_server)
    page.goto(f"{live_server.url}{run.get_absolute_url()}")
    shows(page, "#run", "entered the sequence Welcome series")

    hand.press("a:has-text('Undo…')")
    page.wait_for_selector("text=2 leads will change back")
    shows(page, "main, #main, body", "1 changed since")
    hand.tick("input[name=also][value='sequence_entered:Welcome series']")
    hand.fill("input[name=why]", "Wrong list")
    hand.press("button:has-text('Start the undo')")
    page.wait_for_selector("text=It undoes")
    pusher.start()
    page.wait_for_selector("#run .badge:has-text('finished')", timeout=60_000)

    undone = BulkRun.objects.get(undoes=run)
    assert undone.why == "Wrong list"
    reads(page, "[data-count=accepted]", "2")
    assert sandbox.tagged("VIP") == set()
    assert {sandbox.lead(lead.kartra_id)["sequences"]["Welcome series"]["status"] for lead in leads[:2]} != {"active"}


@pytest.mark.parametrize("width", [1440, 390])
def test_pages_of_the_workbench_do_not_scroll_sideways(page, live_server, sandbox, connection, width):
    leads = six_leads(sandbox, connection)
    Lead.objects.filter(pk=leads[0].pk).update(company="x" * 200, first_name="y" * 120)
    segment = SegmentFactory(account=connection.account, name="z" * 150, conditions={"country": ["Spain"]})
    run = tagged_run(connection, leads)
    sign_in(page, live_server)
    draft = RunDraft.objects.create(
        created_by=get_user_model().objects.get(username="mara"),
        kind="assign_tag",
        more=["give_points"],
        selection={"version": 1, "leads": {"everybody": True}},
        parameters={"clean": {"steps": [["assign_tag", {"tag": "VIP"}], ["give_points", {"points": 5}]]}, "form": {}},
    )
    page.set_viewport_size({"width": width, "height": 800})

    for path in (
        f"/admin/leads/lead/?segment={segment.pk}",
        "/admin/leads/segment/",
        segment.get_absolute_url(),
        "/admin/leads/segment/save/?query=country%3DSpain",
        draft.get_absolute_url(),
        run.get_absolute_url(),
        f"/admin/leads/bulkrun/{run.pk}/undo/",
    ):
        page.goto(f"{live_server.url}{path}")
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert (path, wider <= 0) == (path, True)


def test_phones_filters_open_and_apply(page, live_server, sandbox, connection):
    six_leads(sandbox, connection)
    sign_in(page, live_server)
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{live_server.url}/admin/leads/lead/")

    page.click("#content .filter-bar .chip.add")
    page.click(".conds summary.add:has-text('Add a filter')")
    page.click("button[value='add all country']")
    pick(page, "country", "Japan")
    page.click("#filters footer .btn.main")
    page.wait_for_selector("text=from Japan")

    shows(page, "body", "2 leads")
