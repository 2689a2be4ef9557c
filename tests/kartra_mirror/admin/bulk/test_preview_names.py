"""The names of a preview: the first few of each group with what changes, and all of them behind a link."""

import pytest
from django.utils import timezone

from kartra_mirror.admin.bulk import preview_names
from leads.models import CustomField, Lead, LeadTag
from tests.factories import LeadFactory, TagFactory
from tests.kartra_mirror.admin.drafts import choose, preview

pytestmark = pytest.mark.django_db


def give(lead, *names):
    for name in names:
        tag = lead.account.tags.filter(name=name).first() or TagFactory(account=lead.account, name=name)
        LeadTag.objects.create(lead=lead, tag=tag, since=timezone.now(), source="refresh")


def told(client, url, **given):
    shown = preview(client, url, **given)
    return [(lead.now, [(each["look"], each["words"]) for each in lead.then]) for lead in shown["names"]]


def test_tags_before_and_after(staff, account):
    lead = LeadFactory(account=account)
    give(lead, "a", "b", "c", "d")

    assert told(staff, choose(staff, [lead])) == [(["a, b, c, +1"], [("gain", "+ VIP")])]
    assert told(staff, choose(staff, [lead], kind="unassign_tag"), tag="b") == [(["a, b, c, +1"], [("loss", "b")])]


def test_fields_before_and_after(staff, account):
    CustomField.objects.create(account=account, identifier="shoe", type="drop_down", options=[[7, "Big"], [8, "Small"]])
    lead = LeadFactory(account=account, city="Bend", custom_values={"shoe": [["8", "Small"]]})
    url = choose(staff, [lead], kind="update_lead")

    given = {
        "tag": "",
        "city": "Oslo",
        "custom.shoe": "7",
        "field": ["city", "company", "custom.shoe"],
        "clear": ["company"],
    }

    before, after = told(staff, url, **given)[0]
    assert sorted(before) == ["City: Bend", "Company: —", "Shoe: Small"]
    assert sorted(after) == [("gain", "City: Oslo"), ("gain", "Company: empty"), ("gain", "Shoe: Big")]


def test_points_before_and_after(staff, account):
    url = choose(staff, [LeadFactory(account=account, score=3)], kind="give_points")

    assert told(staff, url, points="2") == [(["3 points"], [("gain", "5 points")])]


def test_of_several_only_what_changes_for_this_lead(staff, account):
    has, lacks = LeadFactory.create_batch(2, account=account, score=0)
    give(has, "VIP")
    url = choose(staff, [has, lacks])
    staff.post(url, {"do": "add", "kind": "give_points", "tag": "VIP"})

    found = told(staff, url, **{"2-points": "5"})

    assert [after for _before, after in found] == [
        [("gain", "+ VIP"), ("gain", "5 points")],
        [("gain", "5 points")],
    ]


def test_all_names_of_a_group_are_behind_a_link(staff, account):
    leads = LeadFactory.create_batch(12, account=account)
    for lead in leads[:11]:
        give(lead, "VIP")
    url = choose(staff, leads)
    preview(staff, url)

    page = staff.get(url).content.decode()
    assert 'href="?group=already_so"' in page
    assert 'href="?group=will_change"' not in page  # it is named already
    names = staff.get(f"{url}?group=already_so")

    assert names.context["title"] == "11 leads: no change needed"
    assert {lead.pk for lead in names.context["shown"]} == {lead.pk for lead in leads[:11]}
    assert staff.get(f"{url}?group=nonsense").context["preview"] is not None


def test_many_names_come_a_page_at_a_time(staff, account):
    number = preview_names.ON_A_PAGE + 1
    Lead.objects.bulk_create(LeadFactory.build_batch(number, account=account))
    url = choose(staff, [Lead.objects.first()], everything=True)
    preview(staff, url)
    assert 'href="?group=will_change"' in staff.get(url).content.decode()

    first, second = (staff.get(f"{url}?group=will_change&page={page}") for page in (1, 2))

    assert [len(each.context["shown"]) for each in (first, second)] == [preview_names.ON_A_PAGE, 1]
    assert "group=will_change&amp;page=2" in first.content.decode()
