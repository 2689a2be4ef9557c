"""Apply stored messages from Kartra, in the foreground; those that wait, or again those that are named."""

import datetime as dt
import getpass
import json
import os
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from integrations import clock, receive
from integrations.management.arguments import add_connection, connection_named
from integrations.management.numbers import plural
from integrations.models import Delivery
from integrations.receive import Applied
from leads.models.remarks import sentence_of

ANY = "any"
UNREADABLE = "unreadable"


def who_runs_this() -> str:
    """Who runs this; in a container the user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


class Command(BaseCommand):
    help = (
        "Apply the messages from Kartra that nobody has applied yet. With --replay, --since or --failed: apply stored ones "
        "again, in order of arrival and against what is known now, and say what that changed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_connection(parser)
        parser.add_argument("--replay", type=int, nargs="+", metavar="ID", default=[], help="apply these again")
        parser.add_argument(
            "--since",
            type=_moment,
            metavar="TIME",
            help="apply again all that came since then: 2026-11-24, 2026-11-24T18:30 (in the server's time zone), 36h, 7d",
        )
        parser.add_argument(
            "--failed",
            nargs="?",
            const=ANY,
            metavar="KIND",
            help="apply again those that could not be read or applied, or were refused: "
            f'of a kind (assign_tag, "ipn sale", or {UNREADABLE} '
            "for those whose kind could not be told), or all",
        )
        parser.add_argument("--json", action="store_true", help="print facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = self._chosen(options)
        if chosen is not None:
            self._replay(chosen, options)
            return
        done = 0
        while number := receive.drain(until_s=5):
            done += number
        self.stdout.write(json.dumps({"applied": done}) if options["json"] else f"{plural(done, 'message')} applied.")

    def _chosen(self, options: dict[str, Any]) -> QuerySet[Delivery] | None:
        """The messages to apply again; None: none were asked for."""
        ids, since, failed = options["replay"], options["since"], options["failed"]
        if not ids and since is None and failed is None:
            return None
        chosen = Delivery.objects.all()
        if options["connection"]:
            chosen = chosen.filter(endpoint__connection=connection_named(options["connection"]))
        if ids:
            chosen = chosen.filter(pk__in=ids)
            missing = sorted(set(ids) - set(chosen.values_list("pk", flat=True)))
            if missing:
                raise CommandError(f"There is no message {', '.join(map(str, missing))}.")
        if since is not None:
            chosen = chosen.filter(received_at__gte=since)
        if failed is not None:
            chosen = chosen.failed()
            if failed != ANY:
                chosen = chosen.filter(action="" if failed == UNREADABLE else failed)
        return chosen

    def _replay(self, chosen: QuerySet[Delivery], options: dict[str, Any]) -> None:
        """A line for each that changed something or failed; with --replay or --json, for each."""
        number, changing, statuses = 0, 0, Counter[str]()
        told: list[dict[str, Any]] = []
        for delivery, applied in receive.replay(chosen, by=who_runs_this()):
            number += 1
            statuses[applied.status] += 1
            changing += bool(applied.changed)
            if options["json"]:
                told.append(
                    {"id": delivery.pk, "status": applied.status, "reason": applied.reason, "changed": applied.changed}
                )
            elif options["replay"] or applied.changed:
                self.stdout.write(_line(delivery, applied))
        if options["json"]:
            self.stdout.write(json.dumps({"messages": told, "applied_again": number, "changed_something": changing}))
            return
        states = ", ".join(f"{count:,} {status}" for status, count in statuses.most_common())
        self.stdout.write(
            f"{plural(number, 'message')} applied again{f' ({states})' if states else ''}; {changing:,} changed something."
        )


def _line(delivery: Delivery, applied: Applied) -> str:
    words = "; ".join(map(sentence_of, applied.changed)) or "nothing changed"
    return f"{delivery.pk}: {applied.status}, {words}{f' ({sentence_of(applied.reason)})' if applied.reason else ''}"


def _moment(text: str) -> dt.datetime:
    """A date, a date and time, or a span before now ("36h", "7d")."""
    if text[-1:] in ("h", "d") and text[:-1].isdecimal():
        return clock.now() - dt.timedelta(**{"hours" if text[-1] == "h" else "days": int(text[:-1])})
    try:
        at = parse_datetime(text)
        if at is None and (day := parse_date(text)):
            at = dt.datetime.combine(day, dt.time())
    except ValueError:
        at = None
    if at is None:
        raise ValueError(text)
    return at if timezone.is_aware(at) else timezone.make_aware(at)


_moment.__name__ = "time"
