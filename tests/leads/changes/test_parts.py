"""What a bulk action consists of, when it is to be undone: its own parameters where they hold for all, else its changes."""

import pytest
from django.utils import timezone

from leads import changes, kinds
from leads.changes import retry, undo
from leads.models import BulkRun, Lead, LeadChange
from tests.factories import AccountFactory, LeadChangeFactory, LeadFactory, TagFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def account():
    account = AccountFactory()
    for name in ("VIP", "Old"):
        TagFactory(account=account, name=name)
    return account


def told(run):
    return [(kind.name, parameters) for kind, parameters in undo.parts_of(run)]


def test_run_is_what_was_asked_for(account, django_assert_num_queries):
    LeadFactory.create_batch(3, account=account)
    run = changes.record_run(account, Lead.objects.all(), kinds.ASSIGN_TAG, {"tag": "VIP"})

    with django_assert_num_queries(0):
        assert told(run) == [("assign_tag", {"tag": "VIP"})]


def test_what_is_tried_again_is_all_that_was_refused_also_when_the_first_tries_are_gone(account):
    for tag in ("VIP", "Old"):
        LeadChangeFactory(
            lead=LeadFactory(account=account),
            parameters={"tag": tag},
            family=f"tag:{tag}",
            status="rejected",
            code="232",
            settled_at=timezone.now(),
        )
    run = retry.retry(account, LeadChange.objects.failed())
    LeadChange.objects.exclude(run=run).delete()

    assert sorted(parameters["tag"] for _kind, parameters in told(run)) == ["Old", "VIP"]


def test_run_whose_people_are_all_forgotten_has_no_parts(account):
    LeadFactory(account=account)
    run = changes.record_run(account, Lead.objects.all(), kinds.ASSIGN_TAG, {"tag": "VIP"})
    run.changes.all().delete()
    BulkRun.objects.update(parameters={})
    run.refresh_from_db()

    assert not undo.parts_of(run)
    assert not undo.groups(run)
