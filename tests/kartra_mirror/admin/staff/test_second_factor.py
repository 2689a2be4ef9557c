"""The second step of those who may move money or keys: set up at the next sign-in, then a code each time."""

import datetime as dt
import re
from io import StringIO

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp import verify_token
from django_otp.oath import TOTP

from integrations.models import RecoveryCode, SecondFactor
from kartra_mirror.entry import second_factor
from tests.factories import StaffFactory
from tests.kartra_mirror.admin.staff.members import member

pytestmark = pytest.mark.django_db

PAGE, HOME, OWN = "/admin/second-step/", "/admin/", "/admin/your-sign-in/"
SECRET = "a-long-enough-secret"
BEGUN = timezone.now().replace(microsecond=0)


@pytest.fixture(autouse=True)
def at(settings, monkeypatch):
    """The time, in seconds: at(30)."""
    settings.SECOND_FACTOR = "money"

    def move(seconds):
        for place in ("integrations.models.second_factor.now", "kartra_mirror.admin.staff.factor_page.now"):
            monkeypatch.setattr(place, lambda: BEGUN + dt.timedelta(seconds=seconds))

    move(0)
    return move


def code_of(factor, seconds=0):
    totp = TOTP(bytes.fromhex(factor.key))
    totp.time = BEGUN.timestamp() + seconds
    return f"{totp.token():06d}"


def set_up(client, user):
    """Signed in and set up: (the factor, its recovery codes)."""
    client.force_login(user)
    client.post(PAGE, {"begin": "1"})
    shown = client.post(PAGE, {"code": code_of(SecondFactor.objects.get(user=user))}).content.decode()
    return SecondFactor.objects.get(user=user), re.findall(r"<code>([a-z0-9]{5}-[a-z0-9]{5})</code>", shown)


def anew(user):
    """The person at another device, with the password given."""
    client = Client()
    client.force_login(user)
    return client


def give(client, code, **more):
    return client.post(PAGE, {"code": code, **more})


def logged():
    return [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]


@pytest.mark.parametrize(
    ("mode", "group", "asked"),
    [
        ("off", "Manager", False),
        ("off", "root", False),
        ("money", "Viewer", False),
        ("money", "Marketer", False),
        ("money", "Support", True),
        ("money", "Manager", True),
        ("money", "Engineer", True),
        ("money", "root", True),
        ("all", "Viewer", True),
        ("mony", "Viewer", True),
    ],
)
def test_who_is_asked(client, settings, mode, group, asked):
    settings.SECOND_FACTOR = mode
    client.force_login(member(group, is_superuser=group == "root"))

    assert client.get(HOME).status_code == (302 if asked else 200)
    assert bool(second_factor.check_mode()) is (mode == "mony")


@pytest.mark.parametrize("codename", sorted(name.partition(".")[2] for name in second_factor.needed_for()))
def test_each_permission_to_move_money_or_keys_asks_for_it(client, codename):
    person = StaffFactory()
    client.force_login(person)
    assert client.get(HOME).status_code == 200

    person.user_permissions.set(Permission.objects.filter(codename=codename))

    assert client.get(HOME).url == f"{PAGE}?next=%2Fadmin%2F"


def test_money_and_keys_are_what_they_are():
    assert {
        "leads.refund_transaction",
        "leads.cancel_subscription",
        "leads.edit_subscription",
        "integrations.change_connection",
        "integrations.add_webhookendpoint",
        "integrations.use_console",
        "auth.add_group",
        "auth.change_group",
        "auth.add_user",
        "auth.change_user",
    } <= second_factor.needed_for()
    named = Permission.objects.values_list("content_type__app_label", "codename")
    assert second_factor.needed_for() <= {".".join(each) for each in named}


def test_until_the_code_is_given_there_is_one_page_and_the_way_out(client):
    from tests.kartra_mirror.admin.test_accounts import PLAIN

    client.force_login(member(is_superuser=True))
    others = [reverse(f"admin:{name}") for name in PLAIN if name != "second_factor"]
    others += ["/", "/admin/jsi18n/", "/admin/password_change/", "/admin/login/", "/admin/password_reset/", "/nowhere"]

    for url in others:
        for answer in (client.get(url), client.post(url, {"x": "y"})):
            assert answer.status_code == 302, url
            assert answer.url.startswith(f"{PAGE}?next="), url
    assert client.get(PAGE).status_code == 200
    assert client.post("/admin/logout/").status_code == 200


