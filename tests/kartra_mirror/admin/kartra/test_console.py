"""Calls by hand: the answer is shown, the credentials never, what is recorded is named, and the switch is obeyed."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.urls import reverse

from integrations.models import ApiCall, Connection
from leads.models import LeadChange, SequenceEnrollment
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


def test_console_shows_what_became_of_a_change(staff, sandbox, connection, settings):
    settings.CONSOLE_WAIT_S = 0.0
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    pairs = f"lead[id]={lead.kartra_id}\nactions[0][cmd]=assign_tag\nactions[0][tag_name]=VIP"

    page = staff.post(reverse("admin:integrations_connection_console"), {"connection": connection.pk, "pairs": pairs})

    change = LeadChange.objects.get()
    assert change.requested_by == staff.user
    assert f'<a href="{change.get_absolute_url()}">Assign the tag VIP: queued</a>' in page.content.decode()
    assert sandbox.calls() == []


@pytest.mark.parametrize("kind", ["assign_tag", "refund_transaction"])
def test_console_only_reads_for_an_engineer(client, sandbox, connection, kind):
    user = StaffFactory()
    user.groups.add(Group.objects.get(name="Engineer"))
    client.force_login(user)
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    url = reverse("admin:integrations_connection_console")
    pairs = {
        "assign_tag": f"lead[id]={lead.kartra_id}\nactions[0][cmd]=assign_tag\nactions[0][tag_name]=VIP",
        "refund_transaction": "actions[0][cmd]=refund_transaction\nactions[0][transaction_id]=7\nactions[0][refund_amount]=1",
    }[kind]

    refused = client.post(url, {"connection": connection.pk, "pairs": pairs}).content.decode()
    assert "you need the permission" in refused
    assert sandbox.calls() == []
    read = client.post(url, {"connection": connection.pk, "pairs": f"get_lead[id]={lead.kartra_id}"}).content.decode()
    assert "ada@example.com" in read


def test_console_writes_obey_the_switch(staff, sandbox, connection):
    Connection.objects.update(switched_on_at=None)
    pairs = "lead[email]=ada@example.com\nactions[0][cmd]=assign_tag\nactions[0][tag_name]=VIP"

    page = staff.post(reverse("admin:integrations_connection_console"), {"connection": connection.pk, "pairs": pairs})

    assert "read-only" in page.content.decode()
    assert sandbox.calls() == []


@pytest.mark.parametrize("name", ["integrations_connection_console", "leads_customfield_add"])
def test_console_and_custom_fields_have_permissions_of_their_own(client, connection, name):
    user = StaffFactory()
    user.user_permissions.set(Permission.objects.exclude(codename__in=["use_console", "create_customfield"]))
    client.force_login(user)

    assert client.get(reverse(f"admin:{name}")).status_code == 403
    assert CUSTOM
    assert not SequenceEnrollment.objects.exists()
