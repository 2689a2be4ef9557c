"""A schedule on the people of a list: those whom Kartra does not have are created when its time comes."""

import datetime as dt

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from integrations import retention
from leads.filters.selection import OnPeopleLists, as_json
from leads.models import BulkRun, LeadChange, Occurrence, PeopleList, PeopleListRow, PersonState
from leads.people import lists
from leads.schedules import due, steering
from leads.schedules.planning import Reach
from tests.factories import AccountFactory, LeadFactory, ScheduleFactory, StaffFactory, TagFactory
from tests.leads.people.making import listed

pytestmark = pytest.mark.django_db


@pytest.fixture
def account():
    found = AccountFactory()
    TagFactory(account=found, name="Webinar")
    LeadFactory(account=found, email="ada@example.com", read_at=timezone.now())
    return found


@pytest.fixture
def people(account):
    """One is known, two are not in Kartra."""
    made = listed(account, "ada@example.com\nbo@example.com\ncy@example.com\n", name="webinar.csv")
    PeopleListRow.objects.filter(state=PersonState.TO_LOOK_UP).update(state=PersonState.NOT_IN_KARTRA)
    PeopleList.objects.update(state="ready")
    return made


@pytest.fixture
def schedule(account, people):
    return ScheduleFactory(
        account=account,
        recipe=None,
        steps=[["assign_tag", {"tag": "Webinar"}]],
        selection=as_json(OnPeopleLists((people.pk,))),
        people_list=people,
        creates_missing=True,
    )


def come(schedule):
    due.work(schedule.pk, Reach())
    return Occurrence.objects.select_related("run").get(schedule=schedule)


def wished():
    return sorted(LeadChange.objects.values_list("lead__email", "kind"))


def test_missing_people_are_created_and_get_the_same(schedule):
    occurrence = come(schedule)

    assert (occurrence.state, occurrence.members) == ("started", 3)
    assert wished() == [
        ("ada@example.com", "assign_tag"),
        ("bo@example.com", "assign_tag"),
        ("bo@example.com", "create_lead"),
        ("cy@example.com", "assign_tag"),
        ("cy@example.com", "create_lead"),
    ]


def test_without_the_tick_they_stay_out(schedule):
    schedule.creates_missing = False
    schedule.save()

    assert come(schedule).members == 1
    assert wished() == [("ada@example.com", "assign_tag")]


def test_its_owner_has_to_be_allowed_to_create_leads(schedule):
    schedule.owner = StaffFactory()
    rights = Permission.objects.filter(content_type__app_label="leads", codename__in=["start_bulkrun", "assign_tag"])
    schedule.owner.user_permissions.add(*rights)
    schedule.save()

    occurrence = come(schedule)

    assert (occurrence.state, BulkRun.objects.count()) == ("held", 0)
    assert "may not do this any more" in occurrence.why


def test_it_is_compared_with_all_whom_the_list_meant(schedule, people):
    assert steering.save(schedule, by=schedule.owner).last_members == 3


def test_list_stays_while_a_schedule_waits_to_act_on_it(schedule, people):
    PeopleList.objects.update(used_at=timezone.now() - dt.timedelta(days=5000))
    [rule] = [each for each in retention.RULES if each.model is PeopleList]
    now = timezone.now()

    with pytest.raises(lists.InUse, match="The list webinar stays"):
        lists.delete(people)
    assert not rule.rows(now).exists()
    type(schedule).objects.update(state="over", next_at=None)

    assert rule.rows(now).exists()
    lists.delete(people)
    assert not PeopleList.objects.exists()


def test_a_list_that_is_gone_holds(schedule, people):
    lists.delete_all(PeopleList.objects.all())
    schedule.refresh_from_db()

    occurrence = come(schedule)

    assert (occurrence.state, BulkRun.objects.count()) == ("held", 0)


def test_page_of_what_holds_counts_those_who_would_be_created(schedule, client):
    schedule.owner = None
    schedule.save()
    assert come(schedule).state == "held"
    client.force_login(StaffFactory(is_superuser=True))

    assert client.get(schedule.get_absolute_url()).context["would"].will_change == 3
