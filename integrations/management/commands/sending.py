"""The sending switch from the command line."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations.management.arguments import connection_named
from integrations.sending import switch
from integrations.setup.connecting import check


class Command(BaseCommand):
    help = "Switch sending to Kartra on or off for a connection. On is checked with one harmless call first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("state", choices=["on", "off"])
        parser.add_argument("name", metavar="NAME", help="the connection")
        parser.add_argument("--why", default="", help="the reason for off, shown to everybody")

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connection_named(options["name"])
        if options["state"] == "off":
            switch.off(connection, why=options["why"])
            self.stdout.write(switch.why_not_sending(connection))
            return
        result = check(connection)
        if not result.ok:
            raise CommandError(f"{result.text} Sending stays as it was.")
        done = switch.on(connection)
        self.stdout.write(f"Sending to {connection.name} is on. {done}".strip())
