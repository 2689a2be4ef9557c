"""The pages that staff look at all day, at a million leads on PostgreSQL: the middle and the 95th of 100 of their times.

`SIZE` leads (default 1,000,000), built by `make bench-data`. `ONLY=home,leads` for some of them.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import database, results
from benchmarks.results import Line

LOOKS = 7
GOAL_S = 0.3
PATIENCE_S = 60
"""A query that takes longer is given up, and the page counts as taking so long."""


def addresses() -> dict[str, str]:
    from django.urls import reverse

    from leads.filters.segments import as_kept
    from leads.models import Account, BulkRun, Lead, LeadChange, MailingList, Product, Segment, Tag

    leads, big = "/admin/leads/lead/", Account.objects.get(name="Large")
    lead = Lead.objects.filter(account=big).order_by("pk")[500]
    tag, product = Tag.objects.get(name="tag 7"), Product.objects.get(name="Course 3")
    wanted = {"tag": [str(tag.pk)], "country": ["Spain"]}
    segment = Segment.objects.create(account=big, name="Spain, 7", selection=as_kept(wanted))
    run = BulkRun.objects.get(name="Done")
    return {
        "home": "/admin/",
        "leads": leads,
        "leads, page 100": f"{leads}?p={min(100, database.SIZE // 100)}",
        "leads of the small account": f"{leads}?account={Account.objects.get(name='Small and older').pk}",
        "leads with a tag": f"{leads}?tag={tag.pk}",
        "leads without a tag": f"{leads}?not_tag={tag.pk}",
        "leads with two tags": f"{leads}?tag_all={tag.pk}&tag_all={Tag.objects.get(name='tag 24').pk}",
        "leads on a list": f"{leads}?list={MailingList.objects.get(name='list 3').pk}",
        "leads of a country": f"{leads}?country=Spain",
        "leads of a score": f"{leads}?score_min=98",
        "leads who bought any": f"{leads}?bought=any",
        "leads who bought one": f"{leads}?bought={product.pk}",
        "leads who never bought": f"{leads}?not_bought=any",
        "leads with a plan": f"{leads}?plan=any",
        "leads in a segment": f"{leads}?segment={segment.pk}",
        "leads not in a segment": f"{leads}?not_segment={segment.pk}",
        "possible second profiles": f"{leads}?copy=second",
        "no second profiles": f"{leads}?not_copy=second",
        "leads by a custom field": f"{leads}?custom=crm_ref&custom_value=A-500",
        "search an address": f"{leads}?q=lead500%40example.com",
        "search a name": f"{leads}?q=Name500",
        "search what nobody has": f"{leads}?q=Nobodyatall",
        "the drawer of filters": f"{leads}filters/",
        "one lead": lead.get_absolute_url(),
        "segments": "/admin/leads/segment/",
        "bulk actions": "/admin/leads/bulkrun/",
        "a bulk action that has ended": run.get_absolute_url(),
        "its undo": f"{run.get_absolute_url().removesuffix('change/')}undo/",
        "requested changes": "/admin/leads/leadchange/",
        "a requested change": LeadChange.objects.order_by("-pk")[0].get_absolute_url(),
        "failed changes": reverse("admin:failures"),
        "decisions": reverse("admin:decisions"),
        "timeline": "/admin/leads/activity/",
        "changed in Kartra": reverse("admin:leads_activity_without_us"),
        "transactions": "/admin/leads/transaction/",
        "plans": "/admin/leads/recurringsubscription/",
        "tags": "/admin/leads/tag/",
        "products": "/admin/leads/product/",
        "health": "/admin/health/",
        "connections": "/admin/integrations/connection/",
        "messages": "/admin/integrations/delivery/",
        "calls": "/admin/integrations/apicall/",
    }


def look(client: Any, address: str) -> list[float]:
    """Seconds of each look, after one that is not counted."""
    from django.db import OperationalError

    times = []
    for _look in range(LOOKS + 1):
        began = time.perf_counter()
        try:
            answer = client.get(address)
        except OperationalError:
            return [float(PATIENCE_S)]
        times.append(time.perf_counter() - began)
        if answer.status_code != 200:
            sys.exit(f"{address} answered {answer.status_code}.")
        if times[-1] > 5:
            return times[-1:]
    return times[1:]


def main() -> None:
    if not database.exists(database.template()):
        sys.exit("Say first: make bench-data")
    with tempfile.TemporaryDirectory() as folder, database.clone("pages") as name:
        database.prepare(name, folder)
        from django.contrib.auth import get_user_model
        from django.db import connection, connections
        from django.test import Client
        from django.utils import timezone

        from leads.filters import duplicates
        from leads.models import Account

        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = '{PATIENCE_S}s'")
        for account in Account.objects.all():
            duplicates.search(account, timezone.now())  # as the sweep does
        client = Client(headers={"host": "localhost"})
        client.force_login(get_user_model().objects.get(username="bench"))
        only = [each for each in os.environ.get("ONLY", "").split(",") if each]
        lines = []
        try:
            for what, address in addresses().items():
                if only and what not in only:
                    continue
                times = sorted(look(client, address))
                high = times[-1] if len(times) < LOOKS else statistics.quantiles(times, n=20)[-1]
                lines.append(Line(what, high, None, "s", GOAL_S))
                print(f"  {what}: middle {statistics.median(times) * 1000:.0f} ms", flush=True)
            results.keep("pages", database.SIZE, lines)
        finally:
            connections.close_all()


if __name__ == "__main__":
    main()
