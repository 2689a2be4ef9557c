"""The groups: what each may see and do, and how far alone."""

import re
from decimal import Decimal

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.urls import reverse
from django.utils import timezone

from kartra_mirror import groups
from leads import access, changes, kinds
from leads.changes import retry
from leads.models import GroupLimits, LeadChange, Transaction
from tests.factories import BulkRunFactory, ConnectionFactory, LeadChangeFactory, LeadFactory, StaffFactory
from tests.kartra_mirror.admin.staff.members import LEADS, USERS, give_all_points, leads_list_of, limited, member, sale
from tests.recording import record_change

pytestmark = pytest.mark.django_db


def test_migration_makes_the_five_groups():
    assert set(Group.objects.values_list("name", flat=True)) == {"Viewer", "Support", "Marketer", "Manager", "Engineer"}
    assert Group.objects.get(name="Support").limits.refund_ceiling == Decimal("100")
    assert Group.objects.get(name="Marketer").limits.largest_run == 5000


def test_groups_are_made_once_and_then_belong_to_whoever_edits_them():
    viewer = Group.objects.get(name="Viewer")
    viewer.permissions.clear()

    groups.make()

    assert Group.objects.count() == 5
    assert not viewer.permissions.exists()


def test_every_permission_of_ours_is_given_to_a_group():
    """Whoever adds a permission says who has it. What no page of ours offers is left out: adding and deleting by hand.
    Calls that are no change of ours are for those who are given that by name."""
    given = set().union(*groups.permissions_of_groups().values())
    ours = Permission.objects.filter(content_type__app_label__in=["leads", "integrations"])
    special = {
        f"{p.content_type.app_label}.{p.codename}"
        for p in ours
        if not p.codename.startswith(("add_", "change_", "delete_", "view_"))
    }

    assert special - given == {"integrations.write_raw_call"}  # of nobody, until somebody gives it
    for model in admin.site._registry:
        if model._meta.app_label in ("leads", "integrations"):
            assert f"{model._meta.app_label}.view_{model._meta.model_name}" in given


def test_viewer_may_look_and_nothing_else(client):
    connection = ConnectionFactory()
    lead, run = LeadFactory(account=connection.account), BulkRunFactory(account=connection.account)
    client.force_login(member("Viewer"))

    for url in ("/admin/", LEADS, lead.get_absolute_url(), run.get_absolute_url(), "/admin/health/"):
        assert client.get(url).status_code == 200
    page = client.get(lead.get_absolute_url()).content.decode()
    assert not re.search(r"/prepare/|/decide/", page)
    assert 'name="action"' not in client.get(LEADS).content.decode()
    home = client.get("/admin/").content.decode()
    assert "/admin/setup/" not in home
    refused = [
        reverse("admin:leads_lead_prepare", args=[lead.pk, "assign_tag"]),
        f"{USERS}add/",
        reverse("admin:try", args=["lose"]),
    ]
    assert [client.post(url).status_code for url in refused] == [403, 403, 403]
    assert client.get("/admin/setup/").status_code == 403


def test_support_changes_one_lead_at_a_time(client):
    connection = ConnectionFactory()
    leads = [LeadFactory(account=connection.account) for _ in range(2)]
    support = member("Support")
    client.force_login(support)

    page = client.get(LEADS).content.decode()
    assert 'value="assign_tag"' not in page
    assert 'value="assign_tag"' in leads_list_of(client, member("Marketer"))
    with pytest.raises(changes.CannotRecord, match="one lead at a time"):
        give_all_points(connection.account, support)
    assert record_change(leads[0], kinds.get_kind("give_points"), {"points": 5}, by=support).pk


def test_support_refunds_alone_below_the_ceiling_and_no_further():
    support, refund = member("Support"), kinds.get_kind("refund_transaction")
    lead = LeadFactory()
    sale(lead, "80.00"), sale(lead, "140.00", "70002"), sale(lead, "150.00", "70003")

    assert record_change(lead, refund, {"transaction": "70001", "amount": "whole"}, by=support).pk
    with pytest.raises(changes.CannotRecord, match=r"up to 100\.00 of one sale\. This comes to 140\.00"):
        record_change(lead, refund, {"transaction": "70002", "amount": "whole"}, by=support)
    LeadChangeFactory(
        lead=lead,
        kind="refund_transaction",
        parameters={"transaction": "70003", "amount": "60.00"},
        status="accepted",
        settled_at=timezone.now(),
    )
    with pytest.raises(changes.CannotRecord, match=r"refunded before, this comes to 110\.00"):
        record_change(lead, refund, {"transaction": "70003", "amount": "50.00"}, by=support)
    assert record_change(lead, refund, {"transaction": "70003", "amount": "40.00"}, by=support).pk
    assert record_change(lead, refund, {"transaction": "70002", "amount": "whole"}, by=member("Manager")).pk


