"""Pages tell times in the reader's zone; days in filters are the installation's; Kartra's zone stays Kartra's."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from kartra_mirror.entry import time_zones
from leads import clock
from leads.filters.base import midnight
from leads.kinds.form_fields import WallTime
from leads.models import StaffPreferences
from tests.factories import LeadFactory, StaffFactory

pytestmark = pytest.mark.django_db

PROFILE = "/admin/your-sign-in/"


@pytest.fixture
def mara(client):
    user = StaffFactory(username="mara", is_superuser=True)
    client.force_login(user)
    return user


def zone_in(client):
    lead = LeadFactory(read_at=clock.now())
    page = client.get(f"/admin/leads/lead/{lead.pk}/change/").content.decode()
    return page.split("Times in ")[1].split("<")[0].strip()


def test_browser_says_the_zone_until_the_profile_names_one(client, mara):
    assert zone_in(client) == "UTC"
    client.cookies[time_zones.COOKIE] = "America%2FLos_Angeles"
    assert zone_in(client) == "America/Los_Angeles"

    answer = client.post(PROFILE, {"do": "time_zone", "time_zone": "Asia/Tokyo"}, follow=True)

    assert "Times are shown in Asia/Tokyo." in answer.content.decode()
    assert StaffPreferences.objects.get(user=mara).time_zone == "Asia/Tokyo"
    assert zone_in(client) == "Asia/Tokyo"
    client.post(PROFILE, {"do": "time_zone", "time_zone": ""})
    assert zone_in(client) == "America/Los_Angeles"


@pytest.mark.parametrize(
    "said",
    [
        "",
        "Mars/Olympus",
        "Etc/GMT+10",
        "localtime",
        "../../etc/passwd",
        "/etc/localtime",
        "Europe",
        "a" * 5000,
        "%00",
        "%ff",
    ],
)
def test_zone_that_nobody_knows_is_passed_over(client, mara, said):
    client.cookies[time_zones.COOKIE] = said
    assert zone_in(client) == "UTC"


@pytest.mark.parametrize("said", ["Mars/Olympus", "../../etc/passwd", "Europe", "\x00"])
def test_zone_that_is_not_in_the_list_cannot_be_chosen(client, mara, said):
    answer = client.post(PROFILE, {"do": "time_zone", "time_zone": said}, follow=True)
    assert "Nothing was changed" in answer.content.decode()
    assert not StaffPreferences.objects.exists()


def test_one_request_leaves_no_zone_to_the_next(client, mara):
    client.cookies[time_zones.COOKIE] = "Asia/Tokyo"
    client.get(PROFILE)
    assert timezone.get_current_timezone_name() == "UTC"


def test_choice_costs_no_query(client, mara, django_assert_num_queries):
    client.get(PROFILE)
    for zone in ("", "Asia/Tokyo"):
        StaffPreferences.objects.update_or_create(user=mara, defaults={"time_zone": zone})
        with django_assert_num_queries(6):
            client.get(PROFILE)


def test_day_in_a_filter_is_the_same_for_every_reader():
    day = dt.date(2026, 11, 4)
    with timezone.override("Asia/Tokyo"):
        in_tokyo = midnight(day)
    assert in_tokyo == midnight(day) == dt.datetime(2026, 11, 4, tzinfo=dt.UTC)


def test_hour_at_kartra_is_judged_by_kartras_clocks_not_the_readers():
    field = WallTime(zone=ZoneInfo("America/New_York"), input_formats=["%Y-%m-%d %H:%M"])
    with timezone.override("Europe/Berlin"):
        found = field.clean("2027-03-28 02:30")  # the hour that Berlin's clocks pass over
        assert f"{found:%Y-%m-%d %H:%M}" == "2027-03-28 02:30"
        with pytest.raises(ValidationError):
            field.clean("2027-03-14 02:30")  # New York's
