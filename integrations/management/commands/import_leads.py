"""Load a CSV that Kartra exported into our copy."""

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations.management.arguments import add_connection, connection_named
from integrations.management.commands.change import name_and_value
from leads.importing import CannotImport, Import


class Command(BaseCommand):
    help = "Load what Kartra exported (CSV) into our copy. Nothing is sent to Kartra. Bad rows go to FILE.rejected.csv."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        add_connection(parser)
        parser.add_argument(
            "--map", action="append", default=[], type=name_and_value, metavar='field="Header"',
            help="which column holds a field, e.g. --map email='Email Address'; plain headers are found without",
        )  # fmt: skip
        parser.add_argument("--dry-run", action="store_true", help="only count, change nothing")
        parser.add_argument("--json", action="store_true", help="print facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connection_named(options["connection"])

        def progress(rows: int) -> None:
            if sys.stderr.isatty():
                self.stderr.write(f"\r  {rows:,} rows", ending="")

        try:
            job = Import(connection.account, options["file"], dict(options["map"]))
            result = job.run(dry_run=options["dry_run"], on_progress=progress)
        except CannotImport as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            self.stdout.write(json.dumps(vars(result)))
            return
        would = "would be " if options["dry_run"] else ""
        self.stdout.write(
            f"{result.rows:,} rows: {result.created:,} {would}new, {result.updated:,} {would}changed, "
            f"{result.unchanged:,} as they were, {result.rejected:,} rejected."
        )
        for line, reason in result.examples:
            self.stdout.write(f"  line {line}: {reason}")
        if result.reject_path:
            self.stdout.write(f"The rejected rows are in {result.reject_path}.")
