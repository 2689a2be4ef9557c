"""The leads list: one short line a lead, ranges that cannot be said so in words, or groups in its address."""

import datetime as dt
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone
from django.utils.html import escape

from integrations import tasks
from kartra_mirror.admin.leads.lead import LeadAdmin
from leads import clock
from leads.filters import duplicates
from leads.models import Lead, LeadTag, ListSubscription, SecondProfileSearch, StaffLimits
from tests.factories import LeadChangeFactory, LeadFactory, MailingListFactory, StaffFactory, TagFactory
from tests.kartra_mirror.admin.drafts import LEADS

pytestmark = pytest.mark.django_db


def test_list_of_25_is_short(staff, account):
    tags = [TagFactory(account=account, name=f"webinar in the month {number}") for number in range(3)]
    buyers = MailingListFactory(account=account, name="Everybody who bought")
    told = {"since": timezone.now(), "source": "refresh"}
    for number in range(25):
        lead = LeadFactory(account=account, email=f"somebody.with.a.long.name{number}@example.com", country="Spain")
        LeadTag.objects.bulk_create(LeadTag(lead=lead, tag=tag, **told) for tag in tags)
        ListSubscription.objects.create(lead=lead, mailing_list=buyers, **told)

    body = staff.get(LEADS).content

    assert body.count(b'class="data-row"') == 25
    assert len(body) < 100_000


def test_what_is_requested_stands_where_the_time_of_the_read_stands(staff, account):
    LeadChangeFactory(lead=LeadFactory(account=account))

    assert ">queued</span>" in staff.get(LEADS).content.decode()


def test_range_that_cannot_be_is_said_on_the_list_and_in_the_drawer(staff, account):
    LeadFactory(account=account, score=30)
    words = "Score: from 50 to 20 ends before it begins, so no lead fits."

    text = staff.get(f"{LEADS}?score_min=50&score_max=20").content.decode()
    counted = staff.get(f"{LEADS}count/?score_min=50&score_max=20").content.decode()

    assert text.count(words) == 3  # the note, the chip, and what takes it away
    assert counted == words
    assert staff.get(f"{LEADS}count/?score_min=20&score_max=50").content.decode() == "1 lead"


def test_or_group_of_the_address_is_one_chip(staff, account):
    LeadFactory(account=account, country="Spain", score=0)
    LeadFactory(account=account, country="Japan", score=90)
    LeadFactory(account=account, country="Peru", score=0)

    page = staff.get(f"{LEADS}?or1.1.country=Spain&or1.2.score_min=50&o=1")

    assert page.context["cl"].result_count == 2
    assert page.context["conditions"] == [{"words": "from Spain or score 50 or more", "without": "?o=1"}]


def test_filter_by_sales_offers_to_read_what_is_missing(staff, account):
    now = timezone.now()
    unread = LeadFactory(account=account, kartra_id="7", read_at=now)
    known = LeadFactory(account=account, kartra_id="8", read_at=now, orders_read_at=now)
    theirs = LeadFactory(kartra_id="9", read_at=now)

    assert "Read them now" in staff.get(f"{LEADS}?bought=any").content.decode()
    assert "Read them now" not in staff.get(LEADS).content.decode()
    staff.get(f"{LEADS}read-sales/?bought=any")
    assert not Lead.objects.exclude(orders_due_at=None).exists()
    limits = StaffLimits.objects.create(user=staff.user, limited=True)
    limits.accounts.add(account)
    type(staff.user).objects.filter(pk=staff.user.pk).update(is_superuser=False)
    staff.user.groups.add(Group.objects.get(name="Manager"))
    answer = staff.post(f"{LEADS}read-sales/?bought=any")

    assert answer.url == f"{LEADS}?bought=any"
    due = set(Lead.objects.exclude(orders_due_at=None))
    assert due == {unread}
    assert not {known, theirs} & due


def test_who_may_do_nothing_with_many_ticks_nobody_and_sees_every_column(client, account):
    viewer = StaffFactory()
    viewer.groups.set([Group.objects.get(name="Viewer")])
    client.force_login(viewer)
    LeadFactory(account=account, first_name="Ada", last_name="Lind", email="ada@example.com")

    text = client.get(LEADS).content.decode()

    assert "action-select" not in text
    assert ">Ada Lind</a>" in text
    assert '<td class="field-email">ada@example.com</td>' in text
    assert text.count('<th scope="col"') == text.count('<td class="field-') + 1


