"""Changing fields in bulk: a field is picked and given its value; with a script the form alone comes back."""

import pytest

from leads.models import CustomField, Lead, LeadChange, RunDraft
from tests.factories import LeadFactory
from tests.kartra_mirror.admin.drafts import choose

pytestmark = pytest.mark.django_db
SCRIPT = {"HX-Request": "true"}


@pytest.fixture
def url(staff, account):
    return choose(staff, LeadFactory.create_batch(2, account=account), kind="update_lead")


def part_of(page, number=1):
    return page.context["parts"][number - 1]


def names(part):
    return [row["field"].name for row in part["picks"]]


def offered(part):
    return [name for _title, fields in part["form"].offered for name, _label in fields]


def test_no_field_stands_in_the_form_before_it_is_picked(staff, account, url):
    CustomField.objects.create(account=account, identifier="shoe", type="input_field")

    page = staff.get(url)

    assert names(part_of(page)) == []
    assert {"city", "first_name", "custom.shoe"} <= set(offered(part_of(page)))
    assert not {"tag", "points", "clear", "remove_tag"} & set(offered(part_of(page)))
    assert 'name="city"' not in page.content.decode()


def test_pick_without_a_script_is_kept_with_what_was_typed(staff, url):
    staff.post(url, {"do": "pick-1-city"})
    staff.post(url, {"do": "pick-1-company", "field": ["city"], "city": "Bend", "why": "Moved"})

    page = staff.get(url)

    assert names(part_of(page)) == ["city", "company"]
    assert part_of(page)["picks"][0]["field"].value() == "Bend"
    assert page.context["form"].initial["why"] == "Moved"
    assert "company" not in offered(part_of(page))


def test_pick_with_a_script_brings_the_form_and_leaves_the_preview(staff, url):
    staff.post(url, {"do": "preview", "field": ["city"], "city": "Bend"})
    before = RunDraft.objects.get().parameters

    answer = staff.post(url, {"do": "pick-1-company", "field": ["city"], "city": "Oslo"}, headers=SCRIPT)

    text = answer.content.decode()
    assert "<html" not in text
    assert names(answer.context["part"]) == ["city", "company"]
    assert 'value="Oslo"' in text
    assert "Give a value" not in text  # nobody complains of what is still being typed
    assert text.count("autofocus") == 1
    assert RunDraft.objects.get().parameters == before


def test_field_taken_out_is_not_asked_for(staff, url):
    given = {"field": ["city", "company"], "city": "Bend", "company": "Acme", "clear": ["company"]}
    staff.post(url, {"do": "unpick-1-company", **given})

    page = staff.get(url)
    assert names(part_of(page)) == ["city"]
    staff.post(url, {"do": "preview", "field": ["city"], "city": "Bend"})
    assert RunDraft.objects.get().parameters["clean"] == {"city": "Bend"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "Say what to change."),
        ({"field": ["city"], "city": ""}, "Give a value, or remove this field."),
        ({"field": ["city"], "city": "Bend", "clear": ["city"]}, "Give a value or make it empty, not both."),
    ],
)
def test_what_was_picked_has_to_be_answered(staff, url, given, words):
    page = staff.post(url, {"do": "preview", **given})

    assert page.status_code == 200
    assert words in page.content.decode()
    assert "clean" not in RunDraft.objects.get().parameters


def test_picked_field_can_become_empty(staff, url):
    Lead.objects.update(city="Bend")

    staff.post(url, {"do": "preview", "field": ["city", "company"], "city": "", "company": "Acme", "clear": ["city"]})

    page = staff.get(url)
    assert RunDraft.objects.get().parameters["clean"] == {"company": "Acme", "city": ""}
    assert page.context["preview"]["counted"].will_change == 2
    assert [(row["field"].name, row["empty"]) for row in part_of(page)["picks"]] == [("city", True), ("company", False)]


def test_address_is_offered_for_one_lead_alone(staff, account, url):
    assert "email" not in offered(part_of(staff.get(url)))

    one = choose(staff, [Lead.objects.first()], kind="update_lead")

    assert "email" in offered(part_of(staff.get(one)))


def test_second_action_has_picks_of_its_own(staff, account):
    url = choose(staff, LeadFactory.create_batch(2, account=account))
    staff.post(url, {"do": "add", "kind": "update_lead", "tag": "VIP"})

    answer = staff.post(url, {"do": "pick-2-city", "tag": "VIP"}, headers=SCRIPT)
    assert 'name="2-city"' in answer.content.decode()
    staff.post(url, {"do": "preview", "tag": "VIP", "2-field": ["city"], "2-city": "Bend"})
    shown = staff.get(url).context["preview"]
    staff.post(url, {"do": "start", "mark": shown["mark"]})

    assert sorted(LeadChange.objects.values_list("kind", flat=True)) == ["assign_tag"] * 2 + ["update_lead"] * 2


@pytest.mark.parametrize("do", ["pick-1-city", "pick-9-city", "unpick-x-city", "pick-1-"])
def test_pick_that_no_button_sends_breaks_nothing(staff, account, do):
    url = choose(staff, LeadFactory.create_batch(2, account=account))  # a tag has no fields to pick

    assert staff.post(url, {"do": do, "tag": "VIP"}, headers=SCRIPT).status_code == 404
    assert staff.post(url, {"do": do, "tag": "VIP"}).status_code == 302
