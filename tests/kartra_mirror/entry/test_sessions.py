"""Sessions end when nobody uses them, and all of a person's at once."""

import datetime as dt
import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from kartra_mirror.entry import sessions
from leads import clock
from leads.models import StaffSessions
from tests.factories import StaffFactory

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[3]
HOME = "/admin/"


@pytest.fixture
def at(monkeypatch):
    """The time that pages are told, in minutes from now: at(30)."""
    begun = clock.now()

    def move(minutes):
        monkeypatch.setattr(clock, "about_now", lambda: begun + dt.timedelta(minutes=minutes))

    move(0)
    return move


@pytest.fixture
def mara():
    return StaffFactory(username="mara", is_superuser=True)


@pytest.fixture
def inside(at, mara, settings, client):
    settings.SESSION_IDLE_MIN = 60
    client.force_login(mara)
    return client


def told(client):
    return client.get(reverse("admin:login")).content.decode()


def test_session_that_nobody_uses_ends_and_the_page_says_why(inside, at):
    at(60)
    assert inside.get(HOME).status_code == 200
    at(121)

    answer = inside.get(HOME)

    assert (answer.status_code, answer.url) == (302, "/admin/login/?next=/admin/")
    assert "not used for 1 hour" in told(inside)
    assert inside.get(HOME).status_code == 302


def test_use_keeps_a_session(inside, at):
    for minutes in range(0, 600, 50):
        at(minutes)
        assert inside.get(HOME).status_code == 200


def test_pages_that_ask_by_themselves_do_not(inside, at):
    for minutes in range(0, 60, 5):
        at(minutes)
        assert inside.get(reverse("admin:home_now")).status_code == 200
    at(61)

    assert inside.get(reverse("admin:home_now")).status_code == 302
    assert inside.get(HOME).status_code == 302


def test_all_that_pages_ask_for_by_themselves_is_known():
    """Every address in the attributes that our scripts and htmx read by themselves, as the templates have it."""
    texts = [path.read_text() for path in (ROOT / "templates").rglob("*.html")]
    asked = {name for text in texts for name in re.findall(r"data-[a-z-]*url=\"{% url '([\w:]+)'", text)}
    for text in texts:
        named = {variable: name for name, variable in re.findall(r"{% url '([\w:]+)'[^%]* as (\w+) %}", text)}
        told = re.findall(r'ui/live.html" with address=(\w+)', text)
        asked |= {named.get(variable, variable) for variable in told}
    read = {
        name
        for path in (ROOT / "kartra_mirror/static").rglob("*.js")
        for name in re.findall(r"fetch\(\w+\.dataset\.(\w+)", path.read_text())
    }

    assert read == {"url"}
    assert {"admin:setup_now" if name == "now_url" else name for name in asked} == sessions.POLLED


def test_session_in_use_is_written_once_a_minute(inside, at, django_assert_num_queries):
    at(0.5)
    before = inside.session[sessions.SEEN_AT]
    inside.get(HOME)
    assert inside.session[sessions.SEEN_AT] == before
    at(1.5)
    inside.get(HOME)
    assert inside.session[sessions.SEEN_AT] == before + 90


def test_without_a_limit_nothing_ends(inside, at, settings):
    settings.SESSION_IDLE_MIN = 0
    at(14 * 24 * 60 - 1)
    assert inside.get(HOME).status_code == 200


def test_session_from_before_there_was_a_limit_begins_now(inside, at):
    session = inside.session
    del session[sessions.SEEN_AT]
    session.save()
    at(600)
    assert inside.get(HOME).status_code == 200
    at(661)
    assert inside.get(HOME).status_code == 302


def test_all_sessions_of_a_person_end_and_nobody_elses(mara, django_assert_num_queries):
    theirs, others = [Client(), Client(), Client()], Client()
    for each in theirs:
        each.force_login(mara)
    others.force_login(StaffFactory())

    StaffSessions.objects.end_all(mara)

    assert [each.get(HOME).status_code for each in theirs] == [302] * 3
    assert others.get(HOME).status_code == 200
    assert "all your sessions were ended" in told(theirs[0])
    theirs[0].force_login(User.objects.get(pk=mara.pk))
    assert theirs[0].get(HOME).status_code == 200
    assert "sessions were ended" not in told(theirs[0])


def test_ending_them_costs_the_same_however_many_there_are(mara, django_assert_num_queries):
    StaffSessions.objects.end_all(mara)
    for _ in range(20):
        Client().force_login(mara)

    with django_assert_num_queries(2):  # the row is there; it is raised
        StaffSessions.objects.end_all(mara)


def test_who_is_signed_in_is_one_query(inside, django_assert_max_num_queries):
    with django_assert_max_num_queries(100) as asked:
        inside.get(reverse("admin:own_sign_in"))
    about = [each["sql"] for each in asked.captured_queries if "leads_staffsessions" in each["sql"]]
    assert len(about) == 1
    assert "auth_user" in about[0]


def test_new_password_ends_the_other_sessions_and_keeps_this_one(inside, mara):
    mara.set_password("a-long-enough-secret")
    mara.save()
    here, there = Client(), Client()
    for each in (here, there):
        each.force_login(mara)
    given = {
        "old_password": "a-long-enough-secret",
        "new_password1": "an-uncommon-secret-9",
        "new_password2": "an-uncommon-secret-9",
    }

    assert here.post(reverse("admin:password_change"), given).status_code == 302

    assert (here.get(HOME).status_code, there.get(HOME).status_code) == (200, 302)
    assert "your password was changed" in told(there)


@pytest.mark.parametrize("what", ["is_active", "deleted"])
def test_sessions_of_one_who_left_end(inside, mara, what):
    if what == "deleted":
        mara.delete()
    else:
        User.objects.filter(pk=mara.pk).update(is_active=False)

    assert inside.get(HOME).status_code == 302
    assert not inside.session.get("_auth_user_id")


def test_what_was_sent_too_late_is_said_to_be_lost(inside, at):
    at(61)
    answer = inside.post(reverse("admin:stop_all"), follow=True).content.decode()
    assert "was not saved" in answer
    assert "not used for 1 hour" in answer


def test_strangers_elsewhere_cost_no_session(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        client.get("/healthz")
