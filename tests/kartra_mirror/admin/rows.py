"""Every list of ours, and rows for all of them."""

from django.contrib import admin
from django.utils import timezone

from integrations.models import ApiCall
from leads.models import Activity, LeadTag, ListSubscription
from tests.factories import (
    BulkRunFactory,
    ConnectionFactory,
    DeliveryFactory,
    LeadChangeFactory,
    LeadFactory,
    MailingListFactory,
    StaffFactory,
    TagFactory,
    WebhookEndpointFactory,
)


def fill(number, **lead_fields):
    """An account with `number` of everything."""
    connection = ConnectionFactory()
    account = connection.account
    endpoint = WebhookEndpointFactory(connection=connection)
    tag, mailing_list = TagFactory(account=account), MailingListFactory(account=account)
    for _ in range(number):
        run = BulkRunFactory(account=account)
        lead = LeadFactory(account=account, **lead_fields)
        LeadChangeFactory(lead=lead, run=run, requested_by=StaffFactory())
        LeadChangeFactory(
            lead=lead, status="rejected", settled_at=timezone.now(), code="212", message="Tag does not exist"
        )
        LeadTag.objects.create(lead=lead, tag=tag, since=timezone.now(), source="webhook")
        ListSubscription.objects.create(lead=lead, mailing_list=mailing_list, since=timezone.now(), source="import")
        DeliveryFactory(endpoint=endpoint, lead=lead, action="assign_tag", status="applied", applied_at=timezone.now())
        Activity.objects.create(
            account=account, lead=lead, kind="tag_assigned", at=timezone.now(), source="push", details={"tag": "VIP"}
        )
        ApiCall.objects.create(
            connection=connection,
            lead=lead,
            cause="push",
            writes=False,
            commands="get_lead",
            claimed_at=timezone.now(),
            finished_at=timezone.now(),
            outcome="answered",
        )
    return connection


OURS = [model for model in admin.site._registry if model._meta.app_label in ("leads", "integrations", "auth")]
