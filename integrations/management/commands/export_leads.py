"""Write leads of our copy into a CSV file: one that imports back, or what Kartra's own import takes."""

import getpass
import json
import logging
import os
import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet

from integrations.management.arguments import add_connection, connection_named, segment_named
from integrations.management.numbers import plural
from integrations.management.which_leads import on_list, resolved, with_tag
from integrations.models import Connection
from leads import exporting
from leads.changes import moved_names
from leads.filters.segments import known_conditions
from leads.filters.selection import AllOf, Everybody, InSegments, Selection
from leads.models import Account, Lead
from leads.models.changed import BadMark, Mark, changed_since

logger = logging.getLogger(__name__)


def _mark(text: str) -> Mark:
    try:
        return Mark.of(text)
    except BadMark as error:
        raise ArgumentTypeError(str(error)) from None


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid())


class Command(BaseCommand):
    help = (
        "Write leads into a CSV file that spreadsheets cannot be made to execute and that import_leads takes back. "
        "--tag, --list and --segment narrow it down, together; without them all leads are written."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        add_connection(parser)
        parser.add_argument("--tag", action="append", default=[], metavar="NAME", help="only leads that have this tag")
        parser.add_argument(
            "--list", action="append", default=[], metavar="NAME", help="only leads that are on this list"
        )
        parser.add_argument(
            "--segment", metavar="NAME", help="only leads that are in this segment (a saved filter) now"
        )
        parser.add_argument(
            "--changed-since",
            type=_mark,
            metavar="MARK",
            help="only leads of which Kartra told something new since an export printed this mark; 0-0 for all of them",
        )
        parser.add_argument(
            "--for-kartra",
            action="store_true",
            help="in the form Kartra's own import takes: several files of under 20,000 rows where there are more leads",
        )
        parser.add_argument("--json", action="store_true", help="print facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connection_named(options["connection"])
        account = connection.account
        leads, mark = changed_since(self._leads(connection, options), options["changed_since"] or Mark())
        pks = exporting.frozen(leads)
        path: Path = options["file"]
        # Before it is written: a disk that is full half-way keeps what came so far.
        logger.info(
            "User %s of this machine exports %s leads of account %s on the command line%s.",
            _who(),
            len(pks),
            account.pk,
            ", in Kartra's form" if options["for_kartra"] else "",
        )
        try:
            facts = (self._for_kartra if options["for_kartra"] else self._mirror)(account, pks, path)
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror or error}.") from None
        if options["json"]:
            self.stdout.write(json.dumps({**facts, "mark": str(mark)}))
            return
        self.stdout.write(f"{plural(facts['leads'], 'lead')} written to {', '.join(facts['files']) or 'no file'}.")
        for remark in facts["remarks"]:
            self.stdout.write(f"  {remark}")
        if options["changed_since"]:
            self.stdout.write(f"What changes from now on: --changed-since {mark}")

    def _leads(self, connection: Connection, options: dict[str, Any]) -> QuerySet[Lead]:
        narrowed: list[Selection] = []
        if options["segment"] is not None:
            segment = segment_named(connection, options["segment"])
            for words in moved_names.in_conditions(known_conditions(segment.selection)):
                self.stderr.write(words)
            narrowed.append(InSegments((segment.pk,)))
        narrowed += [with_tag(connection, name) for name in options["tag"]]
        narrowed += [on_list(connection, name) for name in options["list"]]
        return resolved(connection, AllOf(tuple(narrowed)) if narrowed else Everybody())

    def _mirror(self, account: Account, pks: Any, path: Path) -> dict[str, Any]:
        exporting.to_disk(exporting.mirror_lines(account, pks), path, on_line=self._bar(len(pks)))
        return {"leads": len(pks), "files": [str(path)], "remarks": []}

    def _for_kartra(self, account: Account, pks: Any, path: Path) -> dict[str, Any]:
        export, files = exporting.KartraFiles(account, exporting.told(pks)), []
        bar = self._bar(len(pks))
        for number, lines in enumerate(export.files(), start=1):
            name = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
            exporting.to_disk(lines, name, on_line=bar)
            files.append(str(name))
        return {"leads": export.rows, "files": files, "remarks": export.remarks()}

    def _bar(self, total: int) -> Any:
        """Shows at a terminal how far it is, every thousand leads."""
        if not sys.stderr.isatty():
            return None
        done = 0

        def step() -> None:
            nonlocal done
            done += 1
            if done % 1000 == 0 or done >= total:
                filled = min(done, total) * 30 // max(total, 1)
                self.stderr.write(
                    f"\r  [{'█' * filled}{'·' * (30 - filled)}] {min(done, total):,} of {total:,}", ending=""
                )

        return step
