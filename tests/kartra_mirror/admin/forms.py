"""The admin's forms as a browser sends them, and what comes of them."""

from django.urls import reverse

from integrations import push
from integrations.models import Connection
from leads.models import Transaction
from tests.flows.steps import BOOKING, PROFILE

FORM_BOOKING = {"calendar": "Coaching", "class": "Intro call", "date": BOOKING["date"], "hour": "15:00"}

FORM_CUSTOM = {
    "custom.shirt_size": "611",
    "custom.interests": ["620", "621"],
    "custom.crm_ref": "A-1009",
    "custom.remarks": "a\nb",
}


def drain(connection):
    for _ in range(4):
        push.drain(Connection.objects.get(pk=connection.pk), until_s=2)


def shown_form(client, lead):
    """The lead's form as a browser would send it back untouched."""
    form = client.get(lead.get_absolute_url()).context["form"]
    data = {}
    for bound in form:
        value = bound.value()
        if value not in (None, "", []):
            data[bound.html_name] = value
        if bound.field.show_hidden_initial and value not in (None, "", []):
            data[bound.html_initial_name] = value
    return data


def edit(client, lead, **given):
    return client.post(lead.get_absolute_url(), {**shown_form(client, lead), **given}, follow=True)


BOOKED = {
    "cmd": "calendar_subscribe",
    "calendar_name": "Coaching",
    "class_name": "Intro call",
    "starting_date": f"16 Jan {BOOKING['date'][:4]}",
    "starting_hour": "15:00",
}


def check_copy(lead, kartra):
    """Our copy has all that was asked for, as Kartra has it."""
    assert {name: getattr(lead, name) for name in PROFILE} == PROFILE
    assert (lead.kartra_id, lead.email) == (str(kartra["id"]), kartra["email"])
    assert {name: value for name, value in lead.custom_values.items() if value} == {
        "shirt_size": [["611", "Large"]],
        "interests": [["620", "Running"], ["621", "Cooking"]],
        "crm_ref": "A-1009",
        "remarks": "a\nb",
    }
    assert {str(row) for row in lead.leadtags.all()} == set(kartra["tags"]) == {"VIP", "buyer"}
    assert {str(row) for row in lead.listsubscriptions.filter(active=True)} == {"Buyers"}
    assert lead.sequenceenrollments.get(sequence__name="Welcome series").step == "2"
    assert [row.status for row in lead.calendarenrollments.filter(calendar_class__name="Intro call")] == ["Active"]


def refund_url(buyer):
    return reverse("admin:leads_transaction_refund", args=[Transaction.objects.get(kartra_id=buyer.sale).pk])
