"""The Kartra sandbox as a command."""

import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from integrations.sandbox.state import APP_ID, KEY, PASSWORD
from integrations.sandbox.wire.server import Sandbox


class Command(BaseCommand):
    help = "Serve a Kartra sandbox on loopback, with its own page at / and its controls under /__sandbox__/."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=9100, help="0 takes any free port")
        parser.add_argument("--leads", type=int, default=0, help="demo leads, made when the account is empty")
        parser.add_argument("--db", default=":memory:", metavar="FILE", help="keeps the account over restarts")
        parser.add_argument(
            "--own-name",
            default="",
            metavar="NAME",
            help="listen everywhere and answer to NAME too, for containers; else loopback",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        sandbox = Sandbox(port=options["port"], db=options["db"], own_name=options["own_name"])
        sandbox.fill(options["leads"])
        self.stdout.write(
            f"Kartra sandbox: page {sandbox.base}/, API {sandbox.url}, app id {APP_ID}, key {KEY}, password {PASSWORD}"
        )
        sandbox.serve()