def test_phone_is_set_up_and_recovery_codes_are_shown_once(client):
    person = member("Manager")
    client.force_login(person)
    assert client.get(f"{HOME}leads/lead/?q=a").url == f"{PAGE}?next=%2Fadmin%2Fleads%2Flead%2F%3Fq%3Da"
    begin = client.get(PAGE).content.decode()
    assert "<svg" not in begin
    assert not SecondFactor.objects.exists()

    client.post(PAGE, {"begin": "1"})
    page = client.get(PAGE).content.decode()
    factor = SecondFactor.objects.get()
    assert factor.secret() in page
    assert page.count("<svg") >= 1
    assert give(client, "000000" if code_of(factor) != "000000" else "000001").status_code == 200
    assert not SecondFactor.objects.get().confirmed
    assert client.get(HOME).status_code == 302
    SecondFactor.objects.update(throttling_failure_timestamp=None, throttling_failure_count=0)
    answer = give(client, code_of(factor), next="/admin/leads/lead/")

    codes = re.findall(r"<code>([a-z0-9]{5}-[a-z0-9]{5})</code>", answer.content.decode())
    assert len(set(codes)) == 10
    assert 'href="/admin/leads/lead/"' in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    assert client.get(HOME).status_code == 200
    assert codes[0] not in client.get(PAGE, follow=True).content.decode()
    assert logged() == ["Set up a second step for signing in."]
    assert factor.secret() not in client.get(OWN).content.decode()


@pytest.fixture
def person():
    return member("Manager", password=SECRET)


def test_key_that_another_session_began_is_neither_shown_nor_confirmed(person):
    """Who knows the password and was first has no copy of the key that its owner then sets up."""
    thief, owner = anew(person), anew(person)
    thief.post(PAGE, {"begin": "1"})
    seen = SecondFactor.objects.get()
    assert seen.secret() in thief.get(PAGE).content.decode()
    page = owner.get(PAGE).content.decode()
    assert seen.secret() not in page
    assert 'name="begin"' in page
    assert give(owner, code_of(seen)).status_code == 200
    assert not SecondFactor.objects.get().confirmed

    owner.post(PAGE, {"begin": "1"})
    own = SecondFactor.objects.get()
    assert own.key != seen.key
    assert own.secret() not in thief.get(PAGE).content.decode()
    give(thief, code_of(seen))
    give(thief, code_of(own))
    assert not SecondFactor.objects.get().confirmed
    assert "<code>" in give(owner, code_of(own)).content.decode()

    thief.post(PAGE, {"begin": "1"})
    assert SecondFactor.objects.get().key == own.key
    assert owner.get(HOME).status_code == 200
    assert thief.get(HOME).status_code == 302


def test_key_that_is_replaced_while_its_code_is_looked_at_is_not_confirmed(client, person, monkeypatch):
    client.force_login(person)
    client.post(PAGE, {"begin": "1"})
    begun = SecondFactor.objects.get()

    def verify(*args):
        verified = verify_token(*args)
        anew(person).post(PAGE, {"begin": "1"})
        return verified

    monkeypatch.setattr("kartra_mirror.admin.staff.factor_page.verify_token", verify)
    answer = give(client, code_of(begun))

    assert answer.url == PAGE
    assert not SecondFactor.objects.get().confirmed
    assert client.get(HOME).status_code == 302


def test_code_is_asked_for_after_the_password(client, person):
    factor, _codes = set_up(Client(), person)
    client.post("/admin/login/", {"username": person.username, "password": SECRET})

    assert client.get(HOME).status_code == 302
    page = client.get(PAGE).content.decode()
    assert factor.secret() not in page
    assert "<svg" not in page


def test_right_code_lets_in_and_gives_the_session_another_key(client, person, at):
    factor, _codes = set_up(Client(), person)
    client.force_login(person)
    before = client.session.session_key
    at(60)

    answer = give(client, code_of(factor, 60), next="https://evil.example/")

    assert answer.url == HOME
    assert client.get(HOME).status_code == 200
    assert client.session.session_key != before


