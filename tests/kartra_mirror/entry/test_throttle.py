"""Wrong passwords are counted by name and address, by address, and by name."""

import datetime as dt

import pytest
from axes.models import AccessAttempt, AccessLog
from django.contrib.auth.models import User
from django.core import signing
from django.test import Client

from kartra_mirror.entry import known_devices
from leads.models import StaffSessions
from tests.factories import StaffFactory

pytestmark = pytest.mark.django_db

SECRET = "a-long-enough-secret"


@pytest.fixture(autouse=True)
def _few(settings):
    settings.SIGN_IN_TRIES = settings.AXES_FAILURE_LIMIT = 3
    settings.SIGN_IN_TRIES_ADDRESS, settings.SIGN_IN_TRIES_NAME = 6, 8


@pytest.fixture
def mara():
    return StaffFactory(username="mara", password=SECRET, email="mara@example.com")


def sign_in(name, password="wrong", address="5.5.5.1", client=None, **headers):
    return (
        (client or Client())
        .post("/admin/login/", {"username": name, "password": password}, REMOTE_ADDR=address, headers=headers)
        .status_code
    )


def pass_by(minutes):
    """Time goes by since all tries."""
    for each in AccessAttempt.objects.all():
        AccessAttempt.objects.filter(pk=each.pk).update(attempt_time=each.attempt_time - dt.timedelta(minutes=minutes))


def test_name_from_one_address_is_closed_after_its_tries(mara):
    assert [sign_in("mara") for _ in range(4)] == [200, 200, 429, 429]
    assert sign_in("mara", SECRET) == 429
    assert sign_in("mara", SECRET, address="5.5.5.2") == 302


def test_one_address_cannot_try_many_names():
    assert [sign_in(f"name{number}") for number in range(7)] == [200] * 5 + [429] * 2


def test_success_of_one_name_leaves_the_count_of_the_address(mara):
    for number in range(5):
        sign_in(f"name{number}")
    assert sign_in("mara", SECRET) == 302

    assert sign_in("name9") == 429
    assert sign_in("mara", SECRET) == 429


def test_success_forgets_the_wrong_tries_of_that_name_and_address(mara):
    sign_in("mara"), sign_in("mara"), sign_in("mara", SECRET)
    assert [sign_in("mara"), sign_in("mara"), sign_in("mara")] == [200, 200, 429]


@pytest.mark.parametrize("name", ["mara", "nobody"])
def test_name_is_closed_for_new_devices_when_tried_from_many_addresses(mara, name):
    answers = [sign_in(name, address=f"5.5.6.{number}") for number in range(9)]

    assert answers == [200] * 7 + [429] * 2
    assert sign_in(name, SECRET, address="5.5.7.1") == 429


def test_person_whose_name_is_under_attack_gets_in_where_they_signed_in_before(mara):
    own = Client()
    assert sign_in("mara", SECRET, client=own) == 302
    own.post("/admin/logout/")
    for number in range(12):
        sign_in("mara", address=f"5.5.6.{number}")

    assert sign_in("mara", SECRET, address="5.5.7.1") == 429
    assert sign_in("mara", SECRET, address="5.5.7.2", client=own) == 302


def test_known_device_is_bound_by_its_own_tries_and_opens_nothing(mara):
    own = Client()
    sign_in("mara", SECRET, client=own)
    own.post("/admin/logout/")
    assert [sign_in("mara", client=own) for _ in range(4)] == [200, 200, 429, 429]
    assert sign_in("mara", SECRET, client=own) == 429


@pytest.mark.parametrize("how", ["ended", "forged", "another's", "garbage"])
def test_device_is_not_known_by_any_other_cookie(mara, how):
    own = Client()
    sign_in("mara", SECRET, client=own)
    own.post("/admin/logout/")
    if how == "ended":
        StaffSessions.objects.end_all(mara)
    else:
        other = StaffFactory()
        own.cookies[known_devices.COOKIE] = {
            "forged": signing.dumps({str(mara.pk): 0}, key="another", salt=known_devices.SALT),
            "another's": signing.dumps({str(other.pk): 0}, salt=known_devices.SALT),
            "garbage": "{}",
        }[how]
    for number in range(8):
        sign_in("mara", address=f"5.5.6.{number}")

    assert sign_in("mara", SECRET, address="5.5.7.2", client=own) == 429


def test_refused_tries_keep_nothing_closed(mara):
    for _ in range(3):
        sign_in("mara")
    pass_by(14)
    assert sign_in("mara", SECRET) == 429

    pass_by(2)

    assert sign_in("mara", SECRET) == 302


def test_spelling_gives_no_tries_of_its_own():
    spellings = ["nobody@example.com", "Nobody@example.com", "NOBODY@EXAMPLE.COM", " nobody@example.com"]
    assert [sign_in(name) for name in spellings] == [200, 200, 429, 429]


def test_browser_gives_no_tries_of_its_own():
    assert [sign_in("nobody", User_Agent=str(each)) for each in range(4)] == [200, 200, 429, 429]


def test_address_behind_a_proxy_is_counted_and_recorded(mara, settings):
    settings.PROXY_COUNT = 1
    through = {"address": "127.0.0.1"}
    for number in range(6):
        sign_in(f"name{number}", X_Forwarded_For=f"6.6.6.{number}, 5.5.5.5", **through)

    assert sign_in("another", X_Forwarded_For="7.7.7.7, 5.5.5.5", **through) == 429
    assert sign_in("mara", SECRET, X_Forwarded_For="7.7.7.7, 5.5.5.6", **through) == 302
    assert set(AccessAttempt.objects.values_list("ip_address", flat=True)) == {"5.5.5.5"}
    assert AccessLog.objects.get().ip_address == "5.5.5.6"


def test_one_answer_and_one_amount_of_work_for_every_name(mara, django_assert_num_queries, monkeypatch):
    """Of a name, an address, somebody who left, one who never chose a password, one who is no member of staff, and nobody."""
    StaffFactory(username="gone", password=SECRET, is_active=False)
    StaffFactory(username="guest", password=SECRET, is_staff=False)
    StaffFactory(username="invited").set_unusable_password()
    User.objects.filter(username="invited").update(password="!unusable")
    hashed = []
    monkeypatch.setattr(
        "django.contrib.auth.hashers.MD5PasswordHasher.encode",
        lambda self, password, salt: hashed.append(1) or "md5$x$y",
    )
    pages = {}
    for number, name in enumerate(("mara", "nobody", "gone", "guest", "invited")):
        client = Client(enforce_csrf_checks=False)
        hashed.clear()
        answer = client.post("/admin/login/", {"username": name, "password": "w"}, REMOTE_ADDR=f"5.5.6.{number}")
        text = answer.content.decode().replace(name, "…")
        pages[name] = answer.status_code, len(hashed), text[text.index("</head>") :].split("csrfmiddlewaretoken")[0]

    assert len(set(pages.values())) == 1, pages
    assert pages["nobody"][1] == 1
