"""The last 14 days on home: whose changes and messages, on which day, in the reader's zone."""

import datetime as dt
import re

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

from leads.models import ChangeStatus, LeadChange, StaffLimits
from tests.factories import AccountFactory, LeadChangeFactory, LeadFactory, StaffFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def anew():
    cache.clear()


def ended(lead, *, hours, status=ChangeStatus.ACCEPTED):
    return LeadChangeFactory(lead=lead, status=status, settled_at=timezone.now() - dt.timedelta(hours=hours))


def card(client, **query):
    return client.get(reverse("admin:home_days"), query)


def bars(client, **query):
    tips = re.findall(r"<title>([^:]+): ([\d,]+)</title>", card(client, **query).content.decode())
    return [int(number) for _day, number in tips]


def test_days_are_counted_with_what_failed(admin_client):
    lead = LeadFactory()
    for hours, status in (
        (0, "accepted"),
        (0, "rejected"),
        (24 * 3, "accepted"),
        (24 * 20, "accepted"),
        (0, "cancelled"),
    ):
        ended(lead, hours=hours, status=status)

    assert bars(admin_client) == [0] * 10 + [1, 0, 0, 2]
    assert "3 changes · 1 failed" in card(admin_client).content.decode()


def test_a_day_is_the_readers(admin_client):
    change = ended(LeadFactory(), hours=0)
    noon = timezone.now().replace(hour=0, minute=0, second=1, microsecond=0)
    LeadChange.objects.filter(pk=change.pk).update(settled_at=noon)
    assert bars(admin_client)[-1] == 1
    cache.clear()
    admin_client.cookies["time_zone"] = (
        "Pacific/Honolulu"  # ten hours behind: it was yesterday there, or today is not over
    )
    assert sum(bars(admin_client)) == 1
    assert "14 days" in card(admin_client).content.decode()


def test_only_what_the_person_may_see_is_counted(client):
    mine, other = AccountFactory(), AccountFactory()
    user = StaffFactory()
    for name in ("view_leadchange", "view_lead"):
        user.user_permissions.add(Permission.objects.get(codename=name))
    StaffLimits.objects.create(user=user, limited=True).accounts.add(mine)
    client.force_login(user)
    for account in (mine, other, other):
        ended(LeadFactory(account=account), hours=0)

    page = card(client).content.decode()

    assert "1 change" in page
    assert "From Kartra" not in page


def test_nobody_without_rights_gets_it(client):
    client.force_login(StaffFactory())
    assert card(client).status_code == 403
    assert "last-days" not in client.get(reverse("admin:index")).content.decode()


def test_it_costs_two_queries_whatever_there_is(admin_client, django_assert_max_num_queries):
    lead = LeadFactory()
    for hours in range(20):
        ended(lead, hours=hours * 5)
    with django_assert_max_num_queries(4):
        card(admin_client)


@pytest.mark.parametrize("of", ["", "kartra", "nobody", "\x00", "ours"])
def test_any_tab_answers(admin_client, of):
    assert len(bars(admin_client, of=of)) == 14
