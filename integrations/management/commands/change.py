"""Record changes on leads as a run, from the command line."""

import json
import math
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.db.models import QuerySet
from django.template.defaultfilters import pluralize
from django.utils.text import capfirst

from integrations.management import create_from_file
from integrations.management.arguments import add_connection, connection_named, name_and_value, recipe_named
from integrations.management.run_wait import complaint_of, has_failed, wait_for_run
from integrations.management.which_leads import add_which_leads, chosen_leads, drop_list, moved_names_of, names_leads
from integrations.models import Connection
from integrations.sending import calls, switch
from leads import changes, kinds
from leads.labels import NEW_CONTACTS, STATUS_WORDS
from leads.models import BulkRun, ChangeStatus, Lead, Reason, RecipeVersion
from leads.models.remarks import sentence_of
from leads.schedules import recipes


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


WHICH = "Say which leads: --lead, --tag, --list, --segment, --people or --all."


class Command(BaseCommand):
    help = "Record a change on leads as a bulk action; workers (or --wait) carry it to Kartra."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "kind", nargs="?", choices=sorted(kinds.ALL), help="what to do; or name a recipe with --recipe"
        )
        parser.add_argument(
            "--recipe",
            metavar="NAME",
            help="do what this recipe of the account says, instead of a KIND with --set; say which leads all the same",
        )
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
        add_which_leads(parser)
        parser.add_argument(
            "--anyway",
            action="store_true",
            help="also send to leads that already have it (runs Kartra's automations again)",
        )
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
        if options["recipe"] is not None:
            return self._by_recipe(connection, options)
        if options["kind"] is None:
            raise CommandError("Say what to do: a KIND (with --set name=value), or --recipe NAME.", returncode=2)
        kind = kinds.get_kind(options["kind"])
        given = together(options["parameters"])
        if options["people"] is not None and kind.creates:
            return self._carry(create_from_file.create(self, connection, given, options), connection, options)
        named = names_leads(options)
        if not named and not kind.creates and not kind.money:
            raise CommandError(WHICH, returncode=2)
        if named and kind.creates:
            raise CommandError(
                "Leads that are to be created are named by --set email=… or by --people alone.", returncode=2
            )
        try:
            parameters = kind.clean(connection.account, given)
            if kind.creates:
                run = self._create(connection, parameters, options)
            else:
                if named:
                    leads = chosen_leads(self, connection, options)
                else:  # the lead that a payment belongs to
                    leads = kind.applicable_q(Lead.objects.filter(account=connection.account_id), parameters)
                run = self._record(connection, kind, leads, parameters, options)
        except (kinds.BadParameters, changes.CannotRecord) as error:
            raise CommandError(str(error)) from None
        finally:
            drop_list(options)
        self._carry(run, connection, options)

    def _by_recipe(self, connection: Connection, options: dict[str, Any]) -> None:
        recipe = recipe_named(connection, options["recipe"])
        if options["kind"] is not None or options["parameters"]:
            raise CommandError("A recipe says what to do: give neither a KIND nor --set with it.", returncode=2)
        if not names_leads(options):
            raise CommandError(WHICH, returncode=2)
        if recipe.note:
            self.stderr.write(f"Note of the recipe: {recipe.note}")
        try:
            kind, parameters = kinds.recipe_kind(recipe)
            leads = chosen_leads(self, connection, options)
            version = recipes.version_of(recipe)
            run = self._record(connection, kind, leads, parameters, options, recipe_version=version)
        except (kinds.BadParameters, kinds.UnknownKind, changes.CannotRecord) as error:
            raise CommandError(str(error)) from None
        self._carry(run, connection, options)

    def _carry(self, run: BulkRun | None, connection: Connection, options: dict[str, Any]) -> None:
        """Wait, if wanted, and say what became of it; nothing where only a preview was asked for."""
        if run is None:
            return
        if options["wait"]:
            wait_for_run(self, run, connection)
        self._print_run(run, connection, options["json"])
        if options["wait"] and has_failed(run):
            raise CommandError(complaint_of(run, connection))

    def _record(
        self,
        connection: Connection,
        kind: kinds.ChangeKind,
        leads: QuerySet[Lead],
        parameters: Any,
        options: dict[str, Any],
        recipe_version: RecipeVersion | None = None,
    ) -> BulkRun | None:
        """The run, or None where only a preview was asked for; then nothing stays recorded."""
        choices = changes.Choices(
            force=options["anyway"], include_left=options["include_left"], read_first=options["read_first"]
        )
        for words in moved_names_of(connection, options):
            self.stderr.write(words)
        preview = changes.preview_change(connection.account, leads, kind, parameters, choices)
        for _part, part_parameters in kind.parts(parameters):
            for warning in kinds.warnings(part_parameters, connection.account):
                self.stderr.write(warning)
        if options["dry_run"]:
            self._print_preview(preview, connection, kind.sentence(parameters), options["json"])
            if kind.creates and not options["json"]:
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
            recipe_version=recipe_version,
        )

    def _create(self, connection: Connection, parameters: Any, options: dict[str, Any]) -> BulkRun | None:
        """Together with the row of the new lead, or neither."""
        with transaction.atomic():
            lead = changes.lead_to_create(connection.account, parameters)
            only = Lead.objects.filter(pk=lead.pk)
            run = self._record(connection, kinds.CREATE, only, parameters, options)
            if run is None:
                transaction.set_rollback(True)
            return run

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
            "never_touched": preview.never_touched,
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
            (preview.never_touched, "always left out of bulk actions (the account's segment of such)"),
            (preview.left_out, "who left the list themselves, left out (--include-left adds them again)"),
        ):
            if number:
                self.stdout.write(f"  {number:,} {words}")
        if why := switch.why_not_sending(connection):
            self.stdout.write(f"  {why}")

    def _print_run(self, run: BulkRun, connection: Connection, as_json: bool) -> None:
        counts = run.counts()
        if as_json:
            self.stdout.write(
                json.dumps({"run": run.pk, "state": run.state, "members": sum(counts.values()), **counts})
            )
            return
        parts = ", ".join(f"{number:,} {STATUS_WORDS[status]}" for status, number in counts.items() if number)
        self.stdout.write(f"Bulk action {run.pk} ({run.name}): {parts}.")
        skipped = run.changes.filter(status=ChangeStatus.SKIPPED).exclude(reason=Reason.ALREADY_SO)
        said = skipped.exclude(remark={}, message="").order_by("message").values_list("remark", "message").distinct()
        for remark, message in said[:5]:
            self.stdout.write(f"  {sentence_of(remark) or message}")
        if not run.has_ended and (why := switch.why_not_sending(connection)):
            self.stdout.write(why)
