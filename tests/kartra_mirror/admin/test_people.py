"""People: the groups, what each may do, how far alone, in which accounts; invitations, new passwords, throttled sign-in."""

import re
from decimal import Decimal

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.core import mail
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

from integrations.models import Connection
from kartra_mirror import groups
from leads import access, changes, kinds
from leads.changes import retry
from leads.models import Account, GroupLimits, Lead, LeadChange, StaffLimits, Transaction
from tests.factories import (
    BulkRunFactory,
    ConnectionFactory,
    DeliveryFactory,
    DoorFactory,
    LeadChangeFactory,
    LeadFactory,
    StaffFactory,
)

pytestmark = pytest.mark.django_db

LEADS, USERS = "/admin/leads/lead/", "/admin/auth/user/"


@pytest.fixture(autouse=True)
def _groups(db):
    groups.make(apps)
    cache.clear()


def member(*names, **given):
    user = StaffFactory(**given)
    user.groups.set(Group.objects.filter(name__in=names))
    return user


def limited(user, *accounts):
    StaffLimits.objects.create(user=user, limited=True).accounts.set(accounts)
    return user


def sale(lead, amount="80.00", id="70001"):
    return Transaction.objects.create(
        account=lead.account,
        kartra_id=id,
        lead=lead,
        type="sale",
        full_amount=Decimal(amount),
        reported=False,
        at=timezone.now(),
    )


# --- groups


def test_migration_makes_the_five_groups():
    assert set(Group.objects.values_list("name", flat=True)) == {"Viewer", "Support", "Marketer", "Manager", "Engineer"}
    assert Group.objects.get(name="Support").limits.refund_ceiling == Decimal("100")
    assert Group.objects.get(name="Marketer").limits.largest_run == 5000


def test_groups_are_made_once_and_then_belong_to_whoever_edits_them():
    viewer = Group.objects.get(name="Viewer")
    viewer.permissions.clear()

    groups.make(apps)

    assert Group.objects.count() == 5
    assert not viewer.permissions.exists()


def test_every_permission_of_ours_is_given_to_a_group():
    """Whoever adds a permission says who has it. What no page of ours offers is left out: adding and deleting by hand."""
    given = {permission for permissions in groups.GROUPS.values() for permission in permissions}
    ours = Permission.objects.filter(content_type__app_label__in=["leads", "integrations"])
    special = {
        f"{p.content_type.app_label}.{p.codename}"
        for p in ours
        if not p.codename.startswith(("add_", "change_", "delete_", "view_"))
    }

    assert special - given == set()
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
    assert 'value="assign_tag"' in _list_of(client, member("Marketer"))
    with pytest.raises(changes.CannotRecord, match="one lead at a time"):
        _tag_all(connection.account, support)
    assert changes.record_change(leads[0], kinds.get_kind("give_points"), {"points": 5}, by=support).pk


def test_wrong_password_is_one_message(client):
    page = client.post(reverse("admin:login"), {"username": "ada", "password": "wrong"}).content.decode()

    assert "Please correct the error" not in page
    assert page.count("correct") == 1


def _list_of(client, user):
    client.force_login(user)
    return client.get(LEADS).content.decode()


def _tag_all(account, by):
    return changes.record_run(
        account, Lead.objects.filter(account=account), kinds.get_kind("give_points"), {"points": 5}, by=by
    )


def test_support_refunds_alone_below_the_ceiling_and_no_further():
    support, refund = member("Support"), kinds.get_kind("refund_transaction")
    lead = LeadFactory()
    sale(lead, "80.00"), sale(lead, "140.00", "70002"), sale(lead, "150.00", "70003")

    assert changes.record_change(lead, refund, {"transaction": "70001", "amount": "whole"}, by=support).pk
    with pytest.raises(changes.CannotRecord, match=r"up to 100\.00 of one sale\. This comes to 140\.00"):
        changes.record_change(lead, refund, {"transaction": "70002", "amount": "whole"}, by=support)
    LeadChangeFactory(
        lead=lead,
        kind="refund_transaction",
        parameters={"transaction": "70003", "amount": "60.00"},
        status="accepted",
        settled_at=timezone.now(),
    )
    with pytest.raises(changes.CannotRecord, match=r"given back before, this comes to 110\.00"):
        changes.record_change(lead, refund, {"transaction": "70003", "amount": "50.00"}, by=support)
    assert changes.record_change(lead, refund, {"transaction": "70003", "amount": "40.00"}, by=support).pk
    assert changes.record_change(lead, refund, {"transaction": "70002", "amount": "whole"}, by=member("Manager")).pk


