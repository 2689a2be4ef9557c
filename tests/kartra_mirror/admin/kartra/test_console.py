"""Any call by hand: the answer is shown, the credentials never, and the switch is obeyed."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from integrations.models import ApiCall, Connection
from leads.models import SequenceEnrollment
from tests.factories import StaffFactory
from tests.flows.steps import CUSTOM

pytestmark = pytest.mark.django_db(transaction=True)


def test_console_shows_the_answer_and_never_the_credentials(staff, sandbox, connection):
    url = reverse("admin:integrations_connection_console")
    page = staff.post(
        url, {"connection": connection.pk, "pairs": "actions[0][cmd]=retrieve_account_pages\n"}
    ).content.decode()

    assert "Landing A" in page
    for secret in (sandbox.key, sandbox.password):
        assert secret not in page
    call = ApiCall.objects.get()
    assert (call.commands, call.cause, call.made_by) == ("retrieve_account_pages", "console", staff.user)


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ("", "required"),
        ("hello", "no “=”"),
        ("=x", "needs a name"),
        ("api_key=x", "credentials are added"),
        ("app_id[0]=x", "credentials are added"),
    ],
)
def test_console_refuses_in_words(staff, sandbox, connection, pairs, words):
    page = staff.post(reverse("admin:integrations_connection_console"), {"connection": connection.pk, "pairs": pairs})

    assert words in page.content.decode()
    assert sandbox.calls() == []


def test_console_writes_obey_the_switch(staff, sandbox, connection):
    Connection.objects.update(switched_on_at=None)
    pairs = "lead[email]=ada@example.com\nactions[0][cmd]=assign_tag\nactions[0][tag_name]=VIP"

    page = staff.post(reverse("admin:integrations_connection_console"), {"connection": connection.pk, "pairs": pairs})

    assert "look-only" in page.content.decode()
    assert sandbox.calls() == []


@pytest.mark.parametrize("name", ["integrations_connection_console", "leads_customfield_add"])
def test_console_and_custom_fields_have_permissions_of_their_own(client, connection, name):
    user = StaffFactory()
    user.user_permissions.set(Permission.objects.exclude(codename__in=["use_console", "create_customfield"]))
    client.force_login(user)

    assert client.get(reverse(f"admin:{name}")).status_code == 403
    assert CUSTOM
    assert not SequenceEnrollment.objects.exists()
