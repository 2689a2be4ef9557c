"""Kartra says Success to a custom field that it does not have, and does nothing. The read that follows shows it."""

import json
from io import StringIO

import pytest
from django.core.management import call_command

from integrations import push
from integrations.models import Connection
from integrations.read import lead_answer, lead_lookup, refresh
from leads import changes, kinds
from leads.mirror.confirmed import READ_BACK_EVERY, READ_BACK_FIRST
from leads.models import ChangeStatus, CustomField, Lead, LeadChange
from tests.flows.steps import settle_all
from tests.recording import record_change

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def field(sandbox, connection):
    """A custom field that was deleted in Kartra and is still in our copy."""
    sandbox.act("delete_custom_field", name="crm_ref")
    return "custom.crm_ref"


def read_all(connection):
    for lead in Lead.objects.filter(dirty_at__isnull=False):
        lead_answer.apply_answer(
            connection,
            lead,
            lead_lookup.ask(
                connection, kartra_id=lead.kartra_id, email=lead.email, cause="refresh", priority=4, lead=lead
            ),
        )


def test_edit_of_a_field_that_kartra_has_not_is_refused_by_the_read_that_follows(sandbox, connection, field, settings):
    settings.VERIFY_SETTLE_S = [0.0, 0.1, 0.2]
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    change = record_change(lead, kinds.get_kind("update_lead"), {field: "A-1009", "city": "Bend"})
    push.drain(connection)
    change.refresh_from_db()
    assert change.status == ChangeStatus.ACCEPTED

    read_all(connection)

    change.refresh_from_db()
    lead.refresh_from_db()
    assert change.status == ChangeStatus.REJECTED
    assert "crm_ref" in change.words
    assert change.words.endswith("Its other fields were set.")
    assert "crm_ref" not in lead.custom_values
    assert lead.city == "Bend"
    assert CustomField.objects.get(identifier="crm_ref").missing_since is not None
    assert Connection.objects.get(pk=connection.pk).catalogue_due


def test_every_edit_of_such_a_field_is_refused_not_the_last_alone(sandbox, connection, field, settings):
    settings.VERIFY_SETTLE_S = [0.0, 0.1, 0.2]
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    for value in ("A-1", "A-2"):
        record_change(lead, kinds.get_kind("update_lead"), {field: value})
        push.drain(connection)
    assert set(LeadChange.objects.values_list("status", flat=True)) == {"accepted"}

    read_all(connection)

    assert set(LeadChange.objects.values_list("status", flat=True)) == {"rejected"}


def test_lost_answer_about_such_a_field_ends_as_refused(sandbox, connection, field):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sandbox.fault("carried out, then dropped", cmd="edit_lead")
    change = record_change(lead, kinds.get_kind("update_lead"), {field: "A-1009", "city": "Bend"})

    settle_all(connection)

    change.refresh_from_db()
    assert change.status == ChangeStatus.REJECTED
    assert "no custom field crm_ref" in change.words


def test_comparison_names_a_value_that_kartra_does_not_show(sandbox, connection, field):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    Lead.objects.filter(pk=lead.pk).update(custom_values={"crm_ref": "A-1009"})

    out = StringIO()
    call_command("pull", connection=connection.name, compare=True, json=True, stdout=out)

    [told] = json.loads(out.getvalue())["compared"]["leads"]
    assert {"field": "custom.crm_ref", "was": "A-1009", "is": ""} in told["differences"]


def test_bulk_edit_is_read_back_by_samples_and_whole_once_one_fails(sandbox, connection, field, settings):
    settings.VERIFY_SETTLE_S = [0.0, 0.1, 0.2]
    leads = [sandbox.mirrored_lead(connection, f"lead{n}@example.com") for n in range(READ_BACK_FIRST + 4)]
    run = changes.record_run(connection.account, Lead.objects.all(), kinds.get_kind("update_lead"), {field: "A-1"})
    settle_all(connection)
    later = run.changes.order_by("pk").values_list("pk", flat=True)[READ_BACK_FIRST:]
    samples = READ_BACK_FIRST + sum(pk % READ_BACK_EVERY == 0 for pk in later)
    assert Lead.objects.filter(dirty_at__isnull=False).count() == samples < len(leads)

    read_all(connection)
    read_all(connection)

    assert set(run.changes.values_list("status", flat=True)) == {"rejected"}
    assert run.changes.count() == len(leads)


def test_field_that_kartra_has_stays_done(sandbox, connection, settings):
    settings.VERIFY_SETTLE_S = [0.0, 0.1, 0.2]
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    change = record_change(lead, kinds.get_kind("update_lead"), {"custom.crm_ref": "A-1009"})
    push.drain(connection)

    read_all(connection)

    assert LeadChange.objects.get(pk=change.pk).status == ChangeStatus.ACCEPTED
    lead.refresh_from_db()
    assert lead.custom_values["crm_ref"] == "A-1009"


@pytest.mark.parametrize(
    ("switches", "asked", "told"),
    [
        ({"empty_field": "kept"}, {"city": "", "state": "Oregon"}, "city"),
        ({"edit_to_known_email": ""}, {"email": "taken@example.com"}, "email"),
    ],
    ids=["an empty field that Kartra keeps", "an address that another lead has"],
)
def test_what_kartra_passes_over_is_refused_by_the_read_that_follows(
    sandbox, connection, settings, switches, asked, told
):
    settings.VERIFY_SETTLE_S = [0.0, 0.1, 0.2]
    sandbox.switch(**switches)
    sandbox.add_lead("taken@example.com")
    lead = sandbox.mirrored_lead(connection, "ada@example.com", city="Bend")
    change = record_change(lead, kinds.get_kind("update_lead"), asked)
    push.drain(connection)
    assert LeadChange.objects.get(pk=change.pk).status == ChangeStatus.ACCEPTED

    read_all(connection)

    change.refresh_from_db()
    lead.refresh_from_db()
    assert change.status == ChangeStatus.REJECTED
    assert f"shows the old value of {told}" in change.words
    assert (lead.city, lead.email) == ("Bend", "ada@example.com")


def test_an_emptied_field_that_somebody_fills_anew_later_stays_done(sandbox, connection, settings):
    settings.VERIFY_SETTLE_S = [0.0, 0.1, 0.2]
    lead = sandbox.mirrored_lead(connection, "ada@example.com", city="Bend")
    change = record_change(lead, kinds.get_kind("update_lead"), {"city": ""})
    push.drain(connection)
    read_all(connection)
    sandbox.act("edit_lead", lead=lead.kartra_id, fields={"city": "Bend"})

    refresh.read_lead(connection, lead=Lead.objects.get())

    assert LeadChange.objects.get(pk=change.pk).status == ChangeStatus.ACCEPTED
    assert Lead.objects.get().city == "Bend"
