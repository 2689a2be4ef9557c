"""The first fill of `make run`: a login, a connection to the Kartra sandbox, and all its leads by the ordinary ways."""

import csv
import os
import secrets
import signal
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations import sandbox_control
from integrations.models import Connection, Delivery
from integrations.read import catalogue, refresh
from integrations.sandbox.state import APP_ID, KEY, PASSWORD, UNLIMITED_APP_ID
from integrations.sending import switch
from integrations.setup import demo_database, earlier_schema
from integrations.setup.connecting import connect
from leads import clock, importing, mirror
from leads.models import ImportKind, Lead, Transaction

NAME = "Kartra sandbox"
LEADS = {"id": "Lead ID", "email": "Email", "first_name": "First Name", "last_name": "Last Name", "phone": "Phone"}
SALES = {
    "id": "Transaction ID",
    "type": "Type",
    "date": "Date",
    "amount": "Amount",
    "product_name": "Product",
    "product_id": "Product ID",
    "parent": "Parent ID",
    "subscription": "Subscription ID",
    "lead_id": "Lead ID",
    "lead_email": "Lead Email",
}
"""The columns of the exports: what the Kartra sandbox calls it, and its header."""
ANSWERS_S, APPLIED_S = 60, 20


class Command(BaseCommand):
    help = "Set up the demo against a Kartra sandbox, print where to go, and stay until interrupted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--prepare", action="store_true", help="only look whether the demo may work here, and make its tables"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if why := earlier_schema.refusal() or demo_database.refusal():
            raise CommandError(why)
        if options["prepare"]:
            call_command("migrate", verbosity=0)
            demo_database.claim()
            return
        demo_database.claim()
        self.stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopping.set())
        self._wait_for_sandbox()
        head = "Kartra Mirror answers. Its start page shows how far the demo is filled."
        if demo_database.filled_at() is not None:
            head = "Kartra Mirror is ready."
        saying = threading.Thread(target=self._say, args=[head, self._login()], daemon=True)
        saying.start()
        self._fill(self._connection())
        saying.join()
        self._stay()

    def _stay(self) -> None:
        self.stopping.wait()

    def _fill(self, connection: Connection) -> None:
        """What is there already is not made again, so that a start that was interrupted is gone on with."""
        leads = Lead.objects.filter(account=connection.account_id)
        if not leads.exists():
            self._import(connection, ImportKind.LEADS, LEADS)
        if not Transaction.objects.filter(account=connection.account_id).exists():
            self._import(connection, ImportKind.TRANSACTIONS, SALES)
        self._read_all(connection)
        if not self.stopping.is_set() and demo_database.filled_at() is None:
            self._let_things_happen(connection)
            demo_database.note_filled()
        if not self.stopping.is_set():
            self._line(f"All {leads.count():,} leads of the Kartra sandbox are here.")

    def _line(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def _wait_for_sandbox(self) -> None:
        ends = time.monotonic() + 60
        while not self.stopping.is_set():
            try:
                sandbox_control.ask("state")
                return
            except OSError:
                if time.monotonic() > ends:
                    raise CommandError(f"The Kartra sandbox at {settings.SANDBOX_URL} does not answer.") from None
                time.sleep(0.2)

    def _login(self) -> str:
        path = Path(settings.VAR_DIR) / "login.txt"
        users = get_user_model().objects
        if path.exists() and users.filter(username="admin").exists():
            return path.read_text().strip()
        password = secrets.token_urlsafe(12)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(password)
        if not users.filter(username="admin").exists():
            users.create_superuser("admin", "admin@example.com", password)
        else:
            admin = users.get(username="admin")
            admin.set_password(password)
            admin.save()
        return password

    def _connection(self) -> Connection:
        found = next((each for each in Connection.objects.order_by("pk") if sandbox_control.is_pretend(each)), None)
        if found is None:
            result = connect(
                name=NAME, app_id=APP_ID, api_key=KEY, api_password=PASSWORD, api_url=f"{settings.SANDBOX_URL}/api"
            )
            if result.connection is None:
                raise CommandError(result.check.text)
            found = result.connection
            switch.on(found)
        endpoint = found.endpoints.standing().order_by("pk").first()
        if endpoint is not None:
            for kind, url in (("outbound", endpoint.outbound_url), ("ipn", endpoint.ipn_url)):
                sandbox_control.ask("receivers", {"url": url, "kind": kind})
        return found

    def _import(self, connection: Connection, kind: ImportKind, columns: dict[str, str]) -> None:
        """What Kartra's own export would hold, by the ordinary way."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "export.csv"
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(columns.values())
                writer.writerows([row[key] for key in columns] for row in sandbox_control.ask(kind))
            with path.open("rb") as exported:
                job = importing.create(connection.account, kind, exported, f"pretend-kartra-{kind}.csv")
                importing.start(job)
                importing.work(job, exported)
        self._line(f"Imported {job.counts['created']:,} {kind} from the Kartra sandbox's export.")

    def _let_things_happen(self, connection: Connection) -> None:
        """What happens in an account of itself comes as messages, and plans that only a sale told of are asked for."""
        sandbox_control.ask("lately", {})
        for lead in Lead.objects.filter(recurring_subscriptions__account=connection.account_id, orders_read_at=None):
            mirror.mark_orders_due(lead, clock.now())
        ends = time.monotonic() + APPLIED_S
        while time.monotonic() < ends and not self.stopping.wait(0.2):
            if not sandbox_control.ask("state")["posts_waiting"] and not Delivery.objects.waiting().exists():
                return

    def _read_all(self, connection: Connection) -> None:
        """Read every lead once; the Kartra sandbox has a second app without a speed limit, so that this is quick."""
        unread = Lead.objects.filter(account=connection.account_id, read_at=None, gone_at=None)
        if not unread.exists():
            return
        quick = Connection(
            account=connection.account,
            app_id=UNLIMITED_APP_ID,
            api_key=KEY,
            api_password=PASSWORD,
            api_url=connection.api_url,
            calls_per_second=0,
            get_lead_by_id=True,
        )
        catalogue.read(connection)
        while not self.stopping.is_set() and (leads := list(unread.order_by("pk")[:200])):
            read, stopped = refresh.read_many(connection, leads, asking=quick)
            if stopped is not None or not read:
                time.sleep(1)

    def _say(self, head: str, password: str) -> None:
        """Where to go, as soon as the pages answer; what is still missing comes while somebody looks."""
        if self._pages_answer():
            line = "─" * 66
            self._line(
                f"\n{line}\n  {head}\n\n"
                f"  Admin           {settings.PUBLIC_URL}/admin/\n"
                f"  Login           admin / {password}\n"
                f"  Kartra sandbox  {settings.SANDBOX_URL}/\n\n"
                f"  Ctrl-C ends everything; the next start goes on from here.\n{line}\n"
            )

    def _pages_answer(self) -> bool:
        """Waits for them; False where they do not come, or nobody wants them any more."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        ends = time.monotonic() + ANSWERS_S
        while time.monotonic() < ends and not self.stopping.wait(0.2):
            try:
                opener.open(f"{settings.PUBLIC_URL}/healthz", timeout=2).close()
                return True
            except urllib.error.HTTPError:
                return True
            except OSError:
                continue
        return False
