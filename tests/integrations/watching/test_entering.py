"""Telling who entered: with numbers and a link, once, and with nobody's name where others read it."""

import logging

import pytest
from django.core import mail
from django.utils import timezone

from integrations.watching import entering
from leads import watching
from leads.models import StaffLimits, Watch
from tests.factories import AccountFactory, LeadFactory, RecipeFactory, SegmentFactory, StaffFactory
from tests.integrations.watching.listener import listening
from tests.leads.watching.conftest import fresh, looked

pytestmark = pytest.mark.django_db


@pytest.fixture
def watch(connection, settings):
    settings.MAIL_IS_SET_UP = True
    settings.PUBLIC_URL = "https://mirror.example"
    segment = SegmentFactory(account=connection.account, name="ada@example.com", conditions={"country": ["Peru"]})
    owner = StaffFactory(email="mara@example.com", is_superuser=True)
    return looked(watching.set_watch(segment, owner=owner, by_mail=True, by_alert=True))


@pytest.fixture
def posts(settings):
    """What is posted to ALERT_URL."""
    with listening() as (url, heard):
        settings.ALERT_URL = url
        yield heard


def enter(watch, number):
    LeadFactory.create_batch(number, account=watch.segment.account, country="Peru")
    return looked(watch)


def test_one_message_a_look_with_numbers_and_a_link(watch, posts, caplog):
    caplog.set_level(logging.DEBUG)
    watch = enter(watch, 3)

    for _ in range(2):
        entering.tell(fresh(watch), timezone.now())

    link = f"https://mirror.example/admin/leads/segment/{watch.segment_id}/change/"
    [told] = mail.outbox
    assert (told.to, told.subject) == (["mara@example.com"], "3 leads entered ada@example.com")
    assert link in told.body
    [(_method, _path, body)] = posts
    assert "3 leads of" in str(body)
    assert link in str(body)
    assert "ada@" not in str(body)
    assert "ada@" not in caplog.text


def test_who_enters_a_moment_later_is_in_the_next_message(watch):
    entering.tell(enter(watch, 1), timezone.now())
    entering.tell(enter(watch, 2), timezone.now())
    assert len(mail.outbox) == 1

    entering.tell(enter(watch, 2), timezone.now() + entering.TOLD_APART)

    assert [each.subject[:7] for each in mail.outbox] == ["1 lead ", "4 leads"]


def test_owner_who_does_not_work_in_the_account_is_told_nothing(watch):
    StaffFactory._meta.model.objects.update(is_superuser=False)
    StaffLimits.objects.create(user=watch.owner, limited=True).accounts.set([AccountFactory()])

    entering.tell(enter(watch, 1), timezone.now())

    assert mail.outbox == []


def test_pause_by_itself_is_told_once(watch, posts):
    recipe = RecipeFactory(account=watch.segment.account)
    Watch.objects.update(recipe=recipe, starts=True, by_alert=True)
    StaffFactory._meta.model.objects.update(is_superuser=False)
    watch = enter(fresh(watch), 1)
    watching.act(watch, timezone.now())

    for _ in range(2):
        entering.tell(fresh(watch), timezone.now() + entering.TOLD_APART)

    assert [each.subject for each in mail.outbox if "Paused" in each.subject] == [
        "Paused: when somebody enters ada@example.com"
    ]
    assert len([body for body in posts if "paused by itself" in str(body)]) == 1
