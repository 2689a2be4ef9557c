"""The five groups from the command line: what each has, lacks and has besides; give what is lacking."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from kartra_mirror.groups import GROUPS, Groups, GroupState


class Command(BaseCommand):
    help = "Show what the five groups have, lack and have besides, held against what a new installation gives them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--sync", action="store_true", help="give them what they lack; nothing is taken away")
        parser.add_argument("--json", action="store_true", help="print facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        groups = Groups()
        states = groups.states()
        if not states:
            raise CommandError(f"There is none of the groups {', '.join(GROUPS)}. `migrate` makes them.")
        if options["sync"]:
            with transaction.atomic():
                for state in states:
                    groups.give(state)
            states = groups.states()
        if options["json"]:
            self.stdout.write(json.dumps([_facts(state) for state in states], indent=2))
            return
        for state in states:
            self._print(state)

    def _print(self, state: GroupState) -> None:
        had = len(state.wanted) - len(state.lacks)
        by_hand = ", changed by hand" if state.is_changed else ""
        self.stdout.write(f"{state.name}: has {had} of {len(state.wanted)} permissions{by_hand}")
        for title, permissions in (("lacks", state.lacks), ("has besides", state.besides)):
            if permissions:
                self.stdout.write(f"  {title} {', '.join(permissions)}")


def _facts(state: GroupState) -> dict[str, Any]:
    return {
        "group": state.name,
        "has": sorted(state.has),
        "lacks": state.lacks,
        "besides": state.besides,
        "changed": state.is_changed,
    }
