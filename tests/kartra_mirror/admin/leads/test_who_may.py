"""Who may not ask for a kind of change is offered no button for it, and gets 403."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from kartra_mirror.admin.leads.one_lead import ask
from kartra_mirror.ui import lead_fields
from kartra_mirror.ui.lead_fields import NEEDED
from leads import kinds
from leads.kinds.writable_fields import profile_fields
from leads.models import LeadChange, RecurringSubscription, Transaction
from tests.factories import StaffFactory
from tests.kartra_mirror.admin.drafts import LEADS
from tests.kartra_mirror.admin.forms import refund_url, shown_form

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("kind", sorted(kinds.ALL))
def test_without_the_permission_no_button_and_403(client, sandbox, connection, buyer, kind):
    user = StaffFactory()
    own = kinds.get_kind(kind).permission.split(".")[1]
    views = Permission.objects.filter(codename__startswith="view_")
    user.user_permissions.set(views | Permission.objects.filter(content_type__app_label="leads").exclude(codename=own))
    client.force_login(user)
    sale, plan = Transaction.objects.get(kartra_id=buyer.sale), RecurringSubscription.objects.get()
    if kind == "create_lead":
        url, label = f"{LEADS}add/", "/admin/leads/lead/add/"
    elif kind == "refund_transaction":
        url, label = refund_url(buyer), "Refund…"
    elif kinds.get_kind(kind).money:
        url = reverse("admin:leads_recurringsubscription_ask", args=[plan.pk, kind])
        label = f"/{kind}/"
    else:
        url, label = reverse("admin:leads_lead_prepare", args=[buyer.pk, kind]), f"/{kind}/"
    small = reverse("admin:leads_lead_ask", args=[buyer.pk, kind])

    page = client.get(buyer.get_absolute_url()).content.decode() + client.get(LEADS).content.decode()

    assert label not in page
    assert client.post(url).status_code == 403
    assert client.post(small).status_code == (403 if kind in ask.ASKED else 404)
    assert f'value="{kind}"' not in page
    assert sale.pk


def test_edit_without_permission_for_what_is_besides_is_403(client, sandbox, connection, lead):
    user = StaffFactory()
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_lead", "update_lead"]))
    client.force_login(user)

    data = shown_form(client, lead)

    assert client.post(lead.get_absolute_url(), {**data, "city": "Bend", "tag": ["VIP"]}).status_code == 403
    assert not LeadChange.objects.exists()


@pytest.mark.parametrize("codename", ["update_lead", "create_lead"])
def test_fields_of_other_kinds_are_not_offered_without_their_permission(client, sandbox, connection, lead, codename):
    user = StaffFactory()
    allowed = ["view_lead", codename, "give_points"]
    user.user_permissions.set(Permission.objects.filter(codename__in=allowed))
    client.force_login(user)

    fields = client.get(lead.get_absolute_url() if codename == "update_lead" else f"{LEADS}add/").context["form"].fields

    assert {"email", "city", "custom.crm_ref", "points", "expires_in_days"} <= set(fields)
    assert set(fields).isdisjoint({*NEEDED} - {"points", "expires_in_days"})


def test_every_parameter_of_a_lead_is_in_one_group_and_names_its_kind(lead):
    besides = (
        set(kinds.get_kind("update_lead").fields(lead.account)) - set(profile_fields(lead.account)) - {"email", "clear"}
    )

    assert besides == set(NEEDED) == {*lead_fields.BESIDES, *lead_fields.LEAVING}
