"""Ending all sessions: one's own, and those of a colleague for who may manage them."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from leads.models import Account
from tests.factories import StaffFactory
from tests.kartra_mirror.admin.staff.members import limited, member

pytestmark = pytest.mark.django_db

HOME, OWN = "/admin/", "/admin/your-sign-in/"


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def logged():
    return [(entry.user_id, entry.object_id, entry.get_change_message()) for entry in LogEntry.objects.all()]


def test_one_signs_out_everywhere(client):
    person = member("Viewer")
    there = signed_in(person)
    client.force_login(person)
    assert "Sign out everywhere" in client.get(OWN).content.decode()

    answer = client.post(OWN, {"do": "sign_out"}, follow=True)

    assert "You are signed out on every device." in answer.content.decode()
    assert (client.get(HOME).status_code, there.get(HOME).status_code) == (302, 302)
    assert logged() == [(person.pk, str(person.pk), "Ended all sessions.")]


def test_looking_at_the_page_ends_nothing(client):
    client.force_login(member("Viewer"))
    client.get(OWN, {"do": "sign_out"})
    client.post(OWN, {"do": "codes"})
    client.post(OWN, {})
    assert client.get(HOME).status_code == 200
    assert logged() == []


@pytest.mark.parametrize("how", ["active", "left"])
@pytest.mark.parametrize(
    ("by", "whom", "may"),
    [
        ("Manager", "Viewer", True),
        ("Manager", "Manager", True),
        ("Manager", "Engineer", False),
        ("Manager", "root", False),
        ("Engineer", "Manager", False),
        ("Viewer", "Viewer", False),
        ("Support", "Viewer", False),
        ("root", "root", True),
    ],
)
def test_sessions_of_a_colleague_end_within_the_bounds_of_other_staff_actions(client, by, whom, may, how):
    other = member(whom, is_superuser=whom == "root")
    theirs = signed_in(other)
    if how == "left":
        User.objects.filter(pk=other.pk).update(is_active=False)
    client.force_login(user := member(by, is_superuser=by == "root"))

    answer = client.post(reverse("admin:auth_user_sign_out", args=[other.pk]))

    User.objects.filter(pk=other.pk).update(is_active=True)
    assert answer.status_code == (302 if may else 403)
    assert theirs.get(HOME).status_code == (302 if may else 200)
    assert logged() == ([(user.pk, str(other.pk), "Ended all sessions.")] if may else [])


def test_one_with_fewer_accounts_ends_nobodys_with_more(client):
    ours = Account.objects.create(name="Ours")
    other = member("Viewer")
    client.force_login(limited(member("Manager"), ours))

    assert client.post(reverse("admin:auth_user_sign_out", args=[other.pk])).status_code == 403
    assert signed_in(other).get(HOME).status_code == 200


@pytest.mark.parametrize("address", ["auth_user_sign_out", "auth_user_factor", "auth_user_link"])
def test_addresses_change_nothing_when_looked_at_and_know_nobody_else(client, address):
    other = member("Viewer")
    theirs = signed_in(other)
    client.force_login(member("Manager"))

    assert client.get(reverse(f"admin:{address}", args=[other.pk])).status_code == 302
    assert client.post(reverse(f"admin:{address}", args=[0])).status_code == 404
    assert theirs.get(HOME).status_code == 200
    assert logged() == []


def test_button_is_there_for_who_may(client):
    viewer, engineer = member("Viewer"), member("Engineer")
    client.force_login(member("Manager"))
    pages = [
        client.get(reverse("admin:auth_user_change", args=[each.pk])).content.decode() for each in (viewer, engineer)
    ]
    assert ["Sign out everywhere" in page for page in pages] == [True, False]


def test_password_set_by_a_manager_and_unticking_active_end_sessions(client):
    client.force_login(StaffFactory(is_superuser=True))
    one, another = member("Viewer"), member("Viewer")
    theirs = [signed_in(one), signed_in(another)]
    secret = "an-uncommon-secret-9"
    given = {"password1": secret, "password2": secret, "usable_password": "true"}

    client.post(reverse("admin:auth_user_password_change", args=[one.pk]), given)
    kept = {"username": another.username, "groups": [g.pk for g in another.groups.all()], "is_staff": "on"}
    client.post(reverse("admin:auth_user_change", args=[another.pk]), kept)

    assert User.objects.get(pk=one.pk).check_password(secret)
    assert not User.objects.get(pk=another.pk).is_active
    assert [each.get(HOME).status_code for each in theirs] == [302, 302]
