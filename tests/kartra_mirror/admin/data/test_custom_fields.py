"""A custom field is made in Kartra as it was typed."""

import pytest
from django.urls import reverse

from leads.models import CustomField
from tests.flows.steps import said

pytestmark = pytest.mark.django_db(transaction=True)


def test_custom_field_is_made_in_kartra(staff, sandbox, connection):
    url = reverse("admin:leads_customfield_add")
    given = {"connection": connection.pk, "identifier": "shoe_size", "type": "drop_down", "options": "40\n41\n"}

    assert staff.post(url, given).status_code == 302

    first = sandbox.calls()[0]
    assert said(first) == [
        {
            "cmd": "create_custom_field",
            "custom_field_identifier": "shoe_size",
            "custom_field_type": "drop_down",
            "custom_field_options": {"0": {"option_name": "40"}, "1": {"option_name": "41"}},
        }
    ]
    assert "lead" not in first["form"]
    assert [words for _, words in CustomField.objects.get(identifier="shoe_size").options] == ["40", "41"]
    assert "letters, digits" in staff.post(url, {**given, "identifier": "shoe size"}).content.decode()


def test_options_of_a_custom_field_go_as_typed_and_odd_ones_are_asked_about_first(staff, sandbox, connection):
    url = reverse("admin:leads_customfield_add")
    given = {"connection": connection.pk, "identifier": "size", "type": "drop_down", "options": "<40>\r\n &=%🦊 \r\n"}

    assert "firewall is reported to refuse" in staff.post(url, given).content.decode()
    assert sandbox.calls() == []
    staff.post(url, {**given, "confirmed": "1"})

    names = [each["option_name"] for each in said(sandbox.calls()[0])[0]["custom_field_options"].values()]
    assert names == ["<40>", " &=%🦊 "]
