"""How things stand: sending, queue, pace, freshness, webhook endpoints."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.template.defaultfilters import pluralize

from integrations import clock
from integrations.management.arguments import add_connection, connections_named
from integrations.models import Connection
from integrations.sending import clocks, restored
from integrations.setup import key_rotation
from integrations.status import facts_of_connection, in_words, last_sweep
from integrations.watching import disks
from integrations.watching.words import full_disk
from leads.changes import moved_names
from leads.labels import STATUS_WORDS


def _moved(connection: Connection) -> list[str]:
    """Names of queued changes that Kartra does not show any more."""
    return [moved_names.of_waiting(thing, number) for thing, number in moved_names.waiting([connection.account_id])]


class Command(BaseCommand):
    help = "Say how things stand: sending, queue by state, pace, how true our copy is, messages from Kartra."

    def add_arguments(self, parser: CommandParser) -> None:
        add_connection(parser)
        parser.add_argument("--json", action="store_true", help="print facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        facts = [
            {**facts_of_connection(connection), "moved": _moved(connection)}
            for connection in connections_named(options["connection"])
        ]
        beat, not_here, wrong = last_sweep(), restored.not_here(), clocks.wrong()
        full = disks.full_machines(clock.now())
        if options["json"]:
            beat_at = beat.isoformat() if beat else None
            about = {"last_sweep": beat_at, "not_here": not_here, "wrong_clocks": wrong, "full_disks": full}
            self.stdout.write(json.dumps({"connections": facts, **about}))
            return
        for each in facts:
            self._print(each)
        if not facts:
            self.stdout.write("No Kartra account is connected yet. Make one with `connect`.")
        wrong += [full_disk(machine) for machine in full]
        for sentence in filter(None, [not_here, *wrong, key_rotation.cannot_start(), *key_rotation.older_keys()]):
            self.stdout.write(sentence)
        self.stdout.write(f"Workers last active: {f'{beat:%Y-%m-%d %H:%M:%S} UTC' if beat else 'never'}")

    def _print(self, facts: dict[str, Any]) -> None:
        copy, pace = facts["copy"], facts["pace"]
        queue = ", ".join(f"{number:,} {STATUS_WORDS[status]}" for status, number in facts["queue"].items() if number)
        allowed = f"{pace['allowed_per_second']:g} a second" if pace["allowed_per_second"] else "no limit"
        known = f"{copy['known']:,} lead{pluralize(copy['known'])}"
        if copy["in_kartra"] is not None:
            known = f"{copy['known']:,} of {copy['in_kartra']:,} leads known"
        never = f", but {copy['never_read']:,} not checked yet" if copy["never_read"] else ""
        if copy["absent"]:
            never += f", and {copy['absent']:,} not in Kartra"
        self.stdout.write(facts["name"])
        self.stdout.write(f"  sending: {facts['why_not_sending'] or 'on'}")
        if facts["why_commands_wait"]:
            self.stdout.write(f"  {facts['why_commands_wait']}")
        if facts["last_stop"]:
            self.stdout.write(f"  last stop: {facts['last_stop']}")
        self.stdout.write(f"  requested changes: {queue or 'none'}")
        for words in facts["moved"]:
            self.stdout.write(f"    {words}")
        lowest = " (the lowest of its app counts)" if pace["lowest_of_app"] else ""
        self.stdout.write(
            f"  speed: {allowed}{lowest}; {pace['calls_last_minute']:,} calls in the last minute, "
            f"{pace['turned_away_last_minute']:,} turned away"
        )
        self.stdout.write(
            f"  our copy: {known}, all checked within {in_words(copy['read_within_s'])}"
            f"{never}; {copy['update_due']:,} update due; "
            f"all leads take {in_words(copy['full_round_s'])} at this speed. "
            "Leads we have not imported or heard about from Kartra are missing here."
        )
        if copy["out_of_reach"]:
            words = "could not be found at the address we know, or could not be read; they are tried again"
            self.stdout.write(f"    {copy['out_of_reach']:,} of them {words}")
        needed = f"{copy['needed_per_second']:g}" if copy["needed_per_second"] else "less than 0.01"
        kept = f"this needs {needed} reads a second, which the speed allows"
        self.stdout.write(f"  promised: every lead within {in_words(copy['promised_s'])}; {copy['alert'] or kept}")
        if copy["stopped"]:
            self.stdout.write(f"  updates from Kartra are stopped: {copy['stopped']} See `refresh --gone`.")
        waiting = facts["messages_waiting"]
        if waiting["number"]:
            late = " Delivery is delayed: see whether the broker and the workers run." if waiting["delayed"] else ""
            since = waiting["since"][:16].replace("T", " ")
            self.stdout.write(f"  messages not applied yet: {waiting['number']:,}, the oldest came {since} UTC.{late}")
        for endpoint in facts["doors"]:
            self._print_endpoint(endpoint)

    def _print_endpoint(self, endpoint: dict[str, Any]) -> None:
        seen = [f"{name} {when[:16].replace('T', ' ')}" for name, when in endpoint["events"].items() if when]
        self.stdout.write(f"  messages at {endpoint['name']}: {', '.join(seen) or 'none yet'}")
        for name, sentence in endpoint["stopped"].items():
            self.stdout.write(f"    {name} {sentence}")
        if endpoint["never"]:
            self.stdout.write(f"    never seen: {', '.join(endpoint['never'])}")
        if endpoint["old_address_since"]:
            since = endpoint["old_address_since"][:16].replace("T", " ")
            self.stdout.write(f"    has a new address since {since}; the old one is still valid")
