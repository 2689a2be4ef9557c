"""The columns of the leads list, which each person chooses."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from kartra_mirror.admin.leads.listing.columns import MOST, PLAIN
from leads.models import CustomField, LeadListColumns, LeadTag, StaffLimits
from tests.factories import AccountFactory, LeadFactory, StaffFactory, TagFactory
from tests.kartra_mirror.admin.drafts import LEADS

pytestmark = pytest.mark.django_db

COLUMNS = f"{LEADS}columns/"


@pytest.fixture
def lead(account):
    CustomField.objects.create(account=account, identifier="Colour", type="drop_down")
    return LeadFactory(
        account=account,
        first_name="Ada",
        phone="555 0100",
        date_joined=timezone.now().replace(year=2024, month=4, day=3, hour=12),
        custom_values={"Colour": [[7, "red"], [8, "blue"]]},
    )


def headers(client, query=""):
    """The columns that the list shows, by class."""
    return re.findall(r'<th scope="col" class="column-(\w+)"', client.get(f"{LEADS}{query}").content.decode())


def offered(client):
    return re.findall(r'name="column" value="([^"]+)"( checked)?', client.get(COLUMNS).content.decode())


def choose(client, *names, query="", **more):
    return client.post(COLUMNS, {"column": names, "query": query, **more})


def test_list_begins_with_the_usual_columns(staff, lead):
    assert headers(staff) == ["who", "email", "tags", "lists", "country", "score", "as_of"]
    assert [name for name, on in offered(staff) if on] == ["email", "tags", "lists", "country", "score", "as_of"]
    assert {name for name, _on in offered(staff)} == {*PLAIN, "custom:Colour"}


def test_columns_are_kept_for_the_person_and_reset(staff, client, lead):
    choose(staff, "phone", "date_joined", "custom:Colour", "score")

    text = staff.get(LEADS).content.decode()
    assert headers(staff) == ["who", "score", "phone", "date_joined", "custom"]
    for name, value in (("phone", "555 0100"), ("date_joined", "3 Apr 2024"), ("custom", "red, blue")):
        assert f'<td class="field-{name}">{value}</td>' in text
    choose(staff, reset="1")
    assert not LeadListColumns.objects.exists()
    assert headers(staff)[1] == "email"


def test_columns_of_one_person_are_not_those_of_another(staff, client, lead):
    LeadListColumns.objects.create(user=StaffFactory(), names=["phone"])

    assert "phone" not in headers(staff)


def test_column_of_a_custom_field_that_is_no_more_is_passed_over(staff, lead):
    LeadListColumns.objects.create(user=staff.user, names=["email", "custom:Colour", "custom:Never", "nonsense"])
    assert headers(staff) == ["who", "email", "custom"]

    CustomField.objects.update(missing_since=timezone.now())
    assert headers(staff) == ["who", "email"]
    CustomField.objects.all().delete()
    assert headers(staff) == ["who", "email"]
    assert "custom:Colour" not in dict(offered(staff))


def test_what_cannot_be_a_column_is_not_kept(staff, lead):
    choose(staff, "email", "custom_values", "custom:Never", "custom:\x00", "notes")

    assert LeadListColumns.objects.get().names == ["email"]


def test_more_columns_than_have_room_are_refused(staff, lead):
    answer = staff.post(COLUMNS, {"column": PLAIN[: MOST + 1], "query": ""}, follow=True)

    assert f"At most {MOST} columns have room beside the name. Nothing was changed." in answer.content.decode()
    assert not LeadListColumns.objects.exists()


def test_one_who_works_in_one_account_sees_custom_fields_of_no_other(client, lead, account):
    CustomField.objects.create(account=AccountFactory(), identifier="Secret", type="input_field")
    user = StaffFactory()
    user.user_permissions.set(Permission.objects.filter(codename="view_lead"))
    StaffLimits.objects.create(user=user, limited=True).accounts.add(account)
    LeadListColumns.objects.create(user=user, names=["email", "custom:Secret", "custom:Colour"])
    client.force_login(user)

    assert headers(client) == ["who", "email", "custom"]
    assert "Secret" not in client.get(COLUMNS).content.decode() + client.get(LEADS).content.decode()
    choose(client, "custom:Secret", "email")
    assert LeadListColumns.objects.get(user=user).names == ["email"]


SORTS = {
    "by a column that moves": ("country=Spain&o=-6", ["score", "phone"], "country=Spain&o=-2"),
    "by two": ("o=5.-6", ["country", "score"], "o=2.-3"),
    "by a column that goes": ("o=5.6&p=2", ["score"], "p=2&o=2"),
    "by the name": ("o=1", ["phone"], "o=1"),
    "by none": ("q=ada", ["phone"], "q=ada"),
    "by nonsense": ("o=x.99.-", ["phone"], ""),
}


@pytest.mark.parametrize("name", SORTS)
def test_sort_stays_with_its_column(staff, lead, name):
    query, chosen, expected = SORTS[name]

    assert choose(staff, *chosen, query=query).url == (f"{LEADS}?{expected}" if expected else LEADS)


def test_list_costs_the_same_for_more_rows_and_more_columns(staff, lead, account, django_assert_max_num_queries):
    tag = TagFactory(account=account)
    identifiers = [f"field {number}" for number in range(5)]
    CustomField.objects.bulk_create(
        CustomField(account=account, identifier=name, type="input_field") for name in identifiers
    )
    LeadListColumns.objects.create(user=staff.user, names=["email", "custom:Colour"])
    staff.get(LEADS)
    with django_assert_max_num_queries(40) as few:
        staff.get(LEADS)
    for each in LeadFactory.create_batch(30, account=account, custom_values=dict.fromkeys(identifiers, "x")):
        LeadTag.objects.create(lead=each, tag=tag, since=timezone.now(), source="refresh")
    names = ["email", "tags", "lists", "phone", "date_joined", *(f"custom:{name}" for name in identifiers)]
    LeadListColumns.objects.update(names=names)

    with django_assert_max_num_queries(len(few.captured_queries)):
        text = staff.get(LEADS).content.decode()
    assert text.count('<td class="field-custom">x</td>') == 150


def test_menu_is_a_part_for_scripts_and_a_page_without(staff, lead):
    assert "<html" not in staff.get(COLUMNS, headers={"HX-Request": "true"}).content.decode()
    assert "<html" in staff.get(COLUMNS).content.decode()
    assert f'href="{COLUMNS}?country=Spain"' in staff.get(f"{LEADS}?country=Spain").content.decode()
