"""The sandbox as tests use it: started on a free port in this process, asked and told without HTTP."""

import datetime as dt
from typing import Any

from django.utils import timezone

from integrations.models import Connection
from integrations.sandbox import control
from integrations.sandbox.state import KEY, PASSWORD, UNLIMITED_APP_ID
from integrations.sandbox.store import demo
from integrations.sandbox.wire.server import Sandbox
from integrations.translate.profile import utc_of
from leads.models import CustomField, Lead, MailingList, Sequence, Tag


class SandboxForTests:
    """`url` is the API's address. `act`, `fault` and `switch` are those of the control address."""

    app_id, key, password = UNLIMITED_APP_ID, KEY, PASSWORD
    read_ago = dt.timedelta(minutes=1)

    def __init__(self, **readings: Any) -> None:
        self.server = Sandbox()
        self.server.switches.set(readings)
        demo.catalogue(self.server.account())
        self.server.start()
        self.url = self.server.url
        self.base = self.server.base

    def stop(self) -> None:
        self.server.stop()

    def ask(self, method: str, name: str, given: dict[str, Any] | None = None, **query: str) -> Any:
        status, body = control.handle(self.server, method, name, query, given or {})
        assert status == 200, body
        return body

    def act(self, do: str, **given: Any) -> Any:
        """Do as a person in Kartra would."""
        return self.ask("POST", "act", {"do": do, **given})

    def fault(self, name: str, **given: Any) -> None:
        """Set a fault for the next call (`count=None`: until cleared)."""
        self.ask("POST", "faults", {"fault": name, "seconds": 5.0, **given})

    def clear_faults(self) -> None:
        self.ask("DELETE", "faults")

    def switch(self, **values: Any) -> None:
        self.ask("POST", "switches", values)

    def credentials(self, **given: Any) -> None:
        self.ask("POST", "credentials", given)

    def add_lead(self, email: str, **fields: str) -> str:
        """A lead of the account; its id."""
        return str(self.act("create_lead", email=email, fields=fields)["id"])

    def lead(self, named: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", "lead", lead=named)
        return found

    def tagged(self, tag: str) -> set[str]:
        """Ids of the leads that have the tag."""
        return {str(lead["id"]) for lead in self.ask("GET", "leads", tag=tag)}

    def calls(self, *, writes: bool = False) -> list[dict[str, Any]]:
        """The calls that came, reads left out if `writes`."""
        found = list(self.server.calls)
        if writes:
            reads = ("retrieve_", "get_", "search_")
            found = [call for call in found if not all(cmd.startswith(reads) for cmd in call["cmds"])]
        return found

    def make_known(self, connection: Connection) -> None:
        """Put the sandbox's catalogue into our copy."""
        account, things = connection.account, self.server.store.things
        for kind, model in (("tag", Tag), ("list", MailingList), ("sequence", Sequence)):
            rows = [model(account=account, name=thing["name"]) for thing in things(1, kind)]
            model.objects.bulk_create(rows, ignore_conflicts=True)
        CustomField.objects.bulk_create(
            [
                CustomField(
                    account=account,
                    identifier=thing["name"],
                    type=thing["type"],
                    options=[[str(n), words] for n, words in thing["options"]],
                )
                for thing in things(1, "custom_field")
            ],
            ignore_conflicts=True,
        )

    def mirrored_lead(self, connection: Connection, email: str, **fields: str) -> Lead:
        """A lead that both sides know, read `read_ago`."""
        id = self.add_lead(email, **fields)
        joined = utc_of("2026-01-05 10:00:00", connection.account)
        return Lead.objects.create(
            account=connection.account,
            kartra_id=id,
            email=email,
            date_joined=joined,
            score=0,
            read_at=timezone.now() - self.read_ago,
            **fields,
        )
