"""Read dirty and old leads, in the foreground."""

import datetime as dt
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations import calls, refresh
from integrations.management.arguments import add_connection, connections_named
from integrations.management.commands.pull import duration


class Command(BaseCommand):
    help = "Read from Kartra the leads whose update is due, until our copy is as fresh as asked."

    def add_arguments(self, parser: CommandParser) -> None:
        add_connection(parser)
        parser.add_argument("--until-fresh", type=duration, default=dt.timedelta(hours=24), metavar="8h")

    def handle(self, *args: Any, **options: Any) -> None:
        for connection in connections_named(options["connection"]):
            total = 0
            while True:
                leads = list(refresh.due(connection, older_than=options["until_fresh"])[:200])
                if not leads:
                    break
                read, stopped = refresh.read_many(connection, leads)
                total += read
                if stopped is not None:
                    raise CommandError(f"{total:,} leads read, then: {calls.in_words(stopped)}")
                if not read:
                    break
            self.stdout.write(f"{connection.name}: {total:,} leads read.")
