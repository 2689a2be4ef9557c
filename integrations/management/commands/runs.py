"""Bulk actions from the command line: list, show, cancel, pause, resume, undo, retry."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.text import capfirst

from leads import changes
from leads.changes import retry, runs, undo
from leads.labels import RUN_WORDS, STATUS_WORDS
from leads.models import BulkRun

VERBS = ("list", "show", "cancel", "pause", "resume", "undo", "retry")


class Command(BaseCommand):
    help = "Look at bulk actions and steer them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("verb", nargs="?", choices=VERBS, default="list")
        parser.add_argument("id", nargs="?", type=int, help="the bulk action's number")
        parser.add_argument("--why", default="", help="the reason for an undo, kept with it")
        parser.add_argument("--json", action="store_true", help="print facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] == "list":
            for listed in BulkRun.objects.select_related("account")[:50]:
                self._print(listed, options["json"])
            return
        if options["id"] is None:
            raise CommandError(f"Which one? runs {options['verb']} ID", returncode=2)
        run = BulkRun.objects.filter(pk=options["id"]).first()
        if run is None:
            raise CommandError(f"There is no bulk action {options['id']}. `runs list` shows those there are.")
        if options["verb"] == "cancel" and not runs.cancel(run):
            raise CommandError(f"Bulk action {run.pk} is already {RUN_WORDS[run.state]}.")
        if options["verb"] == "pause" and not runs.pause(run, why="Paused on the command line."):
            raise CommandError(f"Bulk action {run.pk} is {RUN_WORDS[run.state]}, so it cannot be paused.")
        if options["verb"] == "resume" and not runs.resume(run):
            raise CommandError(f"Bulk action {run.pk} is {RUN_WORDS[run.state]}, not paused.")
        if options["verb"] == "undo":
            run = self._undo(run, options)
        if options["verb"] == "retry":
            try:
                run = retry.retry(run.account, run.changes.failed(), why="Tried again on the command line.")
            except changes.CannotRecord as problem:
                raise CommandError(str(problem)) from None
        self._print(run, options["json"])

    def _undo(self, run: BulkRun, options: dict[str, Any]) -> BulkRun:
        """The new bulk action that takes it back; what is not taken back is said, and why."""
        if not options["json"]:
            for group in undo.groups(run):
                parts = [f"{number:,} {why}" for _, number, why in group.rest]
                taken = f"{group.number[undo.STANDS]:,} will be taken back"
                self.stderr.write(f"{capfirst(group.did)}: {', '.join([taken, *parts])}. {group.why_never}".rstrip())
        try:
            return changes.undo_run(run, why=options["why"])
        except changes.CannotRecord as problem:
            raise CommandError(str(problem)) from None

    def _print(self, run: BulkRun, as_json: bool) -> None:
        counts = run.counts()
        if as_json:
            facts = {"run": run.pk, "account": run.account.name, "name": run.name, "state": run.state}
            self.stdout.write(json.dumps({**facts, "members": sum(counts.values()), **counts}))
            return
        parts = ", ".join(f"{number:,} {STATUS_WORDS[status]}" for status, number in counts.items() if number)
        self.stdout.write(f"{run.pk}  {run.name}  {RUN_WORDS[run.state]}: {parts or 'no members'}")
