"""The small forms over a lead's page, and what the open page asks for again and again."""

import datetime as dt

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from integrations.read import catalogue
from leads import mirror
from leads.models import Activity, ChangeStatus, LeadChange, Transaction
from tests.factories import LeadChangeFactory, StaffFactory
from tests.kartra_mirror.admin.forms import FORM_BOOKING, drain, refund_url

pytestmark = pytest.mark.django_db(transaction=True)

SCRIPT = {"HX-Request": "true"}


def ask(client, lead, kind, given=None, **query):
    url = reverse("admin:leads_lead_ask", args=[lead.pk, kind], query=query)
    return client.get(url, headers=SCRIPT) if given is None else client.post(url, given, headers=SCRIPT)


def parts(client, lead, was=""):
    return client.get(reverse("admin:leads_lead_parts", args=[lead.pk]), {"was": was})


@pytest.mark.parametrize(
    ("kind", "given", "parameters"),
    [
        ("assign_tag", {"tag": "VIP"}, {"tag": "VIP"}),
        ("subscribe_list", {"list": "Buyers"}, {"list": "Buyers"}),
        ("give_points", {"points": "5"}, {"points": 5, "expires_in_days": ""}),
        ("remove_points", {"points": "5"}, {"points": 5}),
        ("subscribe_sequence", {"sequence": "Upsell", "step": "2"}, {"sequence": "Upsell", "step": 2}),
        ("subscribe_calendar", FORM_BOOKING, FORM_BOOKING),
    ],
)
def test_form_names_the_lead_and_what_it_asks_for_is_recorded(staff, lead, kind, given, parameters):
    form = ask(staff, lead, kind).content.decode()
    answer = ask(staff, lead, kind, {**given, "why": "She asked"})

    assert str(lead) in form
    assert (answer.status_code, answer.headers["HX-Trigger"], answer.content) == (204, "lead-changed", b"")
    change = LeadChange.objects.get()
    assert (change.kind, change.parameters, change.requested_by, change.why) == (
        kind,
        parameters,
        staff.user,
        "She asked",
    )


def test_same_form_twice_is_one_wish(staff, lead):
    key = ask(staff, lead, "give_points").context["form"]["idempotency_key"].value()
    for _ in range(2):
        assert ask(staff, lead, "give_points", {"points": "5", "idempotency_key": key}).status_code == 204

    assert LeadChange.objects.count() == 1


def test_looking_at_a_form_records_nothing_and_without_a_script_it_is_the_page(staff, lead):
    url = reverse("admin:leads_lead_ask", args=[lead.pk, "assign_tag"])

    assert staff.get(url).url == lead.get_absolute_url()
    assert not LeadChange.objects.exists()
    page = staff.post(url, {"tag": "VIP"}, follow=True).content.decode()
    assert "1 change requested" in page
    assert LeadChange.objects.get().parameters == {"tag": "VIP"}
    assert "is not in our copy" in staff.post(url, {"tag": "nobody's"}, follow=True).content.decode()


def test_tag_that_is_new_in_kartra_is_taken_after_one_click(staff, sandbox, connection, lead):
    catalogue.read(connection)
    typed = {"tag": "Brand new", "in": "tag-adding"}
    first = ask(staff, lead, "assign_tag", typed).content.decode()
    sandbox.act("create_tag", name="Brand new")
    second = ask(staff, lead, "assign_tag", {**typed, "do": "catalogue"}).content.decode()

    assert "Create it in Kartra first" in first
    assert "Update the names from Kartra" in first
    assert "The names were updated from Kartra just now." in second
    assert "Create it in Kartra first" not in second
    assert not LeadChange.objects.exists()
    assert ask(staff, lead, "assign_tag", typed).status_code == 204


def test_odd_texts_are_asked_about_before_they_are_sent(staff, lead):
    booking = {**FORM_BOOKING, "class": "A <b>"}
    warned = ask(staff, lead, "subscribe_calendar", booking)

    assert "Press the button again" in warned.content.decode()
    assert not LeadChange.objects.exists()
    assert ask(staff, lead, "subscribe_calendar", {**booking, "confirmed": "1"}).status_code == 204


def test_form_offers_what_was_seen(staff, lead):
    mirror.set_sequence(lead, "Win back", "7", "active", at=timezone.now())
    ask(staff, lead, "subscribe_calendar", FORM_BOOKING)
    drain(lead.account.connection)

    assert '<option value="7">' in ask(staff, lead, "subscribe_sequence").content.decode()
    booking = ask(staff, lead, "cancel_calendar").content.decode()
    assert '<option value="Coaching">' in booking
    assert '<option value="Intro call">' in booking


