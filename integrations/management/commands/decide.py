"""Decide about a change that nobody can know about, from the command line."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from leads import labels
from leads.changes import conflicts
from leads.labels import STATUS_WORDS
from leads.models import LeadChange


class Command(BaseCommand):
    help = (
        "Decide about a requested change whose outcome nobody can know: `happened` (it is done), `again` (it "
        "is not: send it "
        "again) or `give-up`. Without arguments: list what is to be decided, with the evidence."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("change", nargs="?", type=int, metavar="CHANGE", help="the requested change's number")
        parser.add_argument("answer", nargs="?", choices=list(conflicts.ANSWERS))
        parser.add_argument("--why", default="", help="the reason, written into the lead's timeline")
        parser.add_argument("--json", action="store_true", help="print facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["change"] is None:
            self._list(options["json"])
            return
        change = LeadChange.objects.select_related("lead").filter(pk=options["change"]).first()
        if change is None:
            raise CommandError(
                f"There is no requested change {options['change']}. `decide` lists what is to be decided."
            )
        if options["answer"] is None:
            self._print(change, options["json"])
            return
        if not options["why"].strip():
            raise CommandError(
                'Say why: --why "seen in Kartra". It is written into the lead\'s timeline.', returncode=2
            )
        try:
            change = conflicts.decide(change, options["answer"], why=options["why"])
        except conflicts.CannotDecide as problem:
            raise CommandError(str(problem)) from None
        self._print(change, options["json"])

    def _list(self, as_json: bool) -> None:
        found = LeadChange.objects.questions().select_related("lead").order_by("pk")[:200]
        for change in found:
            self._print(change, as_json)
        if not found and not as_json:
            self.stdout.write("No decisions waiting.")

    def _print(self, change: LeadChange, as_json: bool) -> None:
        evidence = [
            {"attempt": attempt.pk, "before": attempt.before, **entry}
            for attempt in change.attempts.order_by("pk")
            for entry in attempt.evidence
        ]
        lead = change.lead.kartra_id or f"no. {change.lead_id} of our copy"
        if as_json:
            together = [other.pk for other in conflicts.asked_together(change)]
            facts = {
                "change": change.pk,
                "together": together,
                "lead": lead,
                "kind": change.kind,
                "parameters": change.parameters,
            }
            self.stdout.write(
                json.dumps({**facts, "status": change.status, "reason": change.reason, "evidence": evidence})
            )
            return
        why = f" ({change.get_reason_display()})" if change.reason else ""
        self.stdout.write(f"{change.pk}  lead {lead}: {change}: {STATUS_WORDS[change.status]}{why}. {change.words}")
        for other in conflicts.asked_together(change):
            self.stdout.write(f"    with it: {other.pk}  {other}")
        for entry in evidence:
            rest = labels.told({name: value for name, value in entry.items() if value}, but=("at", "what", "attempt"))
            what = labels.what_was_seen(entry)
            self.stdout.write(f"    {entry.get('at', '')[:19]}  {what}{f' ({rest})' if rest else ''}")