def test_a_refund_whose_amount_is_not_known_is_left_to_a_manager():
    lead = LeadFactory()
    Transaction.objects.create(account=lead.account, kartra_id="70001", lead=lead, type="sale")
    with pytest.raises(changes.CannotRecord, match="amount is not known"):
        changes.record_change(
            lead,
            kinds.get_kind("refund_transaction"),
            {"transaction": "70001", "amount": "whole"},
            by=member("Support"),
        )


def test_marketer_starts_runs_up_to_the_bound_of_the_group():
    account = ConnectionFactory().account
    for _ in range(3):
        LeadFactory(account=account)
    marketer = member("Marketer")
    GroupLimits.objects.filter(group__name="Marketer").update(largest_run=2)

    with pytest.raises(changes.CannotRecord, match="up to 2 leads at once, and these are 3"):
        _tag_all(account, marketer)
    assert not LeadChange.objects.exists()
    assert _tag_all(account, member("Manager")).changes.count() == 3
    assert _tag_all(account, member("Marketer", "Manager")).changes.count() == 3


def test_the_widest_bound_counts_and_one_who_was_given_it_alone_has_none():
    marketer, other = member("Marketer"), member("Viewer")
    assert (access.largest_run(marketer), access.largest_run(other), access.largest_run(None)) == (5000, 1, None)
    assert access.largest_run(member("Marketer", "Support")) == 5000
    assert access.largest_run(StaffFactory(is_superuser=True)) is None
    other.user_permissions.add(Permission.objects.get(codename="start_bulkrun"))
    assert access.largest_run(other) is None


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


# --- accounts


