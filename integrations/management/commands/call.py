"""Any call to Kartra's API by hand."""

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
        pairs = [tuple(pair.partition("=")[::2]) for pair in options["pairs"]]
        try:
            self.stdout.write(console.call(connection, pairs))
        except console.CannotCall as error:
            raise CommandError(str(error)) from None
        except KartraError as error:
            raise CommandError(console.words_of(error)) from None
