"""What the two import commands share: find or go on with an import, show how far it is, say what came of it."""

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from integrations.management.arguments import add_connection, connection_named, name_and_value
from integrations.models import Connection
from integrations.notify import notify_worker
from integrations.read import file_ids
from leads import importing
from leads.importing import ids, words
from leads.models import Import, ImportKind, ImportReject, ImportState


class ImportCommand(BaseCommand):
    """A command that loads a file of one kind. Cut off at any moment, the same command goes on where it was."""

    kind: ImportKind
    example: str

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        add_connection(parser)
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            type=name_and_value,
            metavar='field="Header"',
            help=f"which column holds a field, e.g. --map {self.example}; plain headers are found without, and what was "
            "said once is remembered",
        )
        parser.add_argument(
            "--dates",
            choices=["day-first", "month-first"],
            help="how 03/04/2026 is to be read; found by itself where it shows",
        )
        parser.add_argument(
            "--ids",
            choices=["kartra", "not-kartra"],
            help="whose the file's ids are, where that cannot be checked: Kartra's (they are still taken only once a read "
            "agrees), or another system's (people are found by their addresses)",
        )
        parser.add_argument(
            "--separator",
            choices=list(importing.SEPARATORS),
            help="what stands between names of tags and lists in a cell: ; unless said otherwise",
        )
        parser.add_argument(
            "--currency",
            default="",
            metavar="CODE",
            help="what a sign means that several currencies have ($, kr, ¥), e.g. SEK",
        )
        parser.add_argument(
            "--empty-clears", action="store_true", help="an empty cell clears the field; else it says nothing"
        )
        parser.add_argument("--dry-run", action="store_true", help="only count, change nothing")
        parser.add_argument("--json", action="store_true", help="print facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connection_named(options["connection"])
        path: Path = options["file"]
        try:
            with _opened(path) as file:
                job = self._job(connection, path, file, options)
                self._work(job, file)
        except importing.CannotImport as error:
            raise CommandError(str(error)) from None
        facts = self._facts(job, path, dry_run=options["dry_run"])
        self._print(facts, options)
        if options["dry_run"]:
            job.delete()
        else:
            notify_worker("refresh_leads", connection.pk)

    def _job(self, connection: Connection, path: Path, file: BinaryIO, options: dict[str, Any]) -> Import:
        account = connection.account
        given = dict(options["map"])
        digest, _ = importing.digest_of(file)
        job = None if options["dry_run"] else importing.unfinished(account, self.kind, digest, given)
        if job is not None:
            if not options["json"]:
                self.stdout.write(f"This file was interrupted at line {job.line:,}; going on there.")
            return job
        with transaction.atomic():
            job = importing.create(account, self.kind, file, path.name)
            taken = set(given.values())
            mapping = {target: header for target, header in job.mapping.items() if header not in taken} | given
            if options["ids"] == "not-kartra":
                mapping.pop("lead_id" if self.kind == ImportKind.TRANSACTIONS else "id", None)
            importing.match(
                job,
                mapping,
                day_first=None if options["dates"] is None else options["dates"] == "day-first",
                separator=options["separator"] or "",
                clears=options["empty_clears"],
                currency=options["currency"],
                ids_said="kartra" if options["ids"] == "kartra" else "",
            )
            importing.survey(job, file)
        try:
            file_ids.look_up(job, connection)
            (importing.check if options["dry_run"] else importing.start)(job, file)
        except importing.CannotImport as problem:
            words = "Say --ids kartra if these are Kartra's ids, --ids not-kartra if they are another system's."
            if ids.verdict(job.options) == ids.FOREIGN:
                words = "Say --ids not-kartra to leave that column out."
            job.delete()
            raise CommandError(f"{problem} {words}") from None
        return job

    def _work(self, job: Import, file: BinaryIO) -> None:
        shows = sys.stderr.isatty()

        def progress(job: Import) -> None:
            if shows:
                done = job.percent * 30 // 100
                self.stderr.write(
                    f"\r  [{'█' * done}{'·' * (30 - done)}] {job.percent:3} %  {job.rows:,} rows", ending=""
                )

        importing.work(job, file, on_progress=progress)
        if shows:
            self.stderr.write("")

    def _facts(self, job: Import, path: Path, *, dry_run: bool) -> dict[str, Any]:
        rejects = ImportReject.objects.filter(file=job)
        reject_path = ""
        if job.rejected and not dry_run:
            reject_path = str(path.with_name(f"{path.name}.rejected.csv"))
            with open(reject_path, "w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows(importing.reject_lines(job))
            importing.keep_reject_path(job, Path(reject_path))
        return {
            "rows": job.rows,
            "rejected": job.rejected,
            "reject_path": reject_path,
            "state": job.state,
            "mapping": job.mapping,
            "encoding": job.encoding,
            "delimiter": job.delimiter,
            **job.counts,
            "examples": [[row.line, row.words] for row in rejects.order_by("line")[:10]],
            "sentence": words.outcome(job),
            "remarks": [*words.remarks(job), *filter(None, [ids.problem(job)])],
        }

    def _print(self, facts: dict[str, Any], options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps(facts))
            return
        if facts["state"] not in (ImportState.FINISHED, ImportState.CHECKED):
            raise CommandError(f"The import was {facts['state']} meanwhile. {facts['sentence']}")
        self.stdout.write(facts["sentence"])
        for remark in facts["remarks"]:
            self.stdout.write(f"  {remark}")
        for line, reason in facts["examples"]:
            self.stdout.write(f"  line {line:,}: {reason}")
        if facts["rejected"] > len(facts["examples"]):
            self.stdout.write(f"  … and {facts['rejected'] - len(facts['examples']):,} more.")
        if facts["reject_path"]:
            self.stdout.write(f"The rejected rows are in {facts['reject_path']}.")


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise importing.CannotImport(f"{path} cannot be read: {error.strerror or error}.") from None
    with file:
        yield file
