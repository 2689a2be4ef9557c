"""Make or change a connection to a Kartra account."""

import json
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations.kartra.errors import KartraError
from integrations.management.secret_options import add_secrets, secrets_of
from integrations.models import Connection
from integrations.push import proof_token
from integrations.sending import calls, custom_fields, restored, switch
from integrations.setup.connecting import connect


class Command(BaseCommand):
    help = (
        "Make or change a connection; it is checked with one harmless call before anything is saved. Keys come "
        "from a file "
        "(--secrets-file), from KARTRA_APP_ID, KARTRA_API_KEY and KARTRA_API_PASSWORD, or are asked for."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the connection's name, e.g. the account's")
        add_secrets(parser)
        parser.add_argument("--api-url", default="", help=f"default {settings.KARTRA_API_URL}")
        parser.add_argument("--calls-per-second", type=float, help="at most 19.5, the default; Kartra allows 20 an app")
        parser.add_argument("--test-mode", action="store_true", default=None, help="the app is in Kartra's test mode")
        parser.add_argument("--time-zone", default="", help="of Kartra's dates; default America/New_York")
        parser.add_argument("--send", action="store_true", help="switch sending on (else new ones are read-only)")
        parser.add_argument(
            "--safety-field",
            action="store_true",
            help="make the custom field in Kartra by which lost answers about points, sequences and bookings can be told",
        )
        parser.add_argument(
            "--here",
            action="store_true",
            help="after a copied or moved database: say that this machine is where the installation is now",
        )
        parser.add_argument("--json", action="store_true", help="print facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        known = Connection.objects.filter(account__name=options["name"]).exists()
        keys = secrets_of(self, options, needed=not known)
        try:
            connected = connect(
                name=options["name"],
                app_id=keys["app_id"],
                api_key=keys["api_key"],
                api_password=keys["api_password"],
                api_url=options["api_url"] or ("" if known else settings.KARTRA_API_URL),
                calls_per_second=options["calls_per_second"],
                test_mode=options["test_mode"],
                time_zone=options["time_zone"],
            )
        except ValidationError as error:
            problems = [f"{field.replace('_', ' ')}: {' '.join(texts)}" for field, texts in error.message_dict.items()]
            raise CommandError(" ".join(problems)) from None
        if connected.connection is None:
            raise CommandError(f"{connected.check.text} Nothing was saved.")
        connection = connected.connection
        looked_at = restored.stay_here() if options["here"] else ""
        if options["send"]:
            switch.on(connection)
        if options["safety_field"]:
            self._prepare(connection)
        endpoint = connection.endpoints.standing().order_by("pk").first()
        urls = {"outbound": endpoint.outbound_url, "ipn": endpoint.ipn_url} if endpoint else {}
        if options["json"]:
            facts = {"name": connection.name, "created": connected.created, "sending": connection.sending}
            self.stdout.write(json.dumps({**facts, "lists": connected.check.lists, "webhooks": urls}))
            return
        self.stdout.write(f"{connection.name}: {connected.check.text}")
        self.stdout.write("Webhook addresses (keep them secret; whoever has one can post to it):")
        self.stdout.write(f"  outbound API (Integrations > My API > Outbound API): {urls.get('outbound', '')}")
        self.stdout.write(f"  IPN (payment notifications):                        {urls.get('ipn', '')}")
        if looked_at:
            self.stdout.write(looked_at)
        self.stdout.write(switch.why_not_sending(connection) or "Sending is on.")
        if not_here := restored.not_here():
            self.stdout.write(not_here)

    def _prepare(self, connection: Connection) -> None:
        try:
            proof_token.prepare(connection)
        except (proof_token.NotPrepared, custom_fields.CannotCreate) as problem:
            raise CommandError(str(problem)) from None
        except KartraError as error:
            raise CommandError(calls.in_words(error)) from None
