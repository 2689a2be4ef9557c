"""A new password by mail: one answer and one amount of work for everybody who asks, and mail only to those who are here."""

import datetime as dt
import re

import pytest
from django.core import mail
from django.urls import reverse

from integrations import tasks
from integrations.clock import now
from integrations.models import Heartbeat
from leads.models import PasswordLinkRequest
from tests.factories import StaffFactory
from tests.kartra_mirror.admin.staff.members import member

pytestmark = pytest.mark.django_db

ADA, NOBODY, GONE, GUEST = "ada@example.com", "nobody@example.com", "gone@example.com", "guest@example.com"


@pytest.fixture(autouse=True)
def people(settings):
    settings.MAIL_IS_SET_UP = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    member("Viewer", username="ada", email=ADA)
    member("Viewer", email=GONE, is_active=False)
    StaffFactory(email=GUEST, is_staff=False)


def ask(client, email, address="5.5.5.1"):
    return client.post(reverse("admin_password_reset"), {"email": email}, REMOTE_ADDR=address)


def earlier(minutes):
    """What was asked for was asked for so long ago."""
    for each in PasswordLinkRequest.objects.all():
        PasswordLinkRequest.objects.filter(pk=each.pk).update(asked_at=each.asked_at - dt.timedelta(minutes=minutes))


def mailed():
    tasks.mail_password_links()
    return [message.to[0] for message in mail.outbox]


def seen(answer):
    """What a stranger sees of an answer, without the token of its form."""
    text = re.sub(r'csrfmiddlewaretoken" value="\w+"', "", answer.content.decode())
    headers = {name: value for name, value in answer.headers.items() if name != "X-Request-ID"}
    return answer.status_code, text, sorted(headers.items()), sorted(answer.cookies)


def test_answer_and_work_are_the_same_for_everybody(client, django_assert_max_num_queries, notified):
    found = {}
    for number, email in enumerate((ADA, NOBODY, GONE, GUEST)):
        notified.clear()
        with django_assert_max_num_queries(100) as asked:
            answer = ask(client, email, f"5.5.6.{number}")
        sql = [re.sub(r"'[^']*'", "…", each["sql"]) for each in asked.captured_queries]
        found[email] = seen(answer), sql, list(notified)
        assert mail.outbox == []

    for email in (NOBODY, GONE, GUEST):
        assert found[email] == found[ADA]
    assert not [sql for sql in found[ADA][1] if "auth_user" in sql]
    assert found[ADA][2] == [("mail_password_links", ())]
    assert "If somebody has this mail address" in found[ADA][0][1]
    assert mailed() == [ADA]


def test_mail_holds_the_link_and_goes_out_once(client):
    ask(client, " Ada@Example.com ")
    assert mailed() == [ADA]
    assert mailed() == [ADA]
    link = re.search(r"http://testserver(/admin/reset/\S+)", mail.outbox[0].body)[1]
    assert "Choose a password" in client.get(link, follow=True).content.decode()


@pytest.mark.parametrize("email", [ADA, NOBODY])
def test_one_address_gets_five_an_hour_whoever_asks_and_the_answer_stays_the_same(client, settings, email):
    answers = []
    for number in range(settings.PASSWORD_LINKS_PER_HOUR + 3):
        answers.append(seen(ask(client, email, f"5.5.6.{number}")))
        tasks.mail_password_links()
        earlier(2)

    assert len(mail.outbox) == (settings.PASSWORD_LINKS_PER_HOUR if email == ADA else 0)
    assert PasswordLinkRequest.objects.count() == settings.PASSWORD_LINKS_PER_HOUR
    assert all(answer == answers[0] for answer in answers)
    earlier(60)
    ask(client, email)
    assert PasswordLinkRequest.objects.count() == settings.PASSWORD_LINKS_PER_HOUR + 1


def test_one_client_asks_for_so_many_an_hour_and_the_answer_stays_the_same(client, settings):
    settings.PASSWORD_LINKS_PER_HOUR_ADDRESS = 4
    answers = [seen(ask(client, f"name{number}@example.com")) for number in range(6)]
    last = seen(ask(client, ADA))

    assert mailed() == []
    assert PasswordLinkRequest.objects.count() == 4
    assert all(answer == last for answer in answers)
    ask(client, ADA, "5.5.5.2")
    assert mailed() == [ADA]


def test_second_mail_within_a_minute_is_not_sent(client):
    ask(client, ADA), ask(client, ADA.upper(), "5.5.5.2")
    assert mailed() == [ADA]
    earlier(1)
    ask(client, ADA)
    assert mailed() == [ADA, ADA]


def test_client_is_counted_behind_a_proxy(client, settings):
    settings.PROXY_COUNT, settings.PASSWORD_LINKS_PER_HOUR_ADDRESS = 1, 3
    for number in range(6):
        given = {"email": f"name{number}@example.com"}
        client.post(reverse("admin_password_reset"), given, headers={"X-Forwarded-For": f"6.6.6.{number}, 5.5.5.5"})
    assert [row.address for row in PasswordLinkRequest.objects.all()] == ["5.5.5.5"] * 3


def test_nothing_of_the_address_is_kept(client):
    ask(client, "nobody.at.all@example.com")
    row = PasswordLinkRequest.objects.values().get()
    assert "nobody" not in str(row)


def test_mail_server_that_refuses_changes_no_answer_and_is_not_asked_again(client, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no route")

    monkeypatch.setattr("integrations.sending.password_mails.send_mail", refuse)
    known, unknown = seen(ask(client, ADA)), seen(ask(client, NOBODY, "5.5.5.2"))

    assert known == unknown
    assert mailed() == []
    assert not PasswordLinkRequest.objects.waiting().exists()


def test_what_no_worker_was_notified_of_is_found_by_the_sweep(client, notified):
    ask(client, ADA)
    notified.clear()
    Heartbeat.objects.all().delete()

    tasks.sweep()

    assert ("mail_password_links", ()) in notified
    tasks.mail_password_links()
    notified.clear()
    Heartbeat.objects.all().delete()
    tasks.sweep()
    assert ("mail_password_links", ()) not in notified


def test_what_waited_for_too_long_is_not_sent(client):
    ask(client, ADA)
    earlier(61)
    assert mailed() == []
    assert not PasswordLinkRequest.objects.waiting().exists()


def test_two_people_with_one_address_get_a_link_each(client):
    member("Viewer", username="bo", email=ADA.upper())
    ask(client, ADA)
    assert sorted(mailed()) == [ADA.upper(), ADA]


def test_old_requests_go(client):
    from integrations import retention

    ask(client, ADA)
    tasks.mail_password_links()
    retention.tidy(now() + dt.timedelta(days=91))
    assert not PasswordLinkRequest.objects.exists()


def test_without_a_mail_server_nothing_is_promised(client, settings):
    settings.MAIL_IS_SET_UP = False
    for email in (ADA, NOBODY):
        assert "Ask a colleague" in ask(client, email).content.decode()
    assert not PasswordLinkRequest.objects.exists()
