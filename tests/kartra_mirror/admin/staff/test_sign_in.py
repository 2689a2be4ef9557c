"""Signing in: by name or address, throttled."""

import pytest
from django.urls import reverse

from tests.factories import StaffFactory

pytestmark = pytest.mark.django_db


def test_wrong_password_is_one_message(client):
    page = client.post(reverse("admin:login"), {"username": "ada", "password": "wrong"}).content.decode()

    assert "Please correct the error" not in page
    assert page.count("correct") == 1


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
    assert "you cannot sign in for 15 minutes" in tries[-1].content.decode()
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
