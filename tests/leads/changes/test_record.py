"""Wishes: refused in words, told to the outside, and kinds that are whole."""

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from leads import changes, kinds
from leads.models import CustomField, Lead, LeadChange
from leads.signals import changes_recorded
from tests.factories import AccountFactory, LeadChangeFactory, LeadFactory, TagFactory
from tests.recording import record_change

pytestmark = pytest.mark.django_db

ASSIGN = kinds.get_kind("assign_tag")
VIP = {"tag": "VIP"}


@pytest.fixture
def account():
    account = AccountFactory()
    TagFactory(account=account, name="VIP")
    return account


def test_no_leads_foreign_leads_and_gone_leads_are_refused(account):
    with pytest.raises(changes.CannotRecord, match="nothing to do"):
        changes.record_run(account, Lead.objects.none(), ASSIGN, VIP)
    LeadFactory()
    with pytest.raises(changes.CannotRecord, match="more than one account"):
        changes.record_run(account, Lead.objects.all(), ASSIGN, VIP)
    gone = LeadFactory(account=account, gone_at=timezone.now(), gone_reason="deleted")
    with pytest.raises(changes.CannotRecord, match="deleted in Kartra"):
        record_change(gone, ASSIGN, VIP)


@pytest.mark.django_db(transaction=True)
def test_the_outside_is_told_after_the_commit():
    account = AccountFactory()
    TagFactory(account=account, name="VIP")
    lead = LeadFactory(account=account)
    heard = []

    def hear(sender, account_id, **kwargs):
        heard.append((account_id, LeadChange.objects.count()))

    changes_recorded.connect(hear)
    try:
        with transaction.atomic():
            record_change(lead, ASSIGN, VIP)
            assert heard == []
        assert heard == [(account.pk, 1)]
    finally:
        changes_recorded.disconnect(hear)


def test_unknown_kind_says_which_there_are():
    with pytest.raises(kinds.UnknownKind, match="assign_tag"):
        kinds.get_kind("nope")


@pytest.mark.parametrize(
    "wrong", [{"status": "accepted"}, {"settled_at": timezone.now()}, {"reason": "gone"}, {"status": "undecided"}]
)
def test_impossible_states_are_refused_by_the_database(wrong):
    with pytest.raises(IntegrityError), transaction.atomic():
        LeadChangeFactory(**wrong)


def test_every_kind_is_whole(account):
    """A kind has an encoder and a proof, a permission that exists, an inverse that points back, and words."""
    from django.contrib.auth.models import Permission

    from integrations.translate import WIRE_FORMATS

    permissions = {
        f"{p.content_type.app_label}.{p.codename}" for p in Permission.objects.select_related("content_type")
    }
    assert set(WIRE_FORMATS) == set(kinds.ALL)
    for kind in kinds.ALL.values():
        assert kind.permission in permissions
        assert not kind.inverse or kinds.get_kind(kind.inverse).name != kind.name
        assert kind.label
        assert kind.sentence({}).strip()
        assert set(kind.fields(account))


@pytest.mark.parametrize("identifier", ["crm_ref", "contains", "isnull", "a__exact", "with-dash", "7"])
def test_custom_field_that_is_so_already_whatever_its_name(account, identifier):
    CustomField.objects.create(account=account, identifier=identifier, type="input_field")
    LeadFactory(account=account, custom_values={identifier: "A-7"})
    LeadFactory(account=account, custom_values={identifier: "A-8"})
    leads = Lead.objects.filter(account=account)
    leads.update(read_at=timezone.now())

    counted = changes.preview_change(account, leads, kinds.get_kind("update_lead"), {f"custom.{identifier}": "A-7"})

    assert (counted.total, counted.already_so) == (2, 1)


@pytest.mark.parametrize("name", sorted(kinds.ALL))
def test_every_kind_says_what_is_so_once_it_is_done(name):
    given = {
        "tag": "VIP",
        "list": "News",
        "sequence": "Start",
        "step": 2,
        "points": 5,
        "calendar": "Talk",
        "class": "One",
    }
    given |= {
        "date": "2027-01-31",
        "hour": "15:00",
        "transaction": "70",
        "subscription": "80",
        "amount": "9.00",
        "city": "Bend",
    }

    said = kinds.get_kind(name).done_message("Ada Lind", given)

    assert "Ada Lind" in said
    assert said.endswith(".")
    assert said != kinds.get_kind(name).sentence(given)
