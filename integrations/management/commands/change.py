"""Record changes on leads as a run, from the command line."""

import json
import math
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.template.defaultfilters import pluralize
from django.utils.text import capfirst

from integrations import push
from integrations.management import create_from_file
from integrations.management.arguments import (
    add_connection,
    connection_named,
    leads_named,
    name_and_value,
    segment_named,
)
from integrations.models import Connection
from integrations.push import due_changes, verify
from integrations.push.settle import remedy
from integrations.sending import calls, switch
from leads import changes, filters, importing, kinds
from leads.changes import moved_names
from leads.importing import people_list
from leads.labels import NEW_CONTACTS, STATUS_WORDS
from leads.lock_conflicts import met_another, passes, wait_a_little
from leads.models import BulkRun, ChangeStatus, Lead, LeadChange, LeadTag, ListSubscription, MailingList, Reason, Tag

NAMING = ("tag", "list", "segment", "people")
"""Options that name leads by something they have in common."""


def together(pairs: list[tuple[str, str]]) -> dict[str, str | list[str]]:
    """The parameters by name; one that was given again is a list."""
    found: dict[str, str | list[str]] = {}
    for name, value in pairs:
        if name in found:
            before = found[name]
            found[name] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            found[name] = value
    return found


class Command(BaseCommand):
    help = "Record a change on leads as a bulk action; workers (or --wait) carry it to Kartra."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kind", choices=sorted(kinds.ALL), help="what to do")
        add_connection(parser)
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            type=name_and_value,
            metavar="name=value",
            dest="parameters",
            help="a parameter of the kind, e.g. --set tag=VIP; given again where it takes several",
        )
        who = parser.add_mutually_exclusive_group()
        who.add_argument("--lead", action="append", metavar="EMAIL_OR_ID", help="this lead; may be given again")
        who.add_argument("--tag", metavar="NAME", help="every lead that has this tag")
        who.add_argument("--list", metavar="NAME", help="every lead that is on this list")
        who.add_argument("--segment", metavar="NAME", help="every lead that is in this segment (a saved filter) now")
        who.add_argument(
            "--people",
            metavar="FILE",
            help="the people of a CSV file (a column Email; of those in our copy also Kartra id). With create_lead: those who "
            "are to be created, with what their rows say of them",
        )
        who.add_argument("--all", action="store_true", help="every lead of the account")
        parser.add_argument("--anyway", action="store_true", help="send it also where it is so already")
        parser.add_argument(
            "--include-left",
            action="store_true",
            help="add to a list also those who left it themselves; else they are left out",
        )
        parser.add_argument(
            "--read-first",
            action="store_true",
            help="whoever has it already by an old copy (update due, never read, older than REFRESH_WITHIN_H) is read before that "
            "is believed",
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what would happen")
        parser.add_argument("--wait", action="store_true", help="send it from here, and wait for the end")
        parser.add_argument("--why", default="", help="the reason, kept with the bulk action")
        parser.add_argument("--json", action="store_true", help="print facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connection_named(options["connection"])
        kind = kinds.get_kind(options["kind"])
        given = together(options["parameters"])
        if options["people"] is not None and kind.name == "create_lead":
            return self._carry(create_from_file.create(self, connection, given, options), connection, options)
        named = options["lead"] or options["all"] or any(options[n] is not None for n in NAMING)
        if not named and kind.name != "create_lead" and not kind.money:
            raise CommandError("Say which leads: --lead, --tag, --list, --segment, --people or --all.", returncode=2)
        if named and kind.name == "create_lead":
            raise CommandError(
                "Leads that are to be created are named by --set email=… or by --people alone.", returncode=2
            )
        try:
            parameters = kind.clean(connection.account, given)
            if kind.name == "create_lead":
                run = self._create(connection, parameters, options)
            else:
                leads = self._leads(connection, options) if named else self._whose(connection, kind, parameters)
                run = self._record(connection, kind, leads, parameters, options)
        except (kinds.BadParameters, changes.CannotRecord) as error:
            raise CommandError(str(error)) from None
        self._carry(run, connection, options)

    def _carry(self, run: BulkRun | None, connection: Connection, options: dict[str, Any]) -> None:
        """Wait, if wanted, and say what became of it; nothing where only a preview was asked for."""
        if run is None:
            return
        if options["wait"]:
            self._wait(run, connection)
        self._print_run(run, connection, options["json"])
        if options["wait"] and self.has_failed(run):
            raise CommandError(self._complaint(run, connection))

    def _record(
        self,
        connection: Connection,
        kind: kinds.ChangeKind,
        leads: QuerySet[Lead],
        parameters: Any,
        options: dict[str, Any],
    ) -> BulkRun | None:
        """The run, or None where only a preview was asked for; then nothing stays recorded."""
        choices = changes.Choices(
            force=options["anyway"], include_left=options["include_left"], read_first=options["read_first"]
        )
        for words in self._moved(connection, options):
            self.stderr.write(words)
        preview = changes.preview_change(connection.account, leads, kind, parameters, choices)
        for warning in kinds.warnings(parameters, connection.account):
            self.stderr.write(warning)
        if options["dry_run"]:
            self._print_preview(preview, connection, kind.sentence(parameters), options["json"])
            if kind.name == "create_lead" and not options["json"]:
                self.stdout.write(f"  {NEW_CONTACTS}")
            return None
        return changes.record_run(
            connection.account,
            leads,
            kind,
            parameters,
            why=options["why"],
            expected=preview.will_change,
            choices=choices,
        )

    def _create(self, connection: Connection, parameters: Any, options: dict[str, Any]) -> BulkRun | None:
        """Together with the row of the new lead, or neither."""
        with transaction.atomic():
            lead = changes.lead_to_create(connection.account, parameters)
            only = Lead.objects.filter(pk=lead.pk)
            run = self._record(connection, kinds.get_kind("create_lead"), only, parameters, options)
            if run is None:
                transaction.set_rollback(True)
            return run

    def _whose(self, connection: Connection, kind: kinds.ChangeKind, parameters: Any) -> QuerySet[Lead]:
        """The lead that a payment belongs to."""
        return kind.applicable_q(Lead.objects.filter(account=connection.account_id), parameters)

    def _leads(self, connection: Connection, options: dict[str, Any]) -> QuerySet[Lead]:
        leads = Lead.objects.filter(account=connection.account_id)
        if options["lead"]:
            return leads_named(connection, options["lead"])
        if options["people"] is not None:
            return self._people(connection, options["people"])
        if options["segment"] is not None:
            return filters.of_segment(segment_named(connection, options["segment"]))
        if options["tag"] is not None:
            self._must_be_known(Tag.objects.filter(account=connection.account_id), "tag", options["tag"])
            return leads.filter(Exists(LeadTag.objects.filter(lead=OuterRef("pk"), tag__name=options["tag"])))
        if options["list"] is not None:
            self._must_be_known(MailingList.objects.filter(account=connection.account_id), "list", options["list"])
            on_it = ListSubscription.objects.filter(
                lead=OuterRef("pk"), mailing_list__name=options["list"], active=True
            )
            return leads.filter(Exists(on_it))
        return leads

    def _people(self, connection: Connection, path: str) -> QuerySet[Lead]:
        try:
            with open(path, "rb") as file:
                found = people_list.known(connection.account, file)
        except (OSError, importing.CannotImport) as error:
            raise CommandError(str(error)) from None
        for line, why in found.bad:
            self.stderr.write(f"Line {line}: {why}.")
        if found.bad_number:
            self.stderr.write(f"{found.bad_number:,} row{pluralize(found.bad_number)} cannot be told and left out.")
        if found.foreign:
            self.stderr.write(
                f"“{found.foreign}” mostly disagrees with the addresses, so it is probably not Kartra's id: take that column "
                "out of the file to find people by their addresses."
            )
        if found.missing:
            self.stderr.write(f"{found.missing:,} of the file are not in our copy and are left out.")
        return found.leads

    def _moved(self, connection: Connection, options: dict[str, Any]) -> list[str]:
        """What Kartra does not show any more of what the leads are chosen by."""
        if options["segment"] is not None:
            return moved_names.in_conditions(segment_named(connection, options["segment"]).conditions)
        tags = Tag.objects.filter(account=connection.account_id, name=options["tag"])
        lists = MailingList.objects.filter(account=connection.account_id, name=options["list"])
        named = {"tag": [str(tag.pk) for tag in tags], "list": [str(row.pk) for row in lists]}
        return moved_names.in_conditions(named)

    def _must_be_known(self, things: QuerySet[Any], noun: str, name: str) -> None:
        if not things.filter(name=name).exists():
            raise CommandError(f"Our copy has no {noun} called {name}. Update it with: manage.py pull --catalogue")

    def _print_preview(self, preview: changes.Preview, connection: Connection, what: str, as_json: bool) -> None:
        rate = calls.rate_of(connection)
        seconds = 0 if math.isinf(rate) else math.ceil(preview.calls / rate)
        facts = {
            "total": preview.total,
            "will_change": preview.will_change,
            "already_so": preview.already_so,
            "gone": preview.gone,
            "absent": preview.absent,
            "id_not_known": preview.id_not_known,
            "opposite_waiting": preview.opposite_waiting,
            "never_read": preview.never_read,
            "left_out": preview.left_out,
            "doubtful": preview.doubtful,
            "calls": preview.calls,
            "seconds": seconds,
        }
        if as_json:
            self.stdout.write(json.dumps(facts))
            return
        self.stdout.write(
            f"{capfirst(what)}: {preview.will_change:,} of {preview.total:,} lead{pluralize(preview.total)} will change, "
            f"{preview.already_so:,} already so, {preview.gone:,} deleted in Kartra; "
            f"{preview.calls:,} call{pluralize(preview.calls)}, about {seconds:,} second{pluralize(seconds)}."
        )
        for number, words in (
            (preview.absent, "not in Kartra, left out (a read found no such lead)"),
            (preview.id_not_known, "known by address alone"),
            (preview.opposite_waiting, "with another change of the same thing queued"),
            (preview.never_read, "never read from Kartra"),
            (preview.doubtful, "of those already so by an old copy (--read-first looks before it believes that)"),
            (preview.left_out, "who left the list themselves, left out (--include-left adds them again)"),
        ):
            if number:
                self.stdout.write(f"  {number:,} {words}")
        if why := switch.why_not_sending(connection):
            self.stdout.write(f"  {why}")

    def _wait(self, run: BulkRun, connection: Connection) -> None:
        """Push and verify from here until the run is over, or until nothing more can be sent."""
        shown = 0.0
        while not run.has_ended:
            drained = self._send_and_look(connection)
            run.refresh_from_db()
            connection.refresh_from_db()
            if self.stderr.isatty() and time.monotonic() - shown > 1:
                shown = time.monotonic()
                counts = run.changes.counts()
                self.stderr.write(f"  {', '.join(f'{n:,} {STATUS_WORDS[s]}' for s, n in counts.items() if n)}")
            if run.has_ended or (not connection.sends and not run.changes.filter(status="sending").exists()):
                break
            if not drained.sent and not run.has_ended and self._stalled(run):
                break
            if connection.failures >= 3 and switch.why_not_sending(connection):
                break
            time.sleep(0.2)

    def _send_and_look(self, connection: Connection) -> push.Drained:
        """Send and look once. Workers may be at the same leads: what met them goes on in the next round."""
        drained = push.Drained(more=True)
        try:
            drained = push.drain(connection, until_s=2.0)
            verify.drain(connection, until_s=2.0)
        except DatabaseError as error:
            if not passes(error):
                raise
            if not met_another(error):
                raise CommandError(
                    "The database does not answer. What was asked for stays queued and goes on with the workers."
                ) from error
            drained.sent += 1
            wait_a_little(1)
        return drained

    def _stalled(self, run: BulkRun) -> bool:
        """Whether nothing of the run can be sent and nothing that it waits for is on its way."""
        waiting = run.changes.filter(status=ChangeStatus.WAITING)
        on_their_way = LeadChange.objects.filter(
            lead__in=waiting.values("lead"), status__in=[ChangeStatus.SENDING, ChangeStatus.UNKNOWN]
        )
        in_run = run.changes.filter(status__in=[ChangeStatus.SENDING, ChangeStatus.UNKNOWN])
        refused = due_changes.refused_kinds(Connection.objects.get(account=run.account_id))
        sendable = run.changes.due().exclude(kind__in=refused)
        return not (on_their_way.exists() or in_run.exists() or sendable.exists())

    def _print_run(self, run: BulkRun, connection: Connection, as_json: bool) -> None:
        counts = run.changes.counts()
        if as_json:
            self.stdout.write(
                json.dumps({"run": run.pk, "state": run.state, "members": sum(counts.values()), **counts})
            )
            return
        parts = ", ".join(f"{number:,} {STATUS_WORDS[status]}" for status, number in counts.items() if number)
        self.stdout.write(f"Bulk action {run.pk} ({run.name}): {parts}.")
        skipped = run.changes.filter(status=ChangeStatus.SKIPPED).exclude(reason=Reason.ALREADY_SO).exclude(message="")
        for message in skipped.order_by("message").values_list("message", flat=True).distinct()[:5]:
            self.stdout.write(f"  {message}")
        if not run.has_ended and (why := switch.why_not_sending(connection)):
            self.stdout.write(why)

    def has_failed(self, run: BulkRun) -> bool:
        """Whether anything is neither done, overtaken nor needless; a lead that is deleted in Kartra counts as a failure."""
        settled_well = Q(status__in=[ChangeStatus.ACCEPTED, ChangeStatus.SUPERSEDED]) | (
            Q(status=ChangeStatus.SKIPPED) & ~Q(reason=Reason.GONE)
        )
        return run.changes.exclude(settled_well).exists()

    def _complaint(self, run: BulkRun, connection: Connection) -> str:
        """The first thing that went wrong, as one sentence with what to do."""
        bad = Q(status__in=[ChangeStatus.REJECTED, ChangeStatus.UNDECIDED]) | Q(reason=Reason.GONE)
        rejected = run.changes.filter(bad).select_related("lead").first()
        if rejected is not None:
            lead = rejected.lead.kartra_id or f"no. {rejected.lead_id} of our copy"
            if rejected.reason == Reason.GONE:
                return f"Lead {lead} is deleted in Kartra. Nothing more is sent for it; bring it back in Kartra first."
            return f"Lead {lead}: {STATUS_WORDS[rejected.status]}: {rejected.message.rstrip('.')}. {remedy(rejected.code)}".strip()
        return (
            switch.why_not_sending(connection)
            or switch.why_commands_wait(connection)
            or "Not everything is done: an earlier change of these leads is not settled yet; see the bulk action."
        )
