"""A lead with money, on its page."""

import pytest
from django.urls import reverse

# --- 15 to 17: money


@pytest.fixture
def buyer(sandbox, connection, staff, lead):
    lead.sale = str(sandbox.act("sale", lead=lead.kartra_id, amount="97.00")["transaction"])
    lead.plan = str(sandbox.act("start_subscription", lead=lead.kartra_id, product="Trail Club")["subscription"])
    staff.post(reverse("admin:leads_lead_read_money", args=[lead.pk]))
    sandbox.server.calls.clear()
    return lead