def rows_of(account):
    connection = ConnectionFactory(account=account)
    lead = LeadFactory(account=account, first_name=f"Person of {account.name}")
    delivery = DeliveryFactory(
        door=DoorFactory(connection=connection), lead=lead, status="quarantined", applied_at=timezone.now()
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
        assert f"/{ours[key].pk}/change/" in page
        assert f"/{theirs[key].pk}/change/" not in page
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
        changes.record_change(theirs["lead"], kinds.get_kind("give_points"), {"points": 5}, by=person)
    with pytest.raises(changes.CannotRecord, match="do not work in this account"):
        _tag_all(theirs["lead"].account, person)
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
    Connection.objects.update(sending="on")
    client.post("/admin/stop/")
    assert [Connection.objects.get(pk=rows["connection"].pk).sending for rows in two_accounts] == ["stopped", "on"]


def test_a_file_of_failed_changes_needs_the_permission_for_files(client):
    change = LeadChangeFactory(status="rejected", settled_at=timezone.now(), code="212")
    given = {"account": change.account_id, "kind": "assign_tag", "family": change.family, "code": "212"}
    for name, status in (("Viewer", 403), ("Support", 403), ("Marketer", 403), ("Manager", 200)):
        client.force_login(member(name))
        assert client.get("/admin/failed/csv/", given).status_code == status
        assert (">CSV<" in client.get("/admin/failed/").content.decode()) is (status == 200)


def test_limited_to_none_sees_nothing(two_accounts):
    person = limited(member("Manager"))
    assert access.accounts_of(person) == frozenset()
    assert not access.only_mine(Lead.objects.all(), person).exists()


def test_every_list_of_ours_leads_to_an_account():
    """A model that does not would be shown whole to limited people."""
    for model in admin.site._registry:
        if model._meta.app_label in ("leads", "integrations"):
            assert access.route_to_account(model), model


# --- invitations


def invite(client, **given):
    return client.post(f"{USERS}add/", {"email": "New@Example.com", "groups": [], **given})


def test_manager_invites_by_mail_address_and_group(client, settings):
    settings.MAIL_IS_SET_UP = True
    client.force_login(member("Manager"))
    page = client.get(f"{USERS}add/").content.decode()
    assert all(name in page for name in ("Viewer", "Support", "Marketer", "Manager"))

    answer = invite(client, groups=[Group.objects.get(name="Support").pk])

    made = User.objects.get(email="new@example.com")
    assert (made.username, made.is_staff, made.is_superuser, made.has_usable_password()) == (
        "new@example.com",
        True,
        False,
        False,
    )
    assert [group.name for group in made.groups.all()] == ["Support"]
    assert "on its way to new@example.com" in answer.content.decode()
    [message] = mail.outbox
    link = re.search(r"http://testserver(/admin/reset/\S+)", message.body)[1]
    assert link not in answer.content.decode()


def test_without_a_mail_server_the_link_is_shown_and_chooses_the_password(client):
    client.force_login(StaffFactory(is_superuser=True))
    answer = invite(client, groups=[Group.objects.get(name="Viewer").pk]).content.decode()
    assert "No mail server is set up here" in answer
    link = re.search(r'value="http://testserver(/admin/reset/[^"]+)"', answer)[1]
    client.logout()

    page = client.get(link, follow=True)
    assert "new@example.com" in page.content.decode()
    secret = "an-uncommon-secret-9"
    welcome = client.post(page.redirect_chain[-1][0], {"new_password1": secret, "new_password2": secret}, follow=True)

    assert "you are signed in" in welcome.content.decode()
    client.logout()
    assert client.login(username="new@example.com", password=secret, request=welcome.wsgi_request)
    client.logout()
    assert "no longer valid" in client.get(link, follow=True).content.decode()


def test_one_gives_only_what_one_has(client):
    ours, other = Account.objects.create(name="Ours"), Account.objects.create(name="Other")
    manager = limited(member("Manager"), ours)
    client.force_login(manager)

    page = client.get(f"{USERS}add/").content.decode()
    assert "Engineer" not in page
    assert "Other" not in page
    refused = invite(client, groups=[Group.objects.get(name="Engineer").pk])
    assert "Select a valid choice" in refused.content.decode()
    refused = invite(client, groups=[Group.objects.get(name="Viewer").pk], accounts=[other.pk])
    assert "Select a valid choice" in refused.content.decode()
    assert (
        "Choose at least one account" in invite(client, groups=[Group.objects.get(name="Viewer").pk]).content.decode()
    )
    invite(client, groups=[Group.objects.get(name="Viewer").pk], accounts=[ours.pk])
    assert access.accounts_of(User.objects.get(email="new@example.com")) == {ours.pk}


def test_one_changes_only_people_who_have_no_more(client):
    manager = member("Manager")
    client.force_login(manager)
    viewer, engineer, root = member("Viewer"), member("Engineer"), StaffFactory(is_superuser=True)

    for other, status in ((viewer, 200), (engineer, 403), (root, 403)):
        assert client.post(reverse("admin:auth_user_link", args=[other.pk])).status_code == status
        assert client.get(reverse("admin:auth_user_password_change", args=[other.pk])).status_code == status
    page = client.get(reverse("admin:auth_user_change", args=[viewer.pk])).content.decode()
    assert "is_superuser" not in page
    assert 'name="user_permissions"' not in page
    given = {"username": viewer.username, "is_active": "on", "is_superuser": "on", "is_staff": "on", "groups": []}
    client.post(
        reverse("admin:auth_user_change", args=[viewer.pk]),
        {**given, "groups": [Group.objects.get(name="Engineer").pk]},
    )
    client.post(
        reverse("admin:auth_user_change", args=[viewer.pk]),
        {**given, "groups": [Group.objects.get(name="Marketer").pk]},
    )
    viewer.refresh_from_db()
    assert (viewer.is_superuser, [group.name for group in viewer.groups.all()]) == (False, ["Marketer"])


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize(
    ("by", "whom", "may"),
    [
        ("Engineer", "Manager", False),
        ("Manager", "Engineer", False),
        ("Manager", "Marketer", True),
        ("Manager", "own permission", False),
        ("Manager", "root", False),
    ],
)
def test_one_who_is_not_active_is_managed_by_as_few_as_before(client, by, whom, may, active):
    other = member(whom, is_active=active, is_superuser=whom == "root")
    if whom == "own permission":
        other.user_permissions.set(Permission.objects.filter(codename="delete_group"))
    held = set(other.groups.all())
    client.force_login(user := member(by))
    user.user_permissions.add(Permission.objects.get(codename="change_user"))
    urls = [reverse(f"admin:auth_user_{page}", args=[other.pk]) for page in ("password_change", "change")]

    assert client.get(urls[0]).status_code == (200 if may else 403)
    saved = client.post(urls[1], {"username": other.username, "is_active": "on", "groups": [g.pk for g in held]})
    assert saved.status_code == (302 if may else 403)
    assert set(other.groups.all()) == held


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


def test_list_of_users_costs_the_same_queries_for_more_people(client, django_assert_max_num_queries):
    client.force_login(StaffFactory(is_superuser=True))
    account = Account.objects.create(name="Ours")

    def people(number):
        for _ in range(number):
            limited(member("Viewer", "Support"), account)

    people(2)
    with django_assert_max_num_queries(25) as few:
        client.get(USERS)
    people(10)
    with django_assert_max_num_queries(len(few.captured_queries)):
        client.get(USERS)


# --- passwords and sign-in


def test_new_password_by_mail_says_nothing_about_who_is_there(client, settings):
    settings.MAIL_IS_SET_UP = True
    member("Viewer", email="ada@example.com")
    assert reverse("admin_password_reset") in client.get("/admin/login/").content.decode()

    answers = [
        client.post(reverse("admin_password_reset"), {"email": email}).content.decode()
        for email in ("Ada@example.com", "nobody@example.com", "ada@example.com")
    ]

    assert all("If somebody has this mail address" in answer for answer in answers)
    assert [message.to for message in mail.outbox] == [["ada@example.com"]]


def test_one_who_left_gets_no_link(client, settings):
    settings.MAIL_IS_SET_UP = True
    member("Viewer", email="gone@example.com", is_active=False)
    client.post(reverse("admin_password_reset"), {"email": "gone@example.com"})
    assert mail.outbox == []


def test_without_a_mail_server_the_page_says_whom_to_ask(client):
    assert "Ask a colleague" in client.get(reverse("admin_password_reset")).content.decode()


def test_signing_in_is_throttled(client, settings):
    StaffFactory(username="mara", password="a-long-enough-secret")
    tries = [
        client.post("/admin/login/", {"username": "mara", "password": "wrong"})
        for _ in range(settings.AXES_FAILURE_LIMIT)
    ]
    assert tries[0].status_code == 200
    assert tries[-1].status_code == 429
    assert "signing in is closed for a quarter of an hour" in tries[-1].content.decode()
    assert client.post("/admin/login/", {"username": "mara", "password": "a-long-enough-secret"}).status_code == 429


def test_who_signs_in_at_the_bare_address_comes_to_home(client):
    StaffFactory(username="mara", password="a-long-enough-secret")
    answer = client.post("/admin/login/", {"username": "mara", "password": "a-long-enough-secret"})
    assert (answer.status_code, answer.url) == (302, "/admin/")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("mara", 302),
        ("Mara@Example.com", 302),
        ("two@example.com", 200),
        ("nobody@example.com", 200),
        ("@", 200),
        ("\x00@", 200),
    ],
)
def test_one_signs_in_by_name_or_by_address(client, given, code):
    StaffFactory(username="mara", password="a-long-enough-secret", email="mara@example.com")
    for name in ("one", "two"):
        StaffFactory(username=name, password="a-long-enough-secret", email="two@example.com")
    assert client.post("/admin/login/", {"username": given, "password": "a-long-enough-secret"}).status_code == code


def test_a_username_that_is_somebody_elses_address_is_its_owners(client):
    StaffFactory(username="ada@example.com", password="a-long-enough-secret", email="")
    StaffFactory(username="bo", password="another-long-secret", email="ada@example.com")
    given = {"username": "ada@example.com", "password": "another-long-secret"}
    assert client.post("/admin/login/", given).status_code == 200
    assert client.post("/admin/login/", {**given, "password": "a-long-enough-secret"}).status_code == 302


def test_an_address_is_no_way_round_the_throttle(client, settings):
    StaffFactory(username="mara", password="a-long-enough-secret", email="mara@example.com")
    for number in range(settings.AXES_FAILURE_LIMIT):
        given = {"username": ("mara", "mara@example.com")[number % 2], "password": "wrong"}
        last = client.post("/admin/login/", given)
    assert last.status_code == 429
