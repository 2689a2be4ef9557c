"""The health page: numbers of now, charts with their tables; a fixed number of queries."""

import datetime as dt
import re

import pytest
from django.utils import timezone

from integrations.models import ApiCall, Heartbeat
from integrations.process_state import process_state
from kartra_mirror.ui import charts
from tests.factories import ConnectionFactory, DeliveryFactory, LeadChangeFactory, LeadFactory, WebhookEndpointFactory

pytestmark = pytest.mark.django_db

PARTS = ("/admin/health/", "/admin/health/now/", "/admin/health/charts/")


def call(shop, outcome="answered", ago_s=30.0, **given):
    at = timezone.now() - dt.timedelta(seconds=ago_s)
    return ApiCall.objects.create(
        connection=shop,
        cause="push",
        commands="assign_tag",
        claimed_at=at,
        sent_at=at,
        finished_at=at,
        outcome=outcome,
        **given,
    )


def settled(shop, status, hours_ago=0, **given):
    return LeadChangeFactory(
        lead=LeadFactory(account=shop.account),
        status=status,
        settled_at=timezone.now() - dt.timedelta(hours=hours_ago),
        **given,
    )


def test_now_tells_queue_calls_and_speed(staff, shop):
    for _ in range(120):
        call(shop, elapsed_ms=180)
    call(shop, "unknown", elapsed_ms=20_000)
    call(shop, ago_s=7200)
    LeadChangeFactory(lead__account=shop.account, requested_at=timezone.now() - dt.timedelta(minutes=7))
    DeliveryFactory(
        endpoint=WebhookEndpointFactory(connection=shop), received_at=timezone.now() - dt.timedelta(minutes=3)
    )
    Heartbeat.objects.create(name="sweep", at=timezone.now() - dt.timedelta(minutes=10))

    answer = staff.get("/admin/health/now/")

    facts, page = answer.context_data, answer.content.decode().replace("\xa0", " ")
    assert [(row["words"], row["number"]) for row in facts["outcomes"]] == [
        ("Answered", 120),
        ("No readable answer", 1),
    ]
    [speed] = facts["speeds"]
    assert (speed["used"], speed["allowed"], speed["percent"]) == (2.0, 10, 20)
    assert "7 minutes ago" in page
    assert "the oldest came 3 minutes ago" in page
    assert facts["sweep_late"] is True
    assert "20,000 ms" in page
    assert [row["number"] for row in facts["queue"]] == [1, 0, 0, 0]


def test_speed_is_told_for_an_app_that_serves_two_accounts(staff, shop):
    other = ConnectionFactory(account__name="Club", app_id=shop.app_id, calls_per_second=10)
    for each in (shop, other):
        for _ in range(60):
            call(each)

    [speed] = staff.get("/admin/health/now/").context_data["speeds"]

    assert (speed["accounts"], speed["used"]) == ("Club, Shop", 2.0)


def test_charts_and_tables_hold_the_same_numbers(staff, shop):
    for status, hours, number in (("accepted", 2, 5), ("rejected", 2, 2), ("accepted", 30, 3), ("accepted", 60, 9)):
        for _ in range(number):
            settled(
                shop,
                status,
                hours,
                **({"code": "212", "message": "Tag does not exist"} if status == "rejected" else {}),
            )
    endpoint = WebhookEndpointFactory(connection=shop)
    for status in ("applied", "applied", "quarantined"):
        DeliveryFactory(
            endpoint=endpoint,
            status=status,
            applied_at=timezone.now(),
            received_at=timezone.now() - dt.timedelta(hours=5),
        )
    call(shop, "unknown", ago_s=3600)

    answer = staff.get("/admin/health/charts/")

    changes, messages = answer.context_data["charts"]
    assert [numbers for _hour, numbers in changes["rows"]] == [(5, 0, 0, 0, 2), (3, 0, 0, 0, 0)]
    assert [numbers for _hour, numbers in messages["rows"]] == [(2, 0, 0, 1)]
    page = answer.content.decode()
    assert "10 in 48 hours, at most 7 in one." in page
    titles = re.findall(r"<title>[^:]+:\d\d: (\d+) ([^<]+)</title>", page)
    assert titles == [
        ("3", "done"),
        ("5", "done"),
        ("2", "failed"),
        ("2", "taken in"),
        ("1", "could not be read, or refused"),
    ]
    assert answer.context_data["errors"] == [
        ("Assign a tag: Tag does not exist (212)", 2),
        ("Call: no readable answer", 1),
    ]


def test_an_empty_account_has_a_page_too(staff, shop):
    page = staff.get("/admin/health/").content.decode()
    assert page.count("Nothing in the last 48 hours.") == 3


@pytest.mark.parametrize("url", PARTS)
def test_health_costs_the_same_queries_for_more_rows(staff, shop, url, django_assert_max_num_queries):
    def fill(number):
        for index in range(number):
            call(shop, ["answered", "unknown", "throttled"][index % 3])
            settled(shop, "rejected", index % 48, code=str(200 + index))
            DeliveryFactory(
                endpoint=WebhookEndpointFactory(connection=shop),
                received_at=timezone.now() - dt.timedelta(hours=index % 48),
            )

    fill(3)
    staff.get(url)
    process_state.rates.clear()
    with django_assert_max_num_queries(41) as few:
        staff.get(url)
    fill(20)
    process_state.rates.clear()
    with django_assert_max_num_queries(len(few.captured_queries)):
        staff.get(url)


def test_a_cause_that_looks_like_markup_stays_text(staff, shop):
    settled(shop, "rejected", code="999", message='<script>alert(1)</script>"')
    page = staff.get("/admin/health/charts/").content.decode()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_bars_are_as_tall_as_their_numbers():
    hours = charts.hours_until(dt.datetime(2026, 3, 1, 12, 34, tzinfo=dt.UTC), 3)
    assert [hour.hour for hour in hours] == [10, 11, 12]

    svg = charts.per_hour(
        "Changes",
        hours,
        [charts.Series("done", "b-good", [50, 0, 100]), charts.Series("refused", "b-bad", [50, 0, 0])],
    )

    heights = [float(tall) for tall in re.findall(r'<rect[^>]* height="([\d.]+)"', svg)]
    assert heights == [65.0, 65.0, 130.0]
    assert 'aria-label="Changes. 200 in 3 hours, at most 100 in one."' in svg


@pytest.mark.parametrize(
    ("number", "top"), [(0, 2), (2, 2), (7, 8), (37, 40), (1204, 2000), (5000, 5000), (99_999, 100_000)]
)
def test_the_scale_ends_at_a_round_number(number, top):
    assert charts.round_up(number) == top
