"""What people ask about their own data: the list of it, forgetting at several places, and what is said afterwards."""

import datetime as dt
import io
import json

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from kartra_mirror import groups
from leads.erasure import forget
from leads.models import DataSubjectRequest, Lead, LeadChange, StaffLimits
from leads.person import requests
from tests.factories import ConnectionFactory, LeadChangeFactory, LeadFactory, StaffFactory, TagFactory

pytestmark = pytest.mark.django_db

EMAIL = "ada@example.com"


@pytest.fixture
def places(db):
    """The same person in two accounts, and twice in the first."""
    groups.make()
    here, there = ConnectionFactory(account__name="Here"), ConnectionFactory(account__name="Elsewhere")
    lead = LeadFactory(account=here.account, kartra_id="7001001", email=EMAIL, email_key=EMAIL, first_name="Ada")
    gone = LeadFactory(account=here.account, kartra_id="7001002", email=EMAIL, email_key=EMAIL, first_name="Ada")
    other = LeadFactory(account=there.account, kartra_id="7001003", email="new@example.com")
    other.emails.create(email=EMAIL, email_key=EMAIL, since=timezone.now())
    return lead, gone, other


def signed_in(client, group="Manager", **limits):
    user = StaffFactory(username=f"a {group}")
    user.groups.add(Group.objects.get(name=group))
    client.force_login(user)
    return user


def url_of(lead):
    return reverse("admin:leads_lead_forget", args=[lead.pk])


def printed(*args, **options):
    out = io.StringIO()
    call_command(*args, stdout=out, **options)
    return out.getvalue()


# --- the same address elsewhere


def test_other_places_are_named_and_stay_unless_they_are_ticked(client, places):
    lead, gone, other = places
    signed_in(client)

    page = client.get(url_of(lead)).content.decode()
    assert "The same address is also in" in page
    assert "7001002" in page and "7001003" in page and "Elsewhere" in page  # noqa: PT018
    answer = client.post(url_of(lead), {"typed": EMAIL}, follow=True).content.decode()

    assert sorted(Lead.objects.values_list("pk", flat=True)) == sorted([gone.pk, other.pk])
    assert "at other places that were not asked for: 2" in answer


def test_with_the_tick_they_go_too_each_with_a_request_of_its_own(client, places):
    signed_in(client)

    client.post(url_of(places[0]), {"typed": EMAIL, "everywhere": "on"})

    assert not Lead.objects.exists()
    assert sorted(DataSubjectRequest.objects.values_list("account__name", "kind", "lead")) == [
        ("Elsewhere", "erasure", None),
        ("Here", "erasure", None),
        ("Here", "erasure", None),
    ]


def test_accounts_of_others_are_neither_named_nor_reached(client, places):
    lead, _gone, other = places
    user = signed_in(client)
    StaffLimits.objects.create(user=user, limited=True).accounts.set([lead.account])

    page = client.get(url_of(lead)).content.decode()
    client.post(url_of(lead), {"typed": EMAIL, "everywhere": "on"})

    assert "7001003" not in page and "Elsewhere" not in page  # noqa: PT018
    assert list(Lead.objects.all()) == [other]


def test_nobody_else_no_tick(client, places):
    lead = LeadFactory(account=places[0].account, email="alone@example.com")
    signed_in(client)
    page = client.get(url_of(lead)).content.decode()
    assert "everywhere" not in page


def test_command_names_the_other_places_and_goes_there_when_it_is_said(places):
    told = printed("forget", "--connection", "Here", "--lead", EMAIL, "--yes")
    assert "Elsewhere: lead 7001003" in told
    assert list(Lead.objects.all()) == [places[2]]

    LeadFactory(account=places[0].account, kartra_id="7001009", email="Bo@example.com", email_key="bo@example.com")
    LeadFactory(account=places[2].account, kartra_id="7001010", email="bo@example.com", email_key="bo@example.com")
    told = json.loads(
        printed("forget", "--connection", "Here", "--lead", "bo@example.com", "--yes", "--everywhere", "--json")
    )
    assert told["erased"] == 2
    assert told["counts"]["leads.lead"] == 2
    assert any("its API deletes none" in words for words in told["only_kartra"])
    assert any("Backups" in words for words in told["could_not_know"])


# --- what is said of it


def test_page_of_the_request_says_what_was_removed_and_what_is_left(client, places):
    lead = places[0]
    TagFactory(account=lead.account, name=f"asked by {EMAIL}")
    LeadFactory(account=lead.account, first_name="Ada", last_name="Lind")
    signed_in(client)

    answer = client.post(url_of(lead), {"typed": EMAIL}, follow=True)

    page = answer.content.decode()
    assert answer.redirect_chain[-1][0] == DataSubjectRequest.objects.get().get_absolute_url()
    for words in (
        "What was removed or emptied",
        "Leads: 1</li>",
        "What we could not check",
        "Another lead of the account has the same name",
        "What only Kartra can do",
        "that are called after the person: 1",
        "erased",
        "a Manager",
    ):
        assert words in page, words
    stored = DataSubjectRequest.objects.values("counts", "remarks", "digest").get()
    assert EMAIL not in str(stored) and "7001001" not in str(stored) and "Ada" not in str(stored)  # noqa: PT018
    line = LogEntry.objects.get()
    assert (line.user.username, line.is_deletion()) == ("a Manager", True)