def test_lead_leads_back_to_its_list_and_on_to_its_neighbours(staff, account, monkeypatch):
    ada, bo, cy, dan, _peru = (
        LeadFactory(account=account, first_name=name, country="Peru" if name == "Eva" else "Spain")
        for name in ("Ada", "Bo", "Cy", "Dan", "Eva")
    )
    monkeypatch.setattr(LeadAdmin, "list_per_page", 2)
    query = "country=Spain&o=8"

    def opened(lead, kept):
        return staff.get(lead.get_absolute_url(), {"_changelist_filters": kept}).context["beside"]

    def at(lead, kept):
        return f"{lead.get_absolute_url()}?{urlencode({'_changelist_filters': kept})}"

    text = staff.get(f"{LEADS}?{query}").content.decode()
    assert escape(at(dan, query)) in text
    assert opened(dan, query) == {"back": f"{LEADS}?{query}", "after": at(cy, query)}
    assert opened(cy, query) == {
        "back": f"{LEADS}?{query}",
        "before": at(dan, query),
        "after": at(bo, f"{query}&p=2"),
    }
    assert opened(bo, f"{query}&p=2") == {
        "back": f"{LEADS}?{query}&p=2",
        "before": at(cy, query),
        "after": at(ada, f"{query}&p=2"),
    }
    assert opened(dan, "country=Peru") == {"back": f"{LEADS}?country=Peru"}
    assert opened(dan, "nonsense__x=1") == {"back": f"{LEADS}?nonsense__x=1"}
    assert staff.get(dan.get_absolute_url()).context["beside"] == {}
    assert LEADS + '?"' not in text


def test_way_back_costs_a_lead_the_same_on_a_longer_list(staff, account, django_assert_max_num_queries):
    lead = LeadFactory(account=account, country="Spain")
    asked = {"_changelist_filters": "country=Spain"}
    staff.get(lead.get_absolute_url(), asked)
    with django_assert_max_num_queries(60) as few:
        staff.get(lead.get_absolute_url(), asked)
    LeadFactory.create_batch(45, account=account, country="Spain")

    with django_assert_max_num_queries(len(few.captured_queries)):
        assert "before" in staff.get(lead.get_absolute_url(), asked).context["beside"]


def test_tabs_and_days_of_a_lead_keep_the_way_back(staff, account):
    lead = LeadFactory(account=account, country="Spain")
    kept = urlencode({"_changelist_filters": "country=Spain&o=8"})

    text = staff.get(f"{lead.get_absolute_url()}?{kept}&until=2026-11-03").content.decode()

    assert text.count(escape(f"?tab=money&until=2026-11-03&{kept}")) == 2
    assert '<input type="hidden" name="_changelist_filters" value="country=Spain&amp;o=8">' in text


@pytest.mark.parametrize("page", ["-5", "0", "99999999999999999999", "x", "\x00", "2"])
def test_a_page_that_is_not_there_costs_the_way_back_nothing(staff, account, page):
    lead = LeadFactory(account=account)
    answer = staff.get(lead.get_absolute_url(), {"_changelist_filters": f"p={page}&o=1"})
    assert answer.status_code == 200
    assert answer.context["beside"]["back"].startswith(LEADS)


def test_second_profiles_are_searched_for_and_the_list_says_when(staff, account, notified):
    same = LeadFactory.create_batch(2, account=account, phone="5551234")
    url = f"{LEADS}?copy=second"
    assert "searched for the first time" in staff.get(url).content.decode()

    tasks.sweep()
    assert ("find_second_profiles", (account.pk,)) in notified
    tasks.find_second_profiles(account.pk)
    page = staff.get(url)

    when = timezone.localtime(SecondProfileSearch.objects.get(account=account).at)
    assert f"Possible second profiles as of {when.day} {when:%b}" in page.content.decode()
    assert {row.pk for row in page.context["cl"].result_list} == {lead.pk for lead in same}
    assert "as of" not in staff.get(f"{LEADS}?copy=gone").content.decode()
    assert not duplicates.due_for_search(clock.now())
    SecondProfileSearch.objects.update(took_s=3, at=clock.now() - dt.timedelta(minutes=9))
    assert not duplicates.due_for_search(clock.now())
    SecondProfileSearch.objects.update(took_s=2)
    assert duplicates.due_for_search(clock.now()) == [account.pk]