@pytest.mark.parametrize(("seconds", "taken"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_codes_of_a_clock_that_is_a_little_off_are_taken(person, at, seconds, taken):
    factor, _codes = set_up(Client(), person)
    at(300)
    assert (give(anew(person), code_of(factor, 300 + seconds)).status_code == 302) is taken


def test_no_code_is_taken_twice(person, at):
    factor, _codes = set_up(Client(), person)
    assert give(anew(person), code_of(factor)).status_code == 200
    at(90)
    assert give(anew(person), code_of(factor, 90)).status_code == 302
    assert give(anew(person), code_of(factor, 90)).status_code == 200


@pytest.mark.parametrize(
    "typed", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "-12345", "1e5", "0x1234", "\x00", "x" * 33]
)
def test_what_is_no_code_is_refused(person, at, typed):
    set_up(Client(), person)
    at(90)
    assert give(anew(person), typed).status_code == 200


def test_code_may_be_typed_in_groups(person, at):
    factor, _codes = set_up(Client(), person)
    at(90)
    code = code_of(factor, 90)
    assert give(anew(person), f" {code[:3]} {code[3:]} ").status_code == 302


def test_recovery_code_stands_for_the_phone_once(person):
    _factor, codes = set_up(Client(), person)

    assert give(anew(person), codes[3].upper().replace("-", " ")).status_code == 302
    assert RecoveryCode.objects.count() == 9
    assert give(anew(person), codes[3]).status_code == 200


def test_recovery_code_of_another_person_is_none(person):
    _factor, codes = set_up(Client(), member("Manager"))
    set_up(Client(), person)
    assert give(anew(person), codes[0]).status_code == 200
    assert RecoveryCode.objects.count() == 20


def test_guessing_is_slowed_down_and_never_for_longer_than_an_hour(person, at):
    factor, _codes = set_up(Client(), person)
    guesser, tried, seconds = anew(person), [], 1000
    for _ in range(20):
        at(seconds)
        give(guesser, "000000")
        tried.append(SecondFactor.objects.get().throttling_failure_count)
        seconds += 1
    assert tried[-1] < 7  # of twenty; the others were not looked at
    right = give(guesser, code_of(factor, seconds))
    assert right.status_code == 200
    assert "Too many wrong codes" in right.content.decode()

    SecondFactor.objects.update(throttling_failure_count=60, throttling_failure_timestamp=BEGUN)
    at(3599)
    assert give(guesser, code_of(factor, 3599)).status_code == 200
    at(3600)
    assert give(guesser, code_of(factor, 3600)).status_code == 302


def test_nothing_of_it_stands_in_the_database_in_the_clear(person):
    factor, codes = set_up(Client(), person)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM integrations_secondfactor")
        stored = str(cursor.fetchall())
        cursor.execute("SELECT * FROM integrations_recoverycode")
        stored += str(cursor.fetchall())

    secrets = [factor.key, factor.secret(), factor.secret().replace(" ", ""), *codes]
    secrets += [code.replace("-", "") for code in codes]
    assert [secret for secret in secrets if secret in stored] == []


def test_key_that_cannot_be_opened_leaves_the_recovery_codes(person, settings):
    _factor, codes = set_up(Client(), person)
    settings.FIELD_ENCRYPTION_KEYS = ["A" * 43 + "="]
    client = anew(person)

    assert "cannot be read here any more" in client.get(PAGE).content.decode()
    assert give(client, "123456").status_code == 200
    SecondFactor.objects.update(throttling_failure_timestamp=None, throttling_failure_count=0)
    assert give(client, codes[0]).status_code == 302


def test_rights_that_grow_ask_for_it_in_a_session_that_runs(client):
    person = member("Viewer")
    client.force_login(person)
    assert client.get(HOME).status_code == 200
    person.user_permissions.set(Permission.objects.filter(codename="refund_transaction"))
    assert client.get(HOME).status_code == 302


def test_ones_own_page_makes_new_codes_and_sets_up_another_phone(client, person, at):
    factor, codes = set_up(client, person)
    assert "10 recovery codes are left" in client.get(OWN).content.decode()

    at(90)
    shown = client.post(OWN, {"do": "codes", "code": code_of(factor, 90)}).content.decode()
    assert codes[0] not in shown
    assert give(anew(person), codes[0]).status_code == 200
    SecondFactor.objects.update(throttling_failure_timestamp=None, throttling_failure_count=0)
    assert give(anew(person), re.search(r"<code>([a-z0-9-]+)</code>", shown)[1]).status_code == 302

    left = re.findall(r"<code>([a-z0-9-]+)</code>", shown)[1]
    assert client.post(OWN, {"do": "phone", "code": left}).url == PAGE
    assert client.get(HOME).status_code == 302
    assert not SecondFactor.objects.exists()
    assert logged()[1:] == ["Made new recovery codes.", "Removed the second step to set up another phone."]
    assert factor.pk


@pytest.mark.parametrize("do", ["codes", "phone"])
def test_borrowed_session_makes_neither_codes_nor_another_phone(client, person, at, do):
    factor, codes = set_up(client, person)
    at(90)

    for typed in ({}, {"code": ""}, {"code": "nonsense"}, {"code": code_of(factor)}):
        SecondFactor.objects.update(throttling_failure_timestamp=None, throttling_failure_count=0)
        assert client.post(OWN, {"do": do, **typed}).status_code == 200
    answer = client.post(OWN, {"do": do, "code": code_of(factor, 90)})

    assert "Too many wrong codes" in answer.content.decode()
    assert SecondFactor.objects.get().confirmed
    SecondFactor.objects.update(throttling_failure_timestamp=None, throttling_failure_count=0)
    assert give(anew(person), codes[0]).status_code == 302
    assert logged() == ["Set up a second step for signing in."]


def test_another_phone_ends_the_other_sessions_and_not_this_one(client, person):
    _factor, codes = set_up(client, person)
    other = anew(person)
    give(other, codes[0])
    assert other.get(HOME).status_code == 200
    before = client.session.session_key

    client.post(OWN, {"do": "phone", "code": codes[1]})

    assert other.get(PAGE).url.startswith("/admin/login/")
    assert client.get(PAGE).status_code == 200
    assert client.session.session_key not in (None, before)
    client.post(PAGE, {"begin": "1"})
    give(client, code_of(SecondFactor.objects.get()))
    assert client.get(HOME).status_code == 200


@pytest.mark.parametrize(
    ("by", "whom", "may"),
    [
        ("Manager", "Support", True),
        ("Manager", "Manager", True),
        ("Manager", "Engineer", False),
        ("Manager", "root", False),
        ("Engineer", "Manager", False),
        ("Support", "Support", False),
        ("root", "root", True),
    ],
)
def test_second_step_of_another_is_taken_away_within_the_same_bounds(client, by, whom, may):
    other = member(whom, is_superuser=whom == "root")
    theirs = Client()
    set_up(theirs, other)
    set_up(client, member(by, is_superuser=by == "root"))
    LogEntry.objects.all().delete()

    answer = client.post(reverse("admin:auth_user_factor", args=[other.pk]))

    assert answer.status_code == (302 if may else 403)
    assert SecondFactor.objects.filter(user=other).exists() is not may
    assert theirs.get(HOME).status_code == (302 if may else 200)
    assert logged() == (["Removed the second step."] if may else [])
    if may:
        page = client.get(reverse("admin:auth_user_change", args=[other.pk])).content.decode()
        assert "Remove the second step" not in page


def test_asking_for_it_by_an_address_changes_nothing(client, person):
    other = member("Support")
    set_up(Client(), other)
    set_up(client, person)
    client.get(reverse("admin:auth_user_factor", args=[other.pk]))
    assert SecondFactor.objects.filter(user=other).exists()
    page = client.get(reverse("admin:auth_user_change", args=[other.pk])).content.decode()
    assert "Remove the second step" in page


def test_session_of_one_whose_second_step_was_taken_away_sets_up_another(client, person):
    set_up(client, person)
    second_factor.take_away(person)
    set_up(Client(), person)

    assert client.get(HOME).status_code == 302


def test_command_takes_it_away_when_nobody_else_can(person):
    set_up(Client(), person)
    out = StringIO()
    with pytest.raises(CommandError, match="Nobody is called zoe"):
        call_command("second_factor", "--take-away", person.username, "--take-away", "zoe")
    call_command("second_factor", stdout=out)
    call_command("second_factor", "--take-away", person.username, stdout=out)
    call_command("second_factor", "--take-away", person.username, stdout=out)

    assert out.getvalue().splitlines() == [
        f"{person.username}: set up",
        f"{person.username} sets up a new phone at the next sign-in.",
        f"{person.username} has no second step.",
    ]
    assert not SecondFactor.objects.exists()
    assert User.objects.get(pk=person.pk).sessions.epoch == 1


def test_off_costs_no_query(client, settings, django_assert_max_num_queries):
    settings.SECOND_FACTOR = "off"
    client.force_login(member("Manager"))
    with django_assert_max_num_queries(100) as asked:
        client.get(HOME)
    assert not [each for each in asked.captured_queries if "secondfactor" in each["sql"]]
    assert client.get(PAGE).url == HOME
