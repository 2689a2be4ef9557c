"""Two sets of leads side by side, and the buyers of a product who are not on a list."""

import csv
import re

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from leads.models import LeadTag, ListSubscription, Product, Transaction
from tests.factories import LeadFactory, MailingListFactory, SegmentFactory, StaffFactory, TagFactory
from tests.kartra_mirror.admin.drafts import LEADS

pytestmark = pytest.mark.django_db

COMPARE = "/admin/compare/"


@pytest.fixture
def sets(account):
    """Six people: 1-3 have the tag, 2-5 are on the list, 3 and 6 are from Peru; 5 has left the list."""
    people = [LeadFactory(account=account, country="Peru" if n in (3, 6) else "Fiji") for n in range(1, 7)]
    tag, members = TagFactory(account=account), MailingListFactory(account=account)
    since = {"since": timezone.now(), "source": "refresh"}
    for lead in people[:3]:
        LeadTag.objects.create(lead=lead, tag=tag, **since)
    for lead in people[1:5]:
        ListSubscription.objects.create(lead=lead, mailing_list=members, active=lead is not people[4], **since)
    segment = SegmentFactory(account=account, name="Peruvians", conditions={"country": ["Peru"]})
    return {
        "tag": f"tag-{tag.pk}",
        "list": f"list-{members.pk}",
        "segment": f"segment-{segment.pk}",
        "second": f"tag-{TagFactory(account=account).pk}",
        "fijians": f"segment-{SegmentFactory(account=account, name='Fijians', conditions={'country': ['Fiji']}).pk}",
    }


CASES = {
    ("tag", "list"): [1, 2, 1],  # only the tag, both, only the list
    ("tag", "segment"): [2, 1, 1],
    ("list", "segment"): [2, 1, 1],
    ("segment", "fijians"): [2, 0, 4],
    ("tag", "second"): [3, 0, 0],
}


@pytest.mark.parametrize("which", CASES, ids=" and ".join)
def test_each_number_is_that_of_the_list_that_it_opens(staff, account, sets, which):
    page = staff.get(COMPARE, {"one": sets[which[0]], "other": sets[which[1]]})

    parts = page.context_data["parts"]
    assert [part["number"] for part in parts] == CASES[which]
    assert [staff.get(part["url"]).context["cl"].result_count for part in parts] == CASES[which]


def test_two_tags_that_share_somebody_are_both_had(staff, account, sets):
    lead = LeadTag.objects.first().lead
    LeadTag.objects.create(lead=lead, tag_id=sets["second"][4:], since=timezone.now(), source="refresh")

    both = staff.get(COMPARE, {"one": sets["tag"], "other": sets["second"]}).context_data["parts"][1]

    assert both["number"] == 1
    assert list(staff.get(both["url"]).context["cl"].result_list) == [lead]


def test_numbers_cost_one_query_each(staff, sets, django_assert_max_num_queries):
    with django_assert_max_num_queries(60) as context:
        staff.get(COMPARE, {"one": sets["segment"], "other": sets["list"]})

    asked = [each["sql"] for each in context.captured_queries]
    counting = [sql for sql in asked if re.match(r'SELECT COUNT\(\*\) AS "__count" FROM "leads_lead"', sql)]
    assert len(counting) == 3


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"one": "tag", "other": "tag"}, "These are the same"),
        ({"one": "tag", "other": "elsewhere"}, "two accounts"),
        ({"one": "tag", "other": "broken"}, "cannot be read"),
    ],
)
def test_what_cannot_be_compared_says_why(staff, account, sets, asked, words):
    sets["elsewhere"] = f"tag-{TagFactory().pk}"
    broken = SegmentFactory(account=account, name="Broken", selection={"version": 99})
    sets["broken"] = f"segment-{broken.pk}"

    page = staff.get(COMPARE, {name: sets[each] for name, each in asked.items()})

    assert words in page.content.decode()
    assert page.context_data["parts"] == []


@pytest.mark.parametrize("key", ["tag-0", "tag-x", "tag", "lead-1", "segment-99999999999999999999", "tag-1 or 1"])
def test_what_is_not_there_is_not_found(staff, sets, key):
    assert staff.get(COMPARE, {"one": key}).status_code == 404


def test_page_needs_the_right_to_see_leads(client, sets):
    client.force_login(StaffFactory())

    assert client.get(COMPARE).status_code == 403


def test_pages_of_a_segment_a_list_and_a_tag_lead_there(staff, sets):
    for noun, model in (("segment", "segment"), ("list", "mailinglist"), ("tag", "tag")):
        page = staff.get(reverse(f"admin:leads_{model}_change", args=[sets[noun].partition("-")[2]]))
        assert f"{COMPARE}?one={sets[noun]}" in page.content.decode()


def test_buyers_who_are_not_on_a_list_are_one_click_from_the_product(staff, account, sets, tmp_path):
    """The filter, the segment saved from it, and its export say the same people."""
    product = Product.objects.create(account=account, name="Trail Club")
    people = list(account.leads.order_by("pk"))[-6:]
    for number, lead in enumerate(people[2:], start=1):  # the 3rd to the 6th; of them the 3rd and 4th are on the list
        Transaction.objects.create(
            account=account, kartra_id=str(number), lead=lead, product=product, type="sale", at=timezone.now()
        )
    page = staff.get(reverse("admin:leads_product_change", args=[product.pk]))
    form = page.context_data["buyers"]
    chosen = sets["list"].partition("-")[2]
    assert chosen in [str(value) for value, _name in form.fields["not_list"].choices]
    query = {"bought": form.initial["bought"], "not_list": chosen}

    listed = staff.get(LEADS, query).context["cl"].result_list
    saved = f"bought={product.pk}&not_list={chosen}"
    staff.post(reverse("admin:leads_segment_save"), {"query": saved, "name": "To be invited"})
    segment = account.segments.get(name="To be invited")
    call_command("export_leads", str(tmp_path / "leads.csv"), segment=segment.name)

    expected = {people[4].email, people[5].email}
    with (tmp_path / "leads.csv").open(encoding="utf-8-sig") as file:
        exported = {row[next(each for each in row if each.lower() == "email")] for row in csv.DictReader(file)}
    of_segment = staff.get(LEADS, {"segment": segment.pk}).context["cl"].result_list
    assert {lead.email for lead in listed} == {lead.email for lead in of_segment} == exported == expected
