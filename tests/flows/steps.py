"""What a flow asks for and waits for, by the ways that the product has."""

import io
import json
import time

from django.core.management import call_command
from django.utils import timezone

from integrations import push
from integrations.push import verify
from integrations.read import refresh
from leads import changes, kinds
from leads.models import Lead, LeadChange
from tests.recording import record_change


def tag(lead, name="VIP", kind="assign_tag"):
    return record_change(lead, kinds.get_kind(kind), {"tag": name})


def settle_all(connection, seconds=20.0):
    """Push and verify until nothing is open any more, or the time is over."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        push.drain(connection, until_s=3)
        verify.drain(connection, until_s=3)
        connection.refresh_from_db()
        if not LeadChange.objects.filter(status__in=["waiting", "sending", "unknown"]).exists():
            return
        time.sleep(0.05)


def read_now(connection, seconds=5.0):
    """Read the only lead until the read counts: not so soon after a call of ours."""
    ends = time.monotonic() + seconds
    while not refresh.read_lead(connection, lead=Lead.objects.get()).applied and time.monotonic() < ends:
        time.sleep(0.05)


NEXT_YEAR = timezone.now().year + 1


def change(connection, kind, *args, **given):
    """`change KIND --wait` with parameters; the printed facts."""
    out = io.StringIO()
    pairs = [
        (n.replace("__", "."), v) for n, value in given.items() for v in (value if isinstance(value, list) else [value])
    ]
    sets = [part for name, value in pairs for part in ("--set", f"{name.rstrip('_')}={value}")]
    call_command(
        "change",
        kind,
        "--connection",
        connection.name,
        *sets,
        *args,
        "--wait",
        "--json",
        stdout=out,
        stderr=io.StringIO(),
    )
    return json.loads(out.getvalue())


def said(call):
    """What a call asked for: its actions with their parameters, in order."""
    actions = call["form"]["actions"]
    return list(actions.values()) if isinstance(actions, dict) else actions


PROFILE = {
    "first_name": "Ada",
    "middle_name": "K.",
    "last_name": "Moss",
    "last_name2": "Ruiz",
    "phone_country_code": "+1",
    "phone": "555 0100",
    "company": "Moss & Co",
    "address": "1 Main St; rear",
    "zip": "97701",
    "city": "Bend",
    "state": "Oregon",
    "country": "United States",
    "lead_picture": "https://example.com/a.png",
    "website": "https://example.com/?a=1&b=2",
    "facebook": "https://facebook.example/ada",
    "twitter": "https://twitter.example/ada",
    "linkedin": "https://linkedin.example/ada",
    "google_plus": "https://plus.example/ada",
    "ip": "203.0.113.9",
    "lead_preferred_time_zone": "America/New_York",
    "sales_tax_id": "US-1",
    "business_type": "2",
}

CUSTOM = {
    "custom__shirt_size": "Large",
    "custom__interests": "Running;Cooking",
    "custom__crm_ref": "A-1009",
    "custom__remarks": "a\nb",
}

BESIDES = {
    "tag": ["VIP", "buyer"],
    "list": "Buyers",
    "points": "15",
    "expires_in_days": "30",
    "sequence": "Welcome series",
    "step": "2",
}

BOOKING = {"calendar": "Coaching", "class_": "Intro call", "date": f"{NEXT_YEAR}-01-16", "hour": "15:00"}


def custom_said(call):
    return {e["field_identifier"]: e["field_value"] for e in call["form"]["lead"]["custom_fields"].values()}


def points(lead, number=5):
    return record_change(lead, kinds.get_kind("give_points"), {"points": number})


def score(sandbox, lead):
    return int(sandbox.lead(lead.kartra_id)["score"])


def status_of(change):
    return LeadChange.objects.get(pk=change.pk).status


def leads_of(sandbox, connection, number):
    return [sandbox.mirrored_lead(connection, f"lead{n}@example.com") for n in range(number)]


def run_of(connection, kind="assign_tag", given=None):
    return changes.record_run(
        connection.account, Lead.objects.filter(gone_at=None), kinds.get_kind(kind), given or {"tag": "VIP"}
    )


def pull(connection, *args):
    out = io.StringIO()
    call_command("pull", "--connection", connection.name, *args, "--json", stdout=out)
    return json.loads(out.getvalue())
