"""A person limited to some accounts sees their rows alone, asks for nothing in others and decides nothing there."""

import re

import pytest
from django.contrib.auth.models import Group, User
from django.urls import reverse
from django.utils import timezone

from integrations.models import Connection, SendingStop
from leads import access, changes, kinds
from leads.models import Account, Lead
from tests.factories import (
    BulkRunFactory,
    ConnectionFactory,
    DeliveryFactory,
    LeadChangeFactory,
    LeadFactory,
    StaffFactory,
    WebhookEndpointFactory,
)
from tests.kartra_mirror.admin.staff.members import USERS, give_all_points, limited, member, sale
from tests.recording import record_change

pytestmark = pytest.mark.django_db


def rows_of(account):
    connection = ConnectionFactory(account=account)
    lead = LeadFactory(account=account, first_name=f"Person of {account.name}")
    delivery = DeliveryFactory(
        endpoint=WebhookEndpointFactory(connection=connection),
        lead=lead,
        status="quarantined",
        applied_at=timezone.now(),
    )
    run = BulkRunFactory(account=account, name=f"Run of {account.name}")
    change = LeadChangeFactory(lead=lead, run=run)
    money = sale(lead, id=f"7{account.pk}")
    return {
        "connection": connection,
        "lead": lead,
        "delivery": delivery,
        "run": run,
        "change": change,
        "transaction": money,
    }


@pytest.fixture
def two_accounts():
    return [rows_of(Account.objects.create(name=name)) for name in ("Ours", "Theirs")]


def test_limited_person_sees_the_rows_of_their_accounts_alone(client, two_accounts):
    ours, theirs = two_accounts
    client.force_login(limited(member("Manager", "Engineer"), ours["lead"].account))

    for key in ours:
        model = ours[key]._meta
        page = client.get(reverse(f"admin:{model.app_label}_{model.model_name}_changelist")).content.decode()
        assert f"/{model.model_name}/{ours[key].pk}/change/" in page
        assert f"/{model.model_name}/{theirs[key].pk}/change/" not in page
        assert (
            client.get(reverse(f"admin:{model.app_label}_{model.model_name}_change", args=[ours[key].pk])).status_code
            == 200
        )
        assert (
            client.get(reverse(f"admin:{model.app_label}_{model.model_name}_change", args=[theirs[key].pk])).status_code
            == 404
        )
    for url in ("/admin/", "/admin/home/now/", "/admin/home/copies/", "/admin/health/", "/admin/setup/now/"):
        assert "Theirs" not in client.get(url).content.decode()


def test_limited_person_reaches_no_page_of_another_account(client, two_accounts):
    ours, theirs = two_accounts
    client.force_login(limited(member("Manager", "Engineer"), ours["lead"].account))

    lead, run, money = theirs["lead"].pk, theirs["run"].pk, theirs["transaction"].pk
    for name, args in (
        ("leads_lead_read", [lead]),
        ("leads_lead_prepare", [lead, "assign_tag"]),
        ("leads_lead_read_money", [lead]),
        ("leads_lead_decide", [lead, theirs["change"].pk, "again"]),
        ("leads_bulkrun_progress", [run]),
        ("leads_bulkrun_steer", [run]),
        ("leads_transaction_refund", [money]),
        ("integrations_connection_do", [theirs["connection"].pk, "on"]),
    ):
        assert client.post(reverse(f"admin:{name}", args=args)).status_code == 404
    assert client.get(f"/admin/setup/?connection={theirs['connection'].pk}").status_code == 404


def test_limited_person_can_ask_for_nothing_in_another_account(two_accounts):
    ours, theirs = two_accounts
    person = limited(member("Manager"), ours["lead"].account)

    with pytest.raises(changes.CannotRecord, match="do not work in this account"):
        record_change(theirs["lead"], kinds.get_kind("give_points"), {"points": 5}, by=person)
    with pytest.raises(changes.CannotRecord, match="do not work in this account"):
        give_all_points(theirs["lead"].account, person)
    with pytest.raises(changes.CannotRecord, match="do not work in this account"):
        changes.create_lead(theirs["lead"].account, {"email": "new@example.com"}, by=person)
    assert not Lead.objects.filter(email="new@example.com").exists()


def test_decisions_and_failures_are_those_of_their_accounts(client, two_accounts):
    ours, theirs = two_accounts
    open_ones, refused = [], []
    for rows in two_accounts:
        lead = rows["lead"]
        open_ones.append(LeadChangeFactory(lead=lead, status="undecided", reason="outcome", family="tag:a"))
        refused.append(
            LeadChangeFactory(lead=lead, status="rejected", settled_at=timezone.now(), code="212", family="tag:b")
        )
    client.force_login(limited(member("Manager", "Engineer"), ours["lead"].account))

    assert client.get("/admin/decisions/").context_data["shown"].paginator.count == 1
    assert client.get("/admin/failed/").context_data["total"] == 1
    assert [client.get(f"/admin/decisions/{change.pk}/").status_code for change in open_ones] == [200, 404]
    given = {"account": theirs["lead"].account_id, "kind": "assign_tag", "family": "tag:b", "code": "212", "why": "x"}
    assert client.post("/admin/failed/", {**given, "do": "close"}).status_code == 404
    assert client.post("/admin/failed/", {**given, "do": "retry"}).status_code == 404
    refused[1].refresh_from_db()
    assert refused[1].closed_at is None
    assert client.get("/admin/failed/csv/", given).status_code == 404
    SendingStop.objects.standing().delete()
    Connection.objects.update(switched_on_at=timezone.now())
    client.post("/admin/stop/")
    assert [Connection.objects.get(pk=rows["connection"].pk).sending for rows in two_accounts] == ["stopped", "on"]


def test_a_file_of_failed_changes_needs_the_permission_for_files(client):
    change = LeadChangeFactory(status="rejected", settled_at=timezone.now(), code="212")
    given = {"account": change.account_id, "kind": "assign_tag", "family": change.family, "code": "212"}
    for name, status in (("Viewer", 403), ("Support", 403), ("Marketer", 403), ("Manager", 200)):
        client.force_login(member(name))
        assert client.get("/admin/failed/csv/", given).status_code == status
        page = client.get("/admin/failed/").content.decode()
        assert bool(re.search(r">\s*CSV\s*<", page)) is (status == 200)


def test_limited_to_none_sees_nothing(two_accounts):
    person = limited(member("Manager"))
    assert access.accounts_of(person) == frozenset()
    assert not access.only_mine(Lead.objects.all(), person).exists()


def test_accounts_of_a_person_are_set_on_their_page(client):
    ours = Account.objects.create(name="Ours")
    client.force_login(StaffFactory(is_superuser=True))
    viewer = member("Viewer")
    url = reverse("admin:auth_user_change", args=[viewer.pk])
    given = {
        "username": viewer.username,
        "is_active": "on",
        "is_staff": "on",
        "groups": [Group.objects.get(name="Viewer").pk],
    }

    client.post(url, {**given, "limited": "on", "accounts": [ours.pk]})
    assert access.accounts_of(User.objects.get(pk=viewer.pk)) == {ours.pk}
    assert "Ours" in client.get(USERS).content.decode()
    client.post(url, given)
    assert access.accounts_of(User.objects.get(pk=viewer.pk)) is None