def test_right_for_one_kind_is_enough_for_it(client, lead):
    user = StaffFactory()
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_lead", "assign_tag"]))
    client.force_login(user)

    page = client.get(lead.get_absolute_url()).content.decode()

    assert 'id="tag-add"' in page
    assert 'id="edit"' not in page
    assert ask(client, lead, "assign_tag", {"tag": "VIP"}).status_code == 204
    assert ask(client, lead, "unassign_tag", {"tag": "VIP"}).status_code == 403


def test_refund_is_asked_for_over_the_page(staff, buyer):
    form = staff.get(refund_url(buyer), headers=SCRIPT).content.decode()
    answer = staff.post(refund_url(buyer), {"what": "whole", "typed": "97.00"}, headers=SCRIPT)

    assert "<html" not in form
    assert "ada@example.com" in form
    assert (answer.status_code, answer.headers["HX-Trigger"]) == (204, "lead-changed")
    sale = Transaction.objects.get(kartra_id=buyer.sale)
    assert LeadChange.objects.get().parameters["transaction"] == sale.kartra_id


def test_open_page_is_told_only_what_is_new(staff, connection, lead):
    mark = staff.get(lead.get_absolute_url()).context["mark"]
    assert parts(staff, lead, mark).status_code == 204

    ask(staff, lead, "assign_tag", {"tag": "VIP"})
    queued = parts(staff, lead, mark)
    drain(connection)
    done = parts(staff, lead, queued.context["mark"])

    assert "VIP · queued" in queued.content.decode()
    assert "VIP · queued" not in done.content.decode()
    assert parts(staff, lead, done.context["mark"]).status_code == 204
    Activity.objects.create(account=lead.account, lead=lead, kind="decided", at=timezone.now(), source="staff")
    assert parts(staff, lead, done.context["mark"]).status_code == 200


@pytest.mark.parametrize(
    ("tab", "shown"),
    [
        ("all", {"Tag assigned", "Paid", "City"}),
        ("ties", {"Tag assigned"}),
        ("money", {"Paid"}),
        ("kartra", {"Paid", "City"}),
        ("requests", {"Assign the tag VIP"}),
    ],
)
def test_tabs_show_their_part_of_the_timeline(staff, connection, lead, tab, shown):
    ask(staff, lead, "assign_tag", {"tag": "VIP"})
    drain(connection)
    now, account = timezone.now(), lead.account
    Activity.objects.create(account=account, lead=lead, kind="payment_sale", at=now, source="ipn")
    facts = {"field": "city", "was": "Salem", "is": "Bend"}
    Activity.objects.create(
        account=account, lead=lead, kind="changed_in_kartra", at=now, source="refresh", details=facts
    )

    days = staff.get(lead.get_absolute_url(), {"tab": tab}).context["days"]

    assert [day for day, _lines in days] == ["Today"]
    assert {line.happened for line in days[0][1]} == shown


def test_a_failed_request_stands_among_what_happened(staff, lead):
    at = timezone.now()
    LeadChangeFactory(lead=lead, status=ChangeStatus.REJECTED, code="212", settled_at=at - dt.timedelta(minutes=2))
    for minutes in (1, 3):
        Activity.objects.create(
            account=lead.account, lead=lead, kind="decided", at=at - dt.timedelta(minutes=minutes), source="staff"
        )

    lines = [line for _day, found in staff.get(lead.get_absolute_url()).context["days"] for line in found]

    assert [str(line.badge) for line in lines] == ["", "failed", ""]
    assert lines[1].happened == "Assign the tag VIP"


def test_timeline_goes_back_to_a_day_of_the_readers(staff, lead):
    for at in (dt.datetime(2026, 11, 3, 14, 59), dt.datetime(2026, 11, 3, 15, 1), dt.datetime(2026, 11, 20, 9)):
        Activity.objects.create(
            account=lead.account, lead=lead, kind="decided", at=at.replace(tzinfo=dt.UTC), source="staff"
        )
    staff.cookies["time_zone"] = "Asia/Tokyo"  # nine hours ahead: the fourth begins at 15:00

    def days(until, tab="all"):
        page = staff.get(lead.get_absolute_url(), {"until": until, "tab": tab})
        return [(day, len(lines)) for day, lines in page.context["days"]]

    assert days("2026-11-03") == [("3 November 2026", 1)]
    assert days("2026-11-04") == [("4 November 2026", 1), ("3 November 2026", 1)]
    assert days("2026-11-02") == [] == days("2026-11-04", "requests")


@pytest.mark.parametrize(
    "until", ["", "yesterday", "2026-02-30", "0001-01-01", "9999-12-31", "\x00", "2026-11-03T10:00"]
)
def test_what_is_no_day_shows_the_newest(staff, lead, until):
    Activity.objects.create(account=lead.account, lead=lead, kind="decided", at=timezone.now(), source="staff")
    assert staff.get(lead.get_absolute_url(), {"until": until}).context["days"][0][0] == "Today"
