"""The pusher in the foreground: sends, verifies, settles."""

import datetime as dt
import functools
import logging
import signal
import threading
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError, connections

from integrations import push
from integrations.clock import now
from integrations.management.arguments import add_connection, connections_named
from integrations.management.numbers import plural
from integrations.models import ApiCall, Attempt, CallOutcome, Connection, StopCause
from integrations.push import due_changes, lease, verify
from integrations.sending import alerts, clocks, outage, switch
from leads.models import LeadChange

logger = logging.getLogger(__name__)

ROUND_S = 2.0
ALONE_S = 60.0
"""How long one connection is pushed before the next has its turn, and where there is no other."""

ASIDE_S = 0.5
"""How long unclear changes are looked at while calls are in flight."""

OUTAGE_PATIENCE_S = 600.0
"""How long `--until-idle` sits out an outage."""


class Command(BaseCommand):
    more = False
    help = "Send what is queued to Kartra, and look whether unclear changes were done. May run beside the workers."

    def add_arguments(self, parser: CommandParser) -> None:
        add_connection(parser)
        parser.add_argument(
            "--until-idle", action="store_true", help="end when nothing is queued, in flight or being checked"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        stopping = threading.Event()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: stopping.set())
        sent, began = 0, time.monotonic()  # the database, whose clock counts, may be restarting just now
        while not stopping.is_set():
            try:
                began_at = now() - dt.timedelta(seconds=time.monotonic() - began)
                more, busy = self._round(options["connection"], stopping, began_at)
                sent += more
                if options["until_idle"]:
                    self._end_if_unreachable(options["connection"], began_at)
            except (OperationalError, InterfaceError) as error:
                logger.warning("The database does not answer (%s); trying again.", type(error).__name__)
                connections.close_all()
                stopping.wait(1)
                continue
            if options["until_idle"] and not busy:
                break
            if not self.more:
                stopping.wait(0.2)
        self.stdout.write(f"{plural(sent, 'call')} sent.")
        if options["until_idle"]:
            self._say_what_waits(options["connection"])

    def _round(self, name: str | None, stopping: threading.Event, began_at: dt.datetime) -> tuple[int, bool]:
        """Send, verify, try after an outage, on each connection once: (calls sent, whether there is more to wait for)."""
        sent, busy, self.more = 0, False, False
        all_of_them = list(connections_named(name))
        until_s = ROUND_S if len(all_of_them) > 1 else ALONE_S
        for connection in all_of_them:
            lease.end_leases(connection)
            aside = functools.partial(self._aside, connection.pk, stopping)
            drained = push.drain(connection, until_s=until_s, stop=stopping.is_set, aside=aside)
            sent, self.more = sent + drained.sent, self.more or (drained.more and drained.sent > 0)
            if not stopping.is_set():
                verify.drain(connection, until_s=2.0, stop=stopping.is_set)
            connection.refresh_from_db()
            if outage.due(connection) and not stopping.is_set():
                outage.probe(connection)
            busy = busy or self._worth_waiting(connection, began_at) or self._has_work(connection)
        alerts.drain()
        clocks.look()
        return sent, busy

    def _aside(self, pk: int, stopping: threading.Event) -> None:
        """What does not wait until a long drain is over; calls in flight go on meanwhile."""
        connection = Connection.objects.select_related("account").get(pk=pk)
        lease.end_leases(connection)
        verify.drain(connection, until_s=ASIDE_S, stop=stopping.is_set)
        alerts.drain()
        clocks.look()

    def _has_work(self, connection: Connection) -> bool:
        """Whether something is to be waited for. What waits for a person (switch, keys, decisions) is not."""
        if connection.stopped_by == StopCause.CREDENTIALS:
            return ApiCall.objects.in_flight().filter(connection=connection).exists()
        return (
            ApiCall.objects.in_flight().filter(connection=connection).exists()
            or Attempt.objects.unclear().filter(call__connection=connection).exists()
            or (connection.sends and due_changes.sendable_changes(connection).exists())
        )

    def _end_if_unreachable(self, name: str | None, began_at: dt.datetime) -> None:
        """An address at which nothing answers: say so soon, do not sit it out."""
        for connection in connections_named(name):
            why = switch.why_not_sending(connection)
            if connection.failures >= 3 and why and not self._answered(connection, began_at):
                raise CommandError(why)

    def _answered(self, connection: Connection, began_at: dt.datetime) -> bool:
        calls = ApiCall.objects.filter(connection=connection, outcome=CallOutcome.ANSWERED, finished_at__gte=began_at)
        return calls.exists()

    def _worth_waiting(self, connection: Connection, began_at: dt.datetime) -> bool:
        """Whether to sit an outage out: Kartra answered since this command began, and something waits for it."""
        stop = connection.standing_stop
        if stop is None or stop.stopped_by != StopCause.OUTAGE:
            return False
        if (now() - stop.began_at).total_seconds() > OUTAGE_PATIENCE_S:
            return False
        waits = LeadChange.objects.filter(account=connection.account_id).due().exists()
        return waits and self._answered(connection, began_at)

    def _say_what_waits(self, name: str | None) -> None:
        """Sending that is switched off is no failure of this command unless something waits for it."""
        for connection in connections_named(name):
            why = switch.why_not_sending(connection)
            if why and LeadChange.objects.filter(account=connection.account_id).due().exists():
                raise CommandError(why)
            if why := switch.why_commands_wait(connection):
                raise CommandError(why)
