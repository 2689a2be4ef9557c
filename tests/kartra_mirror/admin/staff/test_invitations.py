"""People are invited by mail, and changed only by those who may do as much."""

import re

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core import mail
from django.urls import reverse

from leads import access
from leads.models import Account
from tests.factories import StaffFactory
from tests.kartra_mirror.admin.staff.members import USERS, limited, member

pytestmark = pytest.mark.django_db


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


@pytest.mark.parametrize("whom", ["Engineer", "Viewer", "root"])
def test_page_of_a_colleague_with_other_rights_can_be_looked_at(client, whom):
    other = member(whom, is_superuser=whom == "root")
    client.force_login(member("Manager"))

    page = client.get(reverse("admin:auth_user_change", args=[other.pk]))

    assert page.status_code == 200
    assert other.username in page.content.decode()
    assert ('name="_save"' in page.content.decode()) is (whom == "Viewer")


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
