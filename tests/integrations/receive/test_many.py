"""Messages that are applied together say what each says alone, in the same order; and cost a few statements each."""

import datetime as dt
import json
import random

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations import receive
from integrations.models import Delivery
from integrations.receive import many
from leads import mirror
from leads.models import Activity, Lead, LeadEmail, LeadTag, ListSubscription, SequenceEnrollment
from tests.factories import DeliveryFactory, LeadChangeFactory, LeadFactory, WebhookEndpointFactory

pytestmark = pytest.mark.django_db

THINGS = {"tag": ["VIP", "Old"], "list": ["Buyers", "News"], "sequence": ["Welcome"]}
STATES = [
    ("assign_tag", "tag"),
    ("unassign_tag", "tag"),
    ("list_subscription", "list"),
    ("list_unsubscription", "list"),
    ("sequence_subscription", "sequence"),
    ("sequence_unsubscription", "sequence"),
]


def state(lead, action="assign_tag", noun="tag", name="VIP", thing_id="", **profile):
    named = {f"{noun}_name": name} | ({f"{noun}_id": thing_id} if thing_id else {})
    told = {"id": str(lead), "email": f"lead{lead}@example.com", **profile}
    return {"action": action, "action_details": {noun: named}, "lead": told}


def line(lead, action="filled_form", **profile):
    told = {"id": str(lead), "email": f"lead{lead}@example.com", **profile}
    return {"action": action, "action_details": {"form": {"form_name": "Ask"}}, "lead": told}


def anything(chosen):
    """One message, now and then an odd one."""
    lead = chosen.randrange(1, 9)
    profile = {}
    if chosen.random() < 0.3:
        profile["first_name"] = chosen.choice(["Ada", "Mara", ""])
    if chosen.random() < 0.2:
        profile["custom_fields"] = [
            {"field_identifier": "plan", "field_type": "input_field", "field_value": chosen.choice("ab")}
        ]
    if chosen.random() < 0.1:
        profile["strange"] = chosen.choice(["x", "y"])
    if chosen.random() < 0.1:
        profile["notes"] = chosen.choice(["called", ""])
    odd = chosen.random()
    if odd < 0.04:
        profile["email"] = "another@example.com"
    elif odd < 0.06:
        profile["deleted"] = "1"
    elif odd < 0.08:
        return {"action": "assign_tag"}
    elif odd < 0.10:
        return line(lead, "calendar_subscribe", **profile)
    elif odd < 0.12:
        profile["id"] = ""
    elif odd < 0.14:
        profile["email"] = f" LEAD{lead}@Example.com"
    if chosen.random() < 0.3:
        return line(lead, chosen.choice(["filled_form", "reaches_score", "nobody_knows_it"]), **profile)
    action, noun = chosen.choice(STATES)
    name = chosen.choice(THINGS[noun])
    return state(lead, action, noun, name, chosen.choice(["", "", str(7 + THINGS[noun].index(name))]), **profile)


def account_with_leads():
    """Leads of each kind: read, never read, deleted, without an id, with changes of ours; tags and lists they have."""
    endpoint = WebhookEndpointFactory()
    account, at = endpoint.connection.account, timezone.now() - dt.timedelta(days=3)
    leads = [
        LeadFactory(account=account, kartra_id=str(n), email=f"lead{n}@example.com", first_name="Ada", read_at=at)
        for n in (1, 2)
    ]
    leads.append(LeadFactory(account=account, kartra_id="3", email="lead3@example.com", read_at=None))
    gone = {"gone_at": at, "gone_reason": "deleted"}
    LeadFactory(account=account, kartra_id="4", email="lead4@example.com", read_at=at, **gone)
    LeadFactory(account=account, kartra_id=None, email="lead5@example.com", read_at=None)
    hour_ahead = timezone.now() + dt.timedelta(hours=1)
    LeadFactory(account=account, kartra_id="6", email="lead6@example.com", read_at=hour_ahead)
    for lead in leads:
        mirror.set_tag(lead, "Old", True, source="refresh", at=at, kartra_id="8")
        mirror.set_list(lead, "News", True, source="refresh", at=at)
    LeadChangeFactory(lead=leads[0], kind="assign_tag", parameters={"tag": "VIP"}, status="unknown")
    done = {"status": "accepted", "settled_at": timezone.now()}
    LeadChangeFactory(lead=leads[1], kind="unassign_tag", parameters={"tag": "VIP"}, **done)
    return endpoint


def without_times(told):
    moments = ("since", "after", "activity_id", "change_id", "read_not_before", "gone_at", "absent_at")
    return {name: "…" if name in moments and value else value for name, value in (told or {}).items()}


