"""Apply stored messages from Kartra, in the foreground."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from integrations import apply
from integrations.models import Delivery


class Command(BaseCommand):
    help = "Apply the messages from Kartra that nobody has applied yet."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--replay", type=int, nargs="+", metavar="ID", default=[], help="apply these again")

    def handle(self, *args: Any, **options: Any) -> None:
        for delivery in Delivery.objects.filter(pk__in=options["replay"]).select_related("door__connection__account"):
            applied = apply.apply_one(delivery, delivery.door.connection.account)
            words = "; ".join(applied.changed) or "nothing changed"
            self.stdout.write(
                f"{delivery.pk}: {applied.status}, {words}{f' ({applied.reason})' if applied.reason else ''}"
            )
        if options["replay"]:
            return
        done = 0
        while number := apply.drain(until_s=5):
            done += number
        self.stdout.write(f"{done:,} messages applied.")
