"""Read dirty and old leads, in the foreground; answer the question of a refresh that was stopped."""

import datetime as dt
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations.management.arguments import add_connection, connections_named
from integrations.management.commands.pull import duration
from integrations.management.numbers import plural
from integrations.models import Connection
from integrations.read import deletions, refresh
from integrations.read.schedule import due
from integrations.sending import calls


class Command(BaseCommand):
    help = "Read from Kartra the leads whose update is due, until our copy is as fresh as asked."

    def add_arguments(self, parser: CommandParser) -> None:
        add_connection(parser)
        parser.add_argument(
            "--until-fresh", type=duration, metavar="8h", help="no lead older than that; 0s: read all once"
        )
        parser.add_argument(
            "--gone",
            choices=["yes", "no"],
            help="the answer when so many leads were found deleted that reading stopped: yes, mark them as deleted and go "
            "on; no, take the marks back and read them again",
        )
        parser.add_argument("--json", action="store_true", help="print facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        facts: list[dict[str, Any]] = []
        for connection in connections_named(options["connection"]):
            each: dict[str, Any] = {"connection": connection.name}
            facts.append(each)
            if options["gone"]:
                each.update(self._answer(connection, options["gone"], options["json"]))
            each.update(self._read(connection, options["until_fresh"], options["json"]))
        if options["json"]:
            self.stdout.write(json.dumps(facts))

    def _answer(self, connection: Connection, answer: str, as_json: bool) -> dict[str, Any]:
        if answer == "yes":
            number = deletions.confirm(connection)
            words = f"Marked as deleted in Kartra: {plural(number, 'lead')} more."
        else:
            number = deletions.read_again(connection)
            words = f"Not taken for deleted, and read again: {plural(number, 'lead')}."
        if not as_json:
            self.stdout.write(f"{connection.name}: {words}")
        return {"gone": answer, "leads": number}

    def _read(self, connection: Connection, older_than: dt.timedelta | None, as_json: bool) -> dict[str, Any]:
        total = due(connection, older_than=older_than).count()
        at_terminal = sys.stderr.isatty()

        def progress(number: int) -> None:
            if at_terminal and number % 20 == 0:
                self.stderr.write(f"\r  {number:,} of {total:,} leads", ending="")

        done = refresh.read_due(connection, older_than=older_than, on_read=progress)
        if connection.reads_stopped_at is not None:
            raise CommandError(deletions.what_to_do(connection))
        if done.stopped is not None:
            raise CommandError(f"{plural(done.read, 'lead')} read, then: {calls.in_words(done.stopped)}")
        if not as_json:
            failed = f" {done.failed:,} could not be read and are tried again in 10 minutes." if done.failed else ""
            self.stdout.write(f"{connection.name}: {plural(done.read, 'lead')} read.{failed}")
        return {"read": done.read, "failed": done.failed}
