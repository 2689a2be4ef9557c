"""All that we hold of one person, for whoever asked for it, from the command line."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations.management.arguments import add_connection, add_request, connection_named, leads_named, user_named
from leads.person import held
from leads.person.requests import NotInTheFuture


class Command(BaseCommand):
    help = (
        "Say all that our copy holds of a person, with when it came and from where: how many rows of what, and all of it as "
        "JSON. That it was taken out is written down, without a word of what it holds."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("lead", metavar="EMAIL_OR_ID")
        add_connection(parser)
        parser.add_argument("--json", metavar="FILE", help="where to write all of it; - is the standard output")
        add_request(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connection_named(options["connection"])
        by = user_named(options["by"], "leads.export_person", connection)
        leads = list(leads_named(connection, [options["lead"]], gone_too=True))
        if len(leads) > 1:
            ids = ", ".join(str(lead.kartra_id or lead.pk) for lead in leads)
            raise CommandError(f"Several leads have this address: {ids}. Name one by its id.", returncode=2)
        try:
            found, _request = held.export_person(leads[0], by=by, asked_on=options["asked"])
        except NotInTheFuture as problem:
            raise CommandError(str(problem)) from None
        if options["json"] == "-":
            self.stdout.write(found.as_json())
            return
        if options["json"]:
            self._write(Path(options["json"]), found.as_json())
        for section in found.sections:
            if section.rows:
                self.stdout.write(f"{len(section.rows):>7,} {section.words}")
        if options["json"]:
            self.stdout.write(f"All of it is in {options['json']}.")
        else:
            self.stdout.write("Say --json FILE to write all of it to a file.")

    def _write(self, path: Path, text: str) -> None:
        """For the eyes of its owner alone."""
        try:
            path.touch(mode=0o600, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror or error}.") from None
