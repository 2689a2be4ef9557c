"""Any call to Kartra's API by hand."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations import console
from integrations.kartra.errors import KartraError
from integrations.management.arguments import add_connection, connection_named


class Command(BaseCommand):
    help = "Make any call to Kartra's API and print the answer, e.g. 'actions[0][cmd]=retrieve_account_pages'."

    def add_arguments(self, parser: CommandParser) -> None:
        add_connection(parser)
        parser.add_argument("pairs", nargs="+", metavar="key=value", help="form fields, without credentials")

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connection_named(options["connection"])
        if wrong := [pair for pair in options["pairs"] if "=" not in pair]:
            raise CommandError(f"{wrong[0]!r} is not of the form key=value.", returncode=2)
        pairs = [tuple(pair.partition("=")[::2]) for pair in options["pairs"]]
        try:
            answer = console.call(connection, pairs, send_here=True)
        except console.CannotCall as error:
            raise CommandError(str(error)) from None
        except KartraError as error:
            raise CommandError(console.words_of(error)) from None
        if answer.text:
            self.stdout.write(answer.text)
        for line, change in answer.lines:
            self.stderr.write(f"Change {change.pk}: {line}")
        if answer.trouble:
            raise CommandError(answer.trouble)
        if refusal := _refusal(answer.text):
            raise CommandError(f"Kartra refused: {refusal}")


def _refusal(answer: str) -> str:
    """Kartra's words where it refused the whole call, so that a script does not take it for done."""
    try:
        told = json.loads(answer)
    except ValueError:
        return ""
    if not isinstance(told, dict) or str(told.get("status", "")).lower() != "error":
        return ""
    return f"{told.get('message', 'no reason told')} ({told.get('type', 'no code')})"
