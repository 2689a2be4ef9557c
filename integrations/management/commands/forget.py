"""Erase people who asked for it, from the command line."""

import json
from collections import Counter
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations.management.arguments import (
    add_connection,
    add_request,
    confirmed,
    connection_named,
    leads_named,
    user_named,
)
from integrations.management.numbers import plural
from leads import access
from leads.erasure import forget
from leads.models import DataSubjectRequest, Lead
from leads.person.requests import NotInTheFuture


class Command(BaseCommand):
    help = (
        "Erase leads from our copy, with their changes, messages and money and whatever else names them, and "
        "leave them out "
        "whenever Kartra or a file names them again. All that stays is a keyed hash. In Kartra nothing is "
        "deleted: its API "
        "cannot; do that there first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_connection(parser)
        parser.add_argument("--lead", nargs="+", required=True, metavar="EMAIL_OR_ID")
        parser.add_argument(
            "--everywhere", action="store_true", help="also where the same address stands in other accounts"
        )
        add_request(parser)
        parser.add_argument("--yes", action="store_true", help="do not ask: it cannot be undone")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connection_named(options["connection"])
        by = user_named(options["by"], "leads.forget_lead", connection)
        leads = list(leads_named(connection, options["lead"], gone_too=True))
        others = self._others(leads, by)
        if options["everywhere"]:
            leads = [*others, *leads]
        elif others and not options["json"]:
            self._name(others)
        number = len(leads)
        if not options["yes"]:
            what = plural(number, "lead")
            if not confirmed(f"Erase {what} for good? Type yes: ", f"Say --yes to erase {what} for good."):
                raise CommandError("Nothing was erased.")
        done = []
        for lead in leads:
            name = lead.kartra_id or lead.pk
            try:
                done.append(forget.forget(lead, by=by, asked_on=options["asked"]))
            except (forget.CannotForget, NotInTheFuture) as problem:
                raise CommandError(f"Lead {name}: {problem}") from None
        self._say(done, as_json=options["json"])

    def _others(self, leads: list[Lead], by: User | None) -> list[Lead]:
        """Where the same addresses stand also, each once, in the accounts of the user who is named."""
        named = {lead.pk for lead in leads}
        found = [other for lead in leads for other in access.only_mine(forget.elsewhere(lead), by)]
        return list({other.pk: other for other in found if other.pk not in named}.values())

    def _name(self, others: list[Lead]) -> None:
        self.stdout.write("The same address is also in; say --everywhere to erase it there as well:")
        for other in others:
            self.stdout.write(f"  {other.account}: lead {other.kartra_id or other.pk}")

    def _say(self, done: list[DataSubjectRequest], *, as_json: bool) -> None:
        """What was removed, what could not be known, what only Kartra can do."""
        counts = sum((Counter(each.counts) for each in done), Counter[str]())
        lists = {
            "could_not_know": list(dict.fromkeys(words for each in done for words in each.could_not_know)),
            "only_kartra": list(dict.fromkeys(words for each in done for words in each.only_kartra)),
        }
        if as_json:
            requests = [each.pk for each in done]
            self.stdout.write(json.dumps({"erased": len(done), "requests": requests, "counts": counts, **lists}))
            return
        number = len(done)
        self.stdout.write(f"{plural(number, 'lead')} erased, and left out from now on.")
        self.stdout.write("Removed or emptied:")
        for table, rows in counts.most_common():
            self.stdout.write(f"  {rows:>7,} {table}")
        for title, name in (
            ("What we could not check:", "could_not_know"),
            ("What only Kartra can do:", "only_kartra"),
        ):
            self.stdout.write(title)
            for words in lists[name]:
                self.stdout.write(f"  {words}")
