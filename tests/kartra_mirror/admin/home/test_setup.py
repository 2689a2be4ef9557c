"""Connect your Kartra: the checklist whose ticks appear by themselves, and the way back to it."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.urls import reverse
from django.utils import timezone

from integrations import push
from integrations.kartra.notices import EVENTS
from integrations.models import Connection
from kartra_mirror.admin.home import setup
from leads import kinds
from leads.models import Transaction
from tests.factories import ConnectionFactory, DeliveryFactory, LeadFactory, StaffFactory, WebhookEndpointFactory
from tests.recording import record_change

pytestmark = pytest.mark.django_db


def ticked(client, connection=None):
    query = f"?connection={connection.pk}" if connection else ""
    return [step.title for step in client.get(f"/admin/setup/now/{query}").context_data["steps"] if step.done]


# --- the checklist


def test_every_documented_event_is_in_the_list_once():
    assert sorted(setup.MOST_USEFUL_FIRST) == sorted(EVENTS)
    assert not [name for name in EVENTS if setup.event_words(name) == name]


def test_nothing_is_ticked_before_there_is_a_connection(staff):
    page = staff.get("/admin/setup/").content.decode()
    assert "0 of 11 steps are done" in page
    assert reverse("admin:integrations_connection_add") in page
    assert ticked(staff) == []
    assert "0 of 11 steps done" in staff.get("/admin/").content.decode()


def test_ticks_appear_by_themselves(staff, sandbox):
    given = {
        "name": "Shop",
        "app_id": sandbox.app_id,
        "key": sandbox.key,
        "password": sandbox.password,
        "api_url": sandbox.url,
        "calls_per_second": "19",
        "time_zone": "",
    }
    made = staff.post(reverse("admin:integrations_connection_add"), given)
    connection = Connection.objects.get()
    assert made.url == f"/admin/setup/?connection={connection.pk}"
    page = staff.get(made.url).content.decode()
    assert "Kartra answers and takes these keys" in page
    assert "The app is live." in page
    assert connection.endpoints.get().outbound_url in page
    assert page.count("waits for its first message") == len(EVENTS)
    assert ticked(staff) == [
        "Your Kartra plan has the API",
        "App id, API key and password",
        "Test or live",
        "Read-only",
    ]

    staff.post(reverse("admin:integrations_connection_do", args=[connection.pk, "catalogue"]))
    assert ticked(staff)[4:] == ["Tags, lists, sequences, custom fields"]
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    Transaction.objects.create(account=connection.account, kartra_id="70001", lead=lead, type="sale")
    assert ticked(staff)[5:] == ["Kartra's lead export", "Its transactions export"]
    endpoint = connection.endpoints.get()
    DeliveryFactory(endpoint=endpoint, action="something else")
    assert ticked(staff)[7:] == []
    DeliveryFactory(endpoint=endpoint, action="assign_tag", status="applied", applied_at=timezone.now())
    DeliveryFactory(endpoint=endpoint, channel="ipn", status="applied", applied_at=timezone.now())
    assert ticked(staff)[7:] == ["Kartra's events, one by one", "Payment messages (IPN)"]
    page = staff.get("/admin/setup/now/").content.decode()
    assert f"1 of {len(EVENTS)} events have come." in page
    assert page.count("waits for its first message") == 24

    record_change(lead, kinds.get_kind("assign_tag"), {"tag": "VIP"})
    assert ticked(staff)[9:] == ["Ask for one change of a lead of your own"]
    assert (
        "1 change is queued and goes out as soon as changes are allowed."
        in staff.get("/admin/setup/now/").content.decode()
    )
    staff.post(reverse("admin:integrations_connection_do", args=[connection.pk, "on"]))
    assert ticked(staff)[10:] == ["An engineer allows changes"]
    connection.refresh_from_db()
    push.drain(connection)
    assert ticked(staff)[11:] == ["Kartra confirmed it"]
    assert sandbox.tagged("VIP") == {lead.kartra_id}
    assert "Connect your Kartra" not in staff.get("/admin/").content.decode()


def test_checklist_of_one_of_several_accounts(staff):
    first, second = ConnectionFactory(account__name="Shop"), ConnectionFactory(account__name="Club", test_mode=True)
    LeadFactory(account=first.account)

    assert "Kartra's lead export" not in ticked(staff)
    assert "Kartra's lead export" in ticked(staff, first)
    assert "The app is in test mode." in staff.get("/admin/setup/").content.decode()
    assert staff.get("/admin/setup/?connection=999999").status_code == 404
    assert f'value="{second.pk}" selected' in staff.get("/admin/setup/").content.decode()


def test_the_steps_lead_to_loading_a_file_for_those_who_may(staff, client):
    pages = [f"{reverse('admin:leads_import_add')}?kind={kind}" for kind in ("leads", "transactions")]
    assert not any(page in staff.get("/admin/setup/now/").content.decode() for page in pages)
    ConnectionFactory(account__name="Shop")
    shown = staff.get("/admin/setup/now/").content.decode()
    assert all(page in shown for page in pages)
    assert [staff.get(page).status_code for page in pages] == [200, 200]

    looker = StaffFactory()
    looker.user_permissions.add(Permission.objects.get(codename="view_connection"))
    client.force_login(looker)
    shown = client.get("/admin/setup/now/").content.decode()
    assert not any(page in shown for page in pages)
    assert "import_leads FILE" in shown


def test_the_pretend_kartra_is_not_ones_own(staff, settings):
    ConnectionFactory(api_url=f"{settings.SANDBOX_URL}/api")
    assert ticked(staff) == []
    ConnectionFactory(api_url=f"{settings.SANDBOX_URL}/api")  # somebody tries how it is done
    assert ticked(staff) != []


def test_checklist_shows_what_one_may_press(client):
    connection = ConnectionFactory(account__name="Shop")
    WebhookEndpointFactory(connection=connection)
    switch = reverse("admin:integrations_connection_do", args=[connection.pk, "on"])
    for name, switches, sees in (("Manager", False, False), ("Engineer", True, True)):
        user = StaffFactory()
        user.groups.set([Group.objects.get(name=name)])
        client.force_login(user)
        page = client.get("/admin/setup/").content.decode()
        assert (switch in page) is switches
        assert ("/webhooks/" in page) is sees


def test_checklist_costs_the_same_queries_for_more_rows(staff, django_assert_max_num_queries):
    connection = ConnectionFactory()
    endpoint = WebhookEndpointFactory(connection=connection)

    def fill(number):
        for index in range(number):
            DeliveryFactory(endpoint=endpoint, action=EVENTS[index])
            LeadFactory(account=connection.account)

    fill(2)
    staff.get("/admin/setup/now/")
    with django_assert_max_num_queries(20) as few:
        staff.get("/admin/setup/now/")
    fill(20)
    with django_assert_max_num_queries(len(few.captured_queries)):
        staff.get("/admin/setup/now/")


def test_pages_lead_back_to_the_checklist_until_it_or_home_is_reached(staff):
    add = reverse("admin:integrations_connection_add")
    back = "Back to the checklist"
    assert back not in staff.get(add).content.decode()

    staff.get("/admin/setup/")

    assert back in staff.get(add).content.decode()
    assert back in staff.get("/admin/integrations/connection/").content.decode()
    assert back not in staff.get("/admin/setup/").content.decode()
    assert back not in staff.get("/admin/leads/bulkrun/").content.decode()  # no step is done there
    assert back not in staff.get("/admin/").content.decode()
    assert back not in staff.get(add).content.decode()
