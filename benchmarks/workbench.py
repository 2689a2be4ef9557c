"""The pages that staff look at all day, with few leads and with many: how many times longer each takes.

`LEADS` in the environment (default 100,000) beside a hundredth of it; `DATABASE_URL` names another database than a new
SQLite file. It is filled, so it must be empty.
"""

import datetime as dt
import os
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

LEADS = int(os.environ.get("LEADS", "100000"))
FEW = LEADS // 100
BATCH = 5000
SLOWEST_S = 3.0
"""A page that takes longer than this with many leads fails the benchmark."""
ROOT = Path(__file__).resolve().parents[1]


def prepare(folder: str) -> None:
    os.environ.update(VAR_DIR=folder, EMBEDDED="1", LOG_LEVEL="ERROR", DJANGO_SETTINGS_MODULE="kartra_mirror.settings")
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


class World:
    """An account that grows: one lead in ten has a sale, each a tag of fifty, a line in the timeline and a done change."""

    def __init__(self) -> None:
        from django.contrib.auth import get_user_model
        from django.test import Client

        from integrations.models import Connection
        from leads.models import Account, Product, Tag

        self.account = Account.objects.create(name="Bench")
        self.connection = Connection.objects.create(
            account=self.account, app_id="x", api_key="x", api_password="x", api_url="http://127.0.0.1:9/api"
        )
        self.tags = [Tag.objects.create(account=self.account, name=f"tag {n}") for n in range(50)]
        self.product = Product.objects.create(account=self.account, name="Course")
        self.client = Client(headers={"host": "localhost"})
        self.client.force_login(get_user_model().objects.create_superuser("bench", "bench@example.com", "bench"))
        self.number = 0

    def grow(self, number: int) -> None:
        from django.db import connection

        from leads.models import Activity, Lead, LeadChange, LeadTag, Transaction

        now = dt.datetime.now(dt.UTC)
        numbers = iter(range(self.number, number))
        while batch := list(islice(numbers, BATCH)):
            leads = Lead.objects.bulk_create(
                Lead(
                    account=self.account,
                    kartra_id=str(1000 + n),
                    email=f"lead{n}@example.com",
                    email_key=f"lead{n}@example.com",
                    first_name=f"Name{n % 997}",
                    last_name=f"Lind{n % 9973}",
                    phone=f"555{n:07}",
                    country=("Spain", "Japan", "Canada")[n % 3],
                    score=n % 100,
                    read_at=now,
                    date_joined=now - dt.timedelta(minutes=n),
                )
                for n in batch
            )
            LeadTag.objects.bulk_create(
                LeadTag(lead=lead, tag=self.tags[n % 50], since=now, source="import")
                for n, lead in zip(batch, leads, strict=True)
            )
            Transaction.objects.bulk_create(
                Transaction(
                    account=self.account,
                    lead=lead,
                    kartra_id=str(7_000_000 + n),
                    type="sale",
                    product=self.product,
                    full_amount="97.00",
                    at=now,
                    reported=False,
                )
                for n, lead in zip(batch, leads, strict=True)
                if n % 10 == 0
            )
            Activity.objects.bulk_create(
                Activity(
                    account=self.account,
                    lead=lead,
                    kind="tag_assigned",
                    at=now,
                    source="import",
                    details={"tag": "tag 1"},
                )
                for lead in leads
            )
            LeadChange.objects.bulk_create(
                LeadChange(
                    account=self.account,
                    lead=lead,
                    kind="assign_tag",
                    parameters={"tag": "tag 1"},
                    family="tag:tag 1",
                    status="accepted",
                    requested_at=now,
                    settled_at=now,
                )
                for lead in leads
            )
        self.number = number
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")

    def seconds(self, url: str) -> float:
        """The better of two looks, after one that is not counted."""
        times = []
        for _ in range(3):
            began = time.perf_counter()
            answer = self.client.get(url)
            times.append(time.perf_counter() - began)
            if answer.status_code != 200:
                sys.exit(f"{url} answered {answer.status_code}.")
        return min(times[1:])

    def pages(self) -> dict[str, str]:
        from leads.models import Lead

        leads, lead = "/admin/leads/lead/", Lead.objects.get(kartra_id="1005")
        return {
            "home": "/admin/",
            "leads": leads,
            "leads, 100th page": f"{leads}?p={min(100, FEW // 50)}",
            "leads with a tag": f"{leads}?tag={self.tags[7].pk}",
            "leads of a country": f"{leads}?country=Spain",
            "leads who bought": f"{leads}?bought=any",
            "leads who never bought": f"{leads}?not_bought=any",
            "possible second profiles": f"{leads}?copy=second",
            "search an address": f"{leads}?q=lead500%40example.com",
            "search a name": f"{leads}?q=Name500",
            "one lead": lead.get_absolute_url(),
            "requested changes": "/admin/leads/leadchange/",
            "timeline": "/admin/leads/activity/",
            "transactions": "/admin/leads/transaction/",
        }


def preview(world: World) -> float:
    """The preview of a tag for everybody."""
    from kartra_mirror.admin.bulk import preview_summary
    from leads import kinds
    from leads.changes.preview import Choices
    from leads.models import Lead

    began = time.perf_counter()
    preview_summary.of(
        world.account,
        Lead.objects.filter(account=world.account),
        kinds.get_kind("assign_tag"),
        {"tag": "tag 1"},
        Choices(),
    )
    return time.perf_counter() - began


def measure(world: World) -> dict[str, float]:
    found: dict[str, Any] = {name: world.seconds(url) for name, url in world.pages().items()}
    return {**found, "preview of a tag for all": preview(world)}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        prepare(folder)
        world = World()
        world.grow(FEW)
        few = measure(world)
        world.grow(LEADS)
        many = measure(world)
        print(f"{'page':28} {FEW:>9,} leads {LEADS:>9,} leads   times as long")
        for name in few:
            print(f"{name:28} {few[name] * 1000:12.0f} ms {many[name] * 1000:12.0f} ms {many[name] / few[name]:13.1f}")
        slow = [name for name in many if many[name] > SLOWEST_S and not name.startswith("preview")]
        if slow:
            sys.exit(f"Slower than {SLOWEST_S:.0f} s: {', '.join(slow)}")


if __name__ == "__main__":
    main()
