"""Erase people who asked for it, from the command line."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations.management.arguments import add_connection, confirmed, connection_named, leads_named
from integrations.receive import scrub
from leads.erasure import forget


class Command(BaseCommand):
    help = (
        "Erase leads from our copy, with their changes, messages and money, and leave them out whenever Kartra or a file names "
        "them again. All that stays is a keyed hash. In Kartra nothing is deleted: its API cannot; do that there first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_connection(parser)
        parser.add_argument("--lead", nargs="+", required=True, metavar="EMAIL_OR_ID")
        parser.add_argument("--yes", action="store_true", help="do not ask: it cannot be undone")

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connection_named(options["connection"])
        leads = leads_named(connection, options["lead"], gone_too=True)
        number = len(leads)
        if not options["yes"]:
            what = f"{number:,} lead{'' if number == 1 else 's'}"
            if not confirmed(f"Erase {what} for good? Type yes: ", f"Say --yes to erase {what} for good."):
                raise CommandError("Nothing was erased.")
        for lead in leads:
            try:
                scrub.erase(lead)
            except forget.CannotForget as problem:
                raise CommandError(f"Lead {lead.kartra_id or lead.pk}: {problem}") from None
        self.stdout.write(f"{number:,} lead{'' if number == 1 else 's'} erased, and left out from now on.")
