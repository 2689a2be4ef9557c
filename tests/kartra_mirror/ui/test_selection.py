"""Choosing on the leads list: whom the list shows is whom the selection means, however it is narrowed."""

import json

import pytest
from django.http import QueryDict
from django.urls import reverse

from kartra_mirror.ui import selection
from leads.filters import CannotResolve
from leads.filters.selection import Everybody, as_json, from_json
from leads.models import BulkRun, Lead, RunDraft, Segment, StaffLimits
from tests.factories import ConnectionFactory, LeadFactory, SegmentFactory, StaffFactory, TagFactory
from tests.kartra_mirror.admin.drafts import LEADS, choose, preview
from tests.leads.filters.cases import CASES, UNREADABLE, lead_with_everything

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada():
    ada = lead_with_everything(ConnectionFactory().account)
    LeadFactory(first_name="Cy", country="Spain")  # of another account
    SegmentFactory(account=ada.account, name="Spain", conditions={"country": ["Spain"]})
    return ada


def listed(client, query):
    """Whom the list shows, on all of its pages."""
    answer = client.get(f"{LEADS}?{query}")
    assert answer.status_code == 200, query
    return set(answer.context["cl"].queryset.order_by().values_list("first_name", flat=True))


def meant(query, *people):
    """Whom the selection means that is made of the list's address, kept, and read again."""
    try:
        kept = json.loads(json.dumps(as_json(selection.of_list(QueryDict(query)))))
        leads = selection.leads_of(from_json(kept), people)
    except CannotResolve:
        return set()
    return set(leads.values_list("first_name", flat=True))


def query_of(wanted):
    query = QueryDict(mutable=True)
    for name, values in wanted.items():
        query.setlist(name, values)
    return query.urlencode()


@pytest.mark.parametrize("prefix", ["", "not_"])
@pytest.mark.parametrize("name", CASES)
def test_selection_means_whom_the_list_shows(client, ada, name, prefix):
    client.force_login(StaffFactory(is_superuser=True))
    query = query_of({f"{prefix}{key}": values for key, values in CASES[name]().items()})

    shown = listed(client, query)

    assert shown
    assert meant(query) == shown


MORE = {
    "nothing": "",
    "an order and a page": "o=2.-1&p=1&all=",
    "search": "q=ada+loom",
    "search twice": "q=ada&q=bo",
    "search of spaces": "q=++",
    "search of too many words": "q=" + "+".join(map(str, range(60))),
    "search and filter": "q=lind&country=Spain",
    "filters that exclude one another": "country=Spain&not_country=Spain",
    "an empty filter": "country=&score_min=",
    "an account": "account={account}",
    "an account as other pages say it": "account__id__exact={account}",
    "not an account": "not_account={account}",
    "a segment": "segment={segment}",
    "not a segment": "not_segment={segment}",
    "a segment and its opposite": "segment={segment}&not_segment={segment}",
    "several conditions": "segment={segment}&score_min=1&q=a&o=1",
}


@pytest.mark.parametrize("name", MORE)
def test_selection_means_whom_the_list_shows_by_search_segment_and_account(client, ada, name):
    client.force_login(StaffFactory(is_superuser=True))
    query = MORE[name].format(account=ada.account_id, segment=Segment.objects.get().pk)

    assert meant(query) == listed(client, query)


@pytest.mark.parametrize("name", ["nothing", "search of spaces", "not an account", "a segment", "not a segment"])
def test_selection_means_whom_a_person_of_one_account_is_shown(client, ada, name):
    person = StaffFactory(is_superuser=False)
    person.groups.add(*person.groups.model.objects.filter(name="Manager"))
    StaffLimits.objects.create(user=person, limited=True).accounts.add(Lead.objects.get(first_name="Cy").account)
    client.force_login(person)
    query = MORE[name].format(account=ada.account_id, segment=Segment.objects.get().pk)

    assert meant(query, person) == listed(client, query)
    assert meant(query, StaffFactory(is_superuser=True), person) == listed(client, query)


SHOWN_AS_NOBODY = [each for each in UNREADABLE if "nonsense" not in each and "\\x00" not in repr(each)]
"""Of the others Django says itself that the address is wrong."""


@pytest.mark.parametrize("wanted", SHOWN_AS_NOBODY)
def test_list_that_shows_nobody_because_it_is_not_understood_means_nobody(client, ada, wanted):
    client.force_login(StaffFactory(is_superuser=True))

    assert meant(query_of(wanted)) == listed(client, query_of(wanted)) == set()


@pytest.mark.parametrize("query", ["email=ada@example.com", "score__gt=5", "nonsense=1", "q=ada&pk__in=1,2"])
def test_what_narrows_the_list_but_cannot_be_kept_is_refused(client, ada, query):
    client.force_login(StaffFactory(is_superuser=True))
    with pytest.raises(CannotResolve, match="which cannot be saved"):
        selection.of_list(QueryDict(query))

    if query.startswith("email"):
        url = choose(client, [ada], everything=True, query=f"?{query}")
        assert not RunDraft.objects.exists()
        assert "which cannot be saved" in client.get(url).content.decode()
        export = client.get(f"{reverse('admin:leads_lead_export')}?{query}", follow=True)
        assert "which cannot be saved" in export.content.decode()


STALE = {
    "a later version": {"version": 2, "leads": {"everybody": True}},
    "the list's query of old": {"query": ""},
    "a condition nobody knows": {"version": 1, "leads": {"condition": "moon", "values": {"moon": ["full"]}}},
    "a segment that is gone": {"version": 1, "leads": {"not": {"segments": [987654321]}}},
}


@pytest.mark.parametrize("name", STALE)
def test_draft_that_is_not_understood_says_so_and_starts_nothing(client, ada, name):
    person = StaffFactory(is_superuser=True)
    client.force_login(person)
    draft = RunDraft.objects.create(
        created_by=person,
        kind="give_points",
        selection=STALE[name],
        listed="country=Spain",
        parameters={"clean": {"points": 5}, "form": {}},
    )

    for answer in (client.get(draft.get_absolute_url()), client.post(draft.get_absolute_url(), {"do": "start"})):
        assert answer.url == f"{LEADS}?country=Spain"
    assert "hoose the" in client.get(answer.url).content.decode()
    assert not RunDraft.objects.exclude(run=None).exists()


def test_list_without_a_filter_is_everybody_and_says_so():
    assert selection.of_list(QueryDict("o=1&p=3")) == Everybody()


@pytest.mark.parametrize("query", ["q=ada+loom", "not_country=Peru&q=ada", "copy=due&bought=any"])
def test_bulk_action_and_export_are_of_whom_the_list_shows(client, ada, query):
    TagFactory(account=ada.account, name="Spring")
    client.force_login(StaffFactory(is_superuser=True))
    url = choose(client, [ada], everything=True, query=f"?{query}")

    shown = preview(client, url, tag="Spring")
    client.post(url, {"do": "start", "mark": shown["mark"]})
    export = client.get(f"{reverse('admin:leads_lead_export')}?{query}")

    assert [change.lead for change in BulkRun.objects.get().changes.all()] == [ada]
    assert export.context["chosen"] == 1
