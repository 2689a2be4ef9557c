"""A lead's fields are said once: whoever has names of its own has the same ones."""

from integrations.kartra.profile import SCALARS
from kartra_mirror.ui.lead_fields import GROUPS
from leads.exporting.kartra import COLUMNS
from leads.fields import BY_NAME, FIELDS, LEAD_FIELDS, NOT_READ, WRITABLE
from leads.importing.columns import LEADS
from leads.models import Lead

OURS = {
    "id": "our own key",
    "account": "whose it is",
    "kartra_id": "its identity, no value",
    "email_key": "the address as it is compared",
    "custom_values": "custom fields, by identifier",
    "extra": "keys that nobody has documented",
    "known_since": "our bookkeeping",
    "known_from": "our bookkeeping",
    "read_at": "our bookkeeping",
    "dirty_at": "our bookkeeping",
    "absent_at": "our bookkeeping",
    "read_not_before": "our bookkeeping",
    "orders_read_at": "our bookkeeping",
    "orders_due_at": "our bookkeeping",
    "said_deleted_at": "our bookkeeping",
    "gone_at": "our bookkeeping",
    "gone_reason": "our bookkeeping",
    "changed_seq": "our bookkeeping",
    "changed_xid": "our bookkeeping",
}
"""Columns of a lead that no entry is about, and why."""


def test_every_column_is_an_entry_or_ours():
    columns = {field.name for field in Lead._meta.get_fields() if field.concrete}

    assert columns - set(FIELDS) == set(OURS)
    assert set(FIELDS) <= columns
    assert len(BY_NAME) == len(LEAD_FIELDS)


def test_plain_client_knows_the_same_names():
    assert set(SCALARS) == set(FIELDS)
    assert len(SCALARS) == len(FIELDS)


def test_forms_and_files_have_the_fields_of_the_table():
    assert [name for _, names in GROUPS for name in names] == ["email", *WRITABLE]
    assert set(FIELDS) < set(LEADS)
    assert set(COLUMNS) < set(FIELDS)
    assert set(FIELDS) > NOT_READ


def test_no_two_fields_claim_one_header_of_a_file():
    headers = [header for _, meaning in LEADS.values() for header in meaning]

    assert sorted(headers) == sorted(set(headers))
