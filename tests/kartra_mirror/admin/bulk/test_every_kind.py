"""Every kind of change, of one lead and in bulk: what is chosen becomes the exact call that Kartra received."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from leads.models import Lead, LeadChange
from tests.factories import StaffFactory
from tests.flows.steps import BOOKING, said
from tests.kartra_mirror.admin.drafts import LEADS
from tests.kartra_mirror.admin.forms import drain

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("kind", "form", "expected"),
    [
        (
            "give_points",
            {"points": "5", "expires_in_days": "7"},
            {"cmd": "give_points_to_lead", "points": "5", "expiration": "7"},
        ),
        ("remove_points", {"points": "3"}, {"cmd": "remove_points_from_lead", "points": "3"}),
        ("assign_tag", {"tag": "VIP"}, {"cmd": "assign_tag", "tag_name": "VIP"}),
        ("unassign_tag", {"tag": "VIP"}, {"cmd": "unassign_tag", "tag_name": "VIP"}),
        ("subscribe_list", {"list": "Buyers"}, {"cmd": "subscribe_lead_to_list", "list_name": "Buyers"}),
        ("unsubscribe_list", {"list": "Buyers"}, {"cmd": "unsubscribe_lead_from_list", "list_name": "Buyers"}),
        (
            "subscribe_sequence",
            {"sequence": "Upsell", "step": "2"},
            {"cmd": "subscribe_lead_to_sequence_at_step", "sequence_name": "Upsell", "step": "2"},
        ),
        (
            "unsubscribe_sequence",
            {"sequence": "Upsell"},
            {"cmd": "unsubscribe_lead_from_sequence", "sequence_name": "Upsell"},
        ),
        (
            "subscribe_calendar",
            {"calendar": "Coaching", "class": "Deep dive", "date": BOOKING["date"], "hour": "09:30"},
            {
                "cmd": "calendar_subscribe",
                "calendar_name": "Coaching",
                "class_name": "Deep dive",
                "starting_date": f"16 Jan {BOOKING['date'][:4]}",
                "starting_hour": "09:30",
            },
        ),
        (
            "cancel_calendar",
            {"calendar": "Coaching", "class": "Deep dive"},
            {"cmd": "calendar_cancel", "calendar_name": "Coaching", "class_name": "Deep dive"},
        ),
        ("update_lead", {"city": "Bend"}, None),
    ],
)
def test_bulk_action_and_one_lead(staff, sandbox, connection, lead, kind, form, expected):
    Lead.objects.update(read_at=None, score=0)
    other = sandbox.mirrored_lead(connection, "bo@example.com")
    Lead.objects.update(read_at=None)
    chosen = {"action": kind, "_selected_action": [lead.pk, other.pk], "index": "0", "select_across": "0"}
    for begin in (
        lambda: staff.post(LEADS, chosen).url,
        lambda: staff.post(reverse("admin:leads_lead_prepare", args=[lead.pk, kind])).url,
    ):
        url = begin()
        staff.post(url, {"do": "preview", **form})
        preview = staff.get(url).context["preview"]
        staff.post(url, {"do": "start", "mark": preview["mark"]})

    drain(connection)

    calls = [call for call in sandbox.calls(writes=True) if call["form"]["lead"]["id"] == lead.kartra_id]
    if expected is None:
        assert calls[0]["form"]["lead"] == {"id": lead.kartra_id, "city": "Bend"}
        assert calls[0]["cmds"] == ["edit_lead"]
    else:
        assert said(calls[0])[0] == expected
    assert {call["form"]["lead"]["id"] for call in sandbox.calls(writes=True)} == {lead.kartra_id, other.kartra_id}


def test_preview_warns_of_texts_that_the_firewall_may_refuse(staff, lead):
    url = staff.post(reverse("admin:leads_lead_prepare", args=[lead.pk, "update_lead"])).url
    staff.post(url, {"do": "preview", "company": "A <b> {c}"})

    assert "firewall is reported to refuse" in staff.get(url).content.decode()


def test_bulk_edit_needs_the_permission_of_all_it_asks_for(client, sandbox, connection, lead):
    user = StaffFactory()
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_lead", "update_lead", "assign_tag"]))
    client.force_login(user)
    url = client.post(reverse("admin:leads_lead_prepare", args=[lead.pk, "update_lead"])).url

    assert "points" not in client.get(url).context["form"].fields
    assert client.post(url, {"do": "preview", "city": "Bend", "points": "5"}).status_code == 403
    client.post(url, {"do": "preview", "city": "Bend", "tag": ["VIP"]})
    mark = client.get(url).context["preview"]["mark"]
    user.user_permissions.remove(Permission.objects.get(codename="assign_tag"))
    assert client.post(url, {"do": "start", "mark": mark}).status_code == 403
    assert not LeadChange.objects.exists()