@pytest.mark.parametrize("known", [{}, {"full_amount": "1.00", "reported": True}])
def test_the_whole_of_a_sale_that_kartra_has_not_confirmed_is_left_to_a_manager(known):
    lead, refund = LeadFactory(), kinds.get_kind("refund_transaction")
    Transaction.objects.create(account=lead.account, kartra_id="70001", lead=lead, type="sale", **known)
    wanted = {"transaction": "70001", "amount": "whole"}

    with pytest.raises(changes.CannotRecord, match=r"not confirmed the amount.*Update it from Kartra first"):
        record_change(lead, refund, wanted, by=member("Support"))
    assert record_change(lead, refund, wanted, by=member("Manager")).pk


def test_marketer_starts_runs_up_to_the_bound_of_the_group():
    account = ConnectionFactory().account
    for _ in range(3):
        LeadFactory(account=account)
    marketer = member("Marketer")
    GroupLimits.objects.filter(group__name="Marketer").update(largest_run=2)

    with pytest.raises(changes.CannotRecord, match="up to 2 leads at once, and these are 3"):
        give_all_points(account, marketer)
    assert not LeadChange.objects.exists()
    assert give_all_points(account, member("Manager")).changes.count() == 3
    assert give_all_points(account, member("Marketer", "Manager")).changes.count() == 3


def test_the_widest_bound_counts_and_one_who_was_given_it_alone_has_none():
    marketer, other = member("Marketer"), member("Viewer")
    assert (access.largest_run(marketer), access.largest_run(other), access.largest_run(None)) == (5000, 1, None)
    assert access.largest_run(member("Marketer", "Support")) == 5000
    assert access.largest_run(StaffFactory(is_superuser=True)) is None
    other.user_permissions.add(Permission.objects.get(codename="start_bulkrun"))
    assert access.largest_run(other) is None


def interns(**bounds):
    """A group made to bind: it gives no right."""
    group = Group.objects.create(name="Interns")
    GroupLimits.objects.create(group=group, **bounds)
    return group


def test_bound_of_a_group_that_gives_nothing_is_not_escaped_by_joining_another():
    person = member("Marketer", "Support")
    assert (access.largest_run(person), access.refund_ceiling(person)) == (5000, Decimal("100"))

    person.groups.add(interns(largest_run=50, refund_ceiling=Decimal("20")))

    assert (access.largest_run(person), access.refund_ceiling(person)) == (50, Decimal("20"))
    person.groups.add(Group.objects.get(name="Manager"), Group.objects.create(name="No bounds"))
    assert (access.largest_run(person), access.refund_ceiling(person)) == (50, Decimal("20"))
    person.user_permissions.add(Permission.objects.get(codename="start_bulkrun"))
    assert access.largest_run(person) == 50


def test_nobody_escapes_their_bound_or_gives_more_by_choosing_groups(client):
    bound = interns(largest_run=50)
    manager, colleague = member("Manager"), member("Viewer")
    manager.groups.add(bound)
    wide = member("Marketer")
    client.force_login(manager)

    def saved(person, *groups):
        url = reverse("admin:auth_user_change", args=[person.pk])
        chosen = [group.pk for group in Group.objects.filter(name__in=groups)]
        return client.post(url, {"username": person.username, "is_active": "on", "groups": chosen})

    assert "In these groups they could do more at once" in saved(manager, "Manager").content.decode()
    assert "In these groups they could do more at once" in saved(colleague, "Marketer").content.decode()
    assert saved(wide, "Viewer").status_code == 403
    assert client.post(reverse("admin:auth_user_link", args=[wide.pk])).status_code == 403
    invited = client.post(
        f"{USERS}add/", {"email": "new@example.com", "groups": [Group.objects.get(name="Marketer").pk]}
    )
    assert "In these groups they could do more at once" in invited.content.decode()
    assert set(manager.groups.values_list("name", flat=True)) == {"Manager", "Interns"}
    assert saved(colleague, "Marketer", "Interns").status_code == 302
    assert access.largest_run(colleague) == 50


def test_trying_again_obeys_the_same_bounds():
    account = ConnectionFactory().account
    refused = [
        LeadChangeFactory(lead=LeadFactory(account=account), status="rejected", settled_at=timezone.now(), code="212")
        for _ in range(2)
    ]
    rows = LeadChange.objects.filter(pk__in=[change.pk for change in refused])

    with pytest.raises(changes.CannotRecord, match="one lead at a time"):
        retry.retry(account, rows, by=member("Support"))
    with pytest.raises(changes.CannotRecord, match="do not work in this account"):
        retry.retry(account, rows, by=limited(member("Manager")))
    assert retry.retry(account, rows, by=member("Manager")).changes.count() == 2


def test_bounds_of_a_group_are_set_on_its_page(client):
    client.force_login(StaffFactory(is_superuser=True))
    marketer = Group.objects.get(name="Marketer")
    permissions = list(marketer.permissions.values_list("pk", flat=True))
    url = reverse("admin:auth_group_change", args=[marketer.pk])
    assert 'value="5000"' in client.get(url).content.decode()

    client.post(url, {"name": "Marketer", "permissions": permissions, "largest_run": "300", "refund_ceiling": ""})

    assert GroupLimits.objects.get(group=marketer).largest_run == 300
    client.force_login(member("Manager", "Engineer"))
    assert client.get("/admin/auth/group/add/").status_code == 403