def picture(endpoint):
    """All that is known of the account, without what differs between two: keys and moments."""
    account = endpoint.connection.account
    own = {"lead__account": account}
    moments = {"id", "account_id", "changed_seq", "changed_xid", "known_since"}
    leads = [
        {
            name: (value is not None if isinstance(value, dt.datetime) or name.endswith("_at") else value)
            for name, value in row.items()
            if name not in moments
        }
        for row in Lead.objects.filter(account=account).order_by("kartra_id", "email").values()
    ]
    who = ("lead__kartra_id", "lead__email")
    ties = [
        sorted(LeadTag.objects.filter(**own).values_list(*who, "tag__name", "source", "activity__kind"), key=repr),
        sorted(
            ListSubscription.objects.filter(**own).values_list(
                *who, "mailing_list__name", "active", "source", "activity__kind", "after"
            ),
            key=repr,
        ),
        sorted(
            SequenceEnrollment.objects.filter(**own).values_list(
                *who, "sequence__name", "status", "step", "source", "activity__kind", "after"
            ),
            key=repr,
        ),
        sorted(LeadEmail.objects.filter(**own).values_list(*who, "email_key", "until"), key=repr),
    ]
    lines = Activity.objects.filter(account=account).order_by("pk")
    timeline: dict = {}
    for row in lines.values_list(*who, "kind", "source", "details", "delivery__action", "change__kind"):
        timeline.setdefault(row[:2], []).append(row[2:])
    messages = [
        (
            *(row.status, row.action, row.family, row.reason, row.changed, row.lead and row.lead.kartra_id),
            [(each["row"], without_times(each["was"]), without_times(each["now"])) for each in row.journal],
        )
        for row in Delivery.objects.filter(endpoint=endpoint).order_by("pk").select_related("lead")
    ]
    return leads, ties, timeline, messages


@pytest.mark.parametrize("seed", range(12))
def test_messages_say_together_what_each_says_alone(seed, settings):
    settings.WEBHOOK_NEW_LEADS_PER_DAY, settings.WEBHOOK_NEW_LEADS_SHARE = 2, 0
    chosen = random.Random(seed)
    bodies = [json.dumps(anything(chosen)).encode() for _ in range(60)]
    alone, together = account_with_leads(), account_with_leads()

    for body in bodies:
        DeliveryFactory(endpoint=alone, body=body)
        receive.drain()
    for body in bodies:
        DeliveryFactory(endpoint=together, body=body)
    receive.drain()

    for one_by_one, at_once in zip(picture(alone), picture(together), strict=True):
        assert at_once == one_by_one


def costs(number, message):
    """How many statements it takes to apply so many messages."""
    endpoint = WebhookEndpointFactory()
    for name in THINGS["tag"]:
        endpoint.connection.account.tags.create(name=name)
    for n in range(number):
        LeadFactory(account=endpoint.connection.account, kartra_id=str(n), email=f"lead{n}@example.com")
        DeliveryFactory(endpoint=endpoint, body=json.dumps(message(n)).encode())
    with CaptureQueriesContext(connection) as asked:
        assert receive.drain() == number
    return len(asked)


@pytest.mark.parametrize(
    "message", [state, line, lambda n: state(1000 + n), lambda n: state(n, "unassign_tag", first_name="Otherwise")]
)
def test_many_messages_cost_less_than_three_statements_each(message):
    few, more = costs(10, message), costs(20, message)

    assert more < 20 * 3
    assert more - few < 10


def test_set_with_one_that_cannot_be_written_is_applied_one_by_one(monkeypatch):
    endpoint = WebhookEndpointFactory()
    endpoint.connection.account.tags.create(name="VIP")
    for n in range(6):
        DeliveryFactory(endpoint=endpoint, body=json.dumps(state(n + 1)).encode())

    def broken(*args, **how):
        raise ValueError("nobody foresaw this")

    monkeypatch.setattr(many.mirror, "write_messages", broken)
    receive.drain()

    assert set(Delivery.objects.values_list("status", flat=True)) == {"applied"}
    assert LeadTag.objects.count() == 6


def test_new_leads_of_a_set_that_failed_count_once(monkeypatch, settings):
    settings.WEBHOOK_NEW_LEADS_PER_DAY, settings.WEBHOOK_NEW_LEADS_SHARE = 6, 0
    endpoint = WebhookEndpointFactory()
    for n in range(8):
        DeliveryFactory(endpoint=endpoint, body=json.dumps(line(n + 1)).encode())

    def broken(*args, **how):
        raise ValueError("nobody foresaw this")

    monkeypatch.setattr(many.mirror, "write_messages", broken)
    receive.drain()

    statuses = list(Delivery.objects.order_by("pk").values_list("status", flat=True))
    assert statuses == ["applied"] * 6 + ["held"] * 2
