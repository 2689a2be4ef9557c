"""The hard cases about who somebody is, each by its number: 6, 7, 14. docs/guarantees.md names them."""

import json
import time

import pytest
from django.utils import timezone

from integrations import push, receive
from integrations.models import ApiCall
from integrations.read import refresh
from leads import changes, forgotten, mirror
from leads.erasure import forget
from leads.models import Forgotten, Lead, LeadChange
from leads.models.remarks import sentence_of
from tests.factories import DeliveryFactory, WebhookEndpointFactory
from tests.flows.steps import points, settle_all, tag

pytestmark = pytest.mark.django_db(transaction=True)


# --- 6: addresses that changed in Kartra


def test_case_6_swapped_addresses_stay_two_people(sandbox, connection):
    ada, bo = (sandbox.mirrored_lead(connection, f"{name}@example.com") for name in ("ada", "bo"))
    sandbox.act("swap_emails", lead=ada.kartra_id, other=bo.kartra_id)

    for lead in (ada, bo):
        refresh.read_lead(connection, lead=lead)

    assert {each.kartra_id: each.email for each in Lead.objects.all()} == {
        ada.kartra_id: "bo@example.com",
        bo.kartra_id: "ada@example.com",
    }


# --- 7: a lead deleted in Kartra


def test_case_7_deleted_lead_is_marked_and_its_changes_end(sandbox, connection, lead):
    change, other = tag(lead), points(lead)
    sandbox.act("delete_lead", lead=lead.kartra_id)

    settle_all(connection)

    assert [(c.status, c.reason) for c in LeadChange.objects.all()] == [("skipped", "gone")] * 2
    lead.refresh_from_db()
    assert lead.gone_at is not None
    sandbox.act("undelete_lead", lead=lead.kartra_id)
    time.sleep(0.4)  # a read so soon after a call of ours does not count
    refresh.read_lead(connection, lead=lead)
    lead.refresh_from_db()
    assert lead.gone_at is None
    assert {change.pk, other.pk} == set(LeadChange.objects.values_list("pk", flat=True))


# --- 14: a person who was forgotten comes back


def test_case_14_forgotten_person_is_left_out_at_every_entrance(sandbox, connection, lead):
    endpoint = WebhookEndpointFactory(connection=connection)
    tag(lead)
    push.drain(connection)
    id = lead.kartra_id
    forget.forget(Lead.objects.get(pk=lead.pk))
    assert not Lead.objects.exists()
    assert not LeadChange.objects.exists()
    assert not ApiCall.objects.filter(lead__isnull=False).exists()

    body = json.dumps(
        {
            "action": "assign_tag",
            "action_details": {"tag": {"tag_id": "1", "tag_name": "VIP"}},
            "lead": {"id": id, "email": " ADA@example.com"},
        }
    ).encode()
    delivery = DeliveryFactory(endpoint=endpoint, body=body, size=len(body))
    receive.drain()
    delivery.refresh_from_db()
    assert "asked to be forgotten" in sentence_of(delivery.reason)
    assert b"ADA" not in bytes(delivery.body)

    with pytest.raises(forgotten.LeftOut):
        refresh.read_lead(connection, email="ada@example.com")
    with pytest.raises(changes.CannotRecord):
        changes.create_lead(connection.account, {"email": "ada@example.com"})
    written = mirror.write_rows(connection.account, [mirror.Row(number=2, email="Ada@example.com")], at=timezone.now())
    assert "asked to be forgotten" in sentence_of(written.refused[0][1])
    assert not Lead.objects.exists()
    assert sum(Forgotten.objects.values_list("met", flat=True)) == 3  # by id and address, and by the file's address