def test_command_line_is_named_as_who_asked_and_a_user_where_one_is_said(client, places, caplog):
    caplog.set_level("INFO")
    printed("forget", "--connection", "Here", "--lead", "7001001", "--yes")
    assert "From the command line: request" in caplog.text
    assert not LogEntry.objects.exists()

    user = signed_in(client)
    assert "from the command line" in client.get(reverse("admin:leads_datasubjectrequest_changelist")).content.decode()
    printed("forget", "--connection", "Here", "--lead", "7001002", "--yes", "--by", user.username)
    assert LogEntry.objects.get().user == user
    assert DataSubjectRequest.objects.first().asked_by == user
    with pytest.raises(CommandError, match="no user called nobody"):
        printed("forget", "--connection", "Elsewhere", "--lead", "7001003", "--yes", "--by", "nobody")


def test_request_that_cannot_be_carried_out_stands_open_until_it_is(client, places):
    lead = places[0]
    change = LeadChangeFactory(lead=lead, status="sending", family="tag:x")
    signed_in(client)
    client.post(url_of(lead), {"typed": EMAIL, "asked_on": "2026-01-05"})

    request = DataSubjectRequest.objects.get()
    assert (request.done_at, request.lead, request.due_at.date()) == (None, lead, dt.date(2026, 2, 4))
    assert "late" in client.get(reverse("admin:leads_datasubjectrequest_changelist")).content.decode()

    LeadChange.objects.filter(pk=change.pk).update(status="cancelled", settled_at=timezone.now())
    client.post(url_of(lead), {"typed": EMAIL})
    done = DataSubjectRequest.objects.get()
    assert (done.pk, done.lead, done.asked_at) == (request.pk, None, request.asked_at)
    assert done.done_at is not None
    assert done.digest == requests.digest_of(Lead(account=lead.account, kartra_id="7001001"))


def test_nobody_has_asked_tomorrow(client, places):
    lead = places[0]
    signed_in(client)
    tomorrow = timezone.localdate() + dt.timedelta(days=2)
    answer = client.post(url_of(lead), {"typed": EMAIL, "asked_on": str(tomorrow)})
    assert "This day has not come yet." in answer.content.decode()
    with pytest.raises(CommandError, match="not come yet"):
        printed("forget", "--connection", "Here", "--lead", "7001001", "--yes", "--asked", str(tomorrow))
    assert Lead.objects.filter(pk=lead.pk).exists()


def test_request_is_not_done_before_it_was_asked(places):
    at = timezone.now()
    given = {"account": places[0].account, "kind": "export", "digest": "x", "asked_at": at, "due_at": at}
    for wrong in ({"done_at": at - dt.timedelta(1)}, {"due_at": at - dt.timedelta(1)}, {"digest": ""}):
        with pytest.raises(IntegrityError), transaction.atomic():
            DataSubjectRequest.objects.create(**{**given, **wrong})


# --- who may


@pytest.mark.parametrize(
    ("group", "status"), [("Viewer", 403), ("Support", 403), ("Marketer", 403), ("Manager", 200), ("Engineer", 200)]
)
def test_who_sees_the_list(client, places, group, status):
    signed_in(client, group)
    forget.forget(places[0])
    request = DataSubjectRequest.objects.get()
    assert client.get(reverse("admin:leads_datasubjectrequest_changelist")).status_code == status
    assert client.get(request.get_absolute_url()).status_code == status
    assert ("Requests of people" in client.get(reverse("admin:decisions")).content.decode()) == (status == 200)


def test_who_may_forget_and_not_see_the_list_is_led_to_the_leads(client, places):
    user = StaffFactory()
    codes = ("forget_lead", "view_lead")
    user.user_permissions.set(Permission.objects.filter(codename__in=codes, content_type__app_label="leads"))
    client.force_login(user)
    answer = client.post(url_of(places[0]), {"typed": EMAIL})
    assert answer.headers["Location"] == reverse("admin:leads_lead_changelist")


def test_list_costs_the_same_queries_for_more_rows(client, places, django_assert_max_num_queries):
    signed_in(client)
    forget.forget(places[0])
    url = reverse("admin:leads_datasubjectrequest_changelist")
    client.get(url)
    with django_assert_max_num_queries(30) as few:
        client.get(url)
    for number in range(10):
        forget.forget(LeadFactory(account=places[0].account, email=f"x{number}@example.com"))
    with django_assert_max_num_queries(len(few.captured_queries)):
        client.get(url)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"])
def test_today_of_the_reader_can_be_asked_on_and_reads_as_that_day(client, places, zone):
    lead = places[0]
    client.cookies["time_zone"] = zone
    signed_in(client)
    with timezone.override(zone):
        today = timezone.localdate()
    for days in (0, 3):
        DataSubjectRequest.objects.all().delete()
        asked = today - dt.timedelta(days=days)
        answer = client.post(reverse("admin:leads_lead_held", args=[lead.pk]), {"as": "json", "asked_on": str(asked)})
        assert answer.status_code == 200
        kept = DataSubjectRequest.objects.get(kind="export").asked_at
        assert kept <= timezone.now()
        assert abs(kept.date() - asked) <= dt.timedelta(days=0 if days else 1)
