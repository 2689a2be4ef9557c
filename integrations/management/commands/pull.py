"""Read from Kartra into our copy: the catalogue, some leads, or all that we know."""

import datetime as dt
import json
import re
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q, QuerySet

from integrations.kartra.errors import KartraError
from integrations.management.arguments import add_connection, connection_named, name_of_lead
from integrations.management.numbers import plural
from integrations.models import Cause, Connection
from integrations.read import catalogue, deletions, lead_lookup, refresh, transactions
from integrations.read.compare import compare_all, differences_of
from integrations.read.schedule import due
from integrations.sending import calls
from leads import clock, forgotten, mirror
from leads.models import Lead


def duration(text: str) -> dt.timedelta:
    """ "12h", "30m", "2d" as a time span."""
    found = re.fullmatch(r"(\d+)\s*([smhd])", text.strip())
    if not found:
        raise ArgumentTypeError(f"{text!r} is no time span; write 30m, 12h or 2d")
    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[found[2]]
    return dt.timedelta(**{unit: int(found[1])})


def positive(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 10**9:
        raise ArgumentTypeError(f"{text!r} is no number above zero")
    return int(text)


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:.2f}"


class Command(BaseCommand):
    help = "Read from Kartra into our copy. Nothing in Kartra is changed."

    def add_arguments(self, parser: CommandParser) -> None:
        add_connection(parser)
        parser.add_argument("--catalogue", action="store_true", help="tags, lists, sequences, pages, custom fields")
        parser.add_argument(
            "--believe", action="store_true", help="of the catalogue: what is missing is gone, however much it is"
        )
        parser.add_argument("--lead", action="append", default=[], metavar="EMAIL_OR_ID", help="may be given again")
        parser.add_argument("--check", action="store_true", help="only say whether Kartra has the lead")
        parser.add_argument(
            "--compare",
            action="store_true",
            help="only say how Kartra and our copy differ; of --lead, or of all leads that we know",
        )
        parser.add_argument("--all", action="store_true", help="every lead we know")
        parser.add_argument(
            "--transactions", action="store_true", help="with --lead: its transactions and subscriptions too"
        )
        parser.add_argument("--limit", type=positive, metavar="N", help="with --transactions: details of at most N")
        parser.add_argument("--transaction", metavar="ID", help="one transaction; exit 1 if Kartra has none of this id")
        parser.add_argument(
            "--older-than", type=duration, metavar="12h", help="with --all: only those read before that"
        )
        parser.add_argument("--json", action="store_true", help="print facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connection_named(options["connection"])
        everything = options["all"] or (options["compare"] and not options["lead"])
        if not (options["catalogue"] or options["lead"] or everything or options["transaction"]):
            words = "Say what to read: --catalogue, --lead EMAIL_OR_ID, --transaction ID or --all."
            raise CommandError(words, returncode=2)
        if options["transactions"] and not options["lead"]:
            raise CommandError("Say whose: --transactions goes with --lead.", returncode=2)
        facts: dict[str, Any] = {}
        try:
            if options["catalogue"]:
                facts["catalogue"] = self._catalogue(connection, options["json"], options["believe"])
            facts["leads"] = [self._lead(connection, text, options) for text in options["lead"]]
            if options["transaction"]:
                facts["transaction"] = self._transaction(connection, options)
            if everything and options["compare"]:
                facts["compared"] = self._compare(connection, options)
            elif everything:
                facts["read"] = self._all(connection, options)
        except KartraError as error:
            raise CommandError(calls.in_words(error)) from None
        if options["json"]:
            self.stdout.write(json.dumps(facts))
        deleted = [each["lead"] for each in facts["leads"] if each["gone"]]
        if deleted:
            raise CommandError(f"Deleted in Kartra: lead {', '.join(deleted)}. Nothing more is sent for it.")
        missing = [each["lead"] for each in facts["leads"] if not each["found"]]
        if missing:
            raise CommandError(f"Kartra has no lead {', '.join(missing)}; check the address or id.")
        if options["transaction"] and facts["transaction"] is None:
            raise CommandError(f"Kartra has no transaction {options['transaction']}; check the id.")

    def _catalogue(self, connection: Connection, as_json: bool, believe: bool) -> dict[str, int]:
        found = catalogue.read(connection, believe=believe)
        if not as_json:
            self.stdout.write(", ".join(f"{number:,} {name}" for name, number in found.counts.items()))
        if found.problems:
            raise CommandError(" ".join(f"{name}: {words}" for name, words in found.problems.items()))
        return found.counts

    def _lead(self, connection: Connection, text: str, options: dict[str, Any]) -> dict[str, Any]:
        named: dict[str, Any] = name_of_lead(text)
        text = next(iter(named.values()))
        if not options["check"] and not options["compare"]:
            try:
                result = refresh.read_lead(connection, cause=Cause.PULL, **named)
            except forgotten.LeftOut as problem:
                problem.note()
                raise CommandError(str(problem)) from None
            found, is_gone, profile = result.found, result.gone, result.profile
            differences = [d.as_details() for d in result.taken.differences] if result.taken else []
            note = (
                ""
                if result.applied or not result.found
                else " A change of ours is too recent; it is read again shortly."
            )
        else:
            lead = mirror.find(connection.account, **named)
            asked = lead_lookup.ask(
                connection,
                kartra_id=named.get("kartra_id") or (lead.kartra_id if lead else "") or "",
                email=named.get("email") or (lead.email if lead else ""),
                cause=Cause.PULL,
                priority=calls.Priority.PERSON,
                lead=lead,
            )
            found, is_gone, profile, note = asked.profile is not None, asked.gone is not None, asked.profile, ""
            differences = []
            if options["compare"]:
                differences = [d.as_details() for d in differences_of(connection, lead, asked)]
        if not options["json"]:
            if found:
                self.stdout.write(f"Kartra has lead {profile.id if profile else text}.{note}")
            else:
                self.stdout.write(f"Kartra has no lead {text}{': it is deleted' if is_gone else ''}.")
            self._print(differences)
            if options["compare"]:
                self.stdout.write(plural(len(differences), "difference"))
        money_read = None
        if options["transactions"] and found and not options["check"] and not options["compare"]:
            money_read = self._money(
                connection, mirror.find(connection.account, kartra_id=profile.id if profile else ""), options
            )
        return {
            **({"money": money_read} if money_read else {}),
            "lead": text,
            "found": found,
            "gone": is_gone,
            "id": profile.id if profile else "",
            "differences": differences,
        }

    def _money(self, connection: Connection, lead: Lead | None, options: dict[str, Any]) -> dict[str, Any] | None:
        """Read the lead's transactions and subscriptions, and print what our copy has of them now."""
        if lead is None:
            return None
        done = transactions.read(connection, lead, limit=options["limit"])
        sales = list(lead.transactions.select_related("product").order_by("-at", "-kartra_id"))
        plans = list(lead.recurring_subscriptions.select_related("product"))
        if not options["json"]:
            self.stdout.write(
                f"  {plural(done.transactions, 'transaction')}, {plural(done.subscriptions, 'subscription')}"
            )
            for sale in sales[: options["limit"]]:
                when = f"{sale.at:%Y-%m-%d}" if sale.at else "no date told"
                self.stdout.write(
                    f"  {sale.kartra_id}  {sale.type}  {sale.full_amount or ''}  {sale.product or ''}  {when}"
                )
            for plan in plans:
                self.stdout.write(f"  subscription {plan.kartra_id}  {plan.status}  {plan.product or ''}")
            if done.without_id:
                self.stdout.write(
                    f"  {len(done.without_id):,} listed without a number: in the lead's timeline, as Kartra told them"
                )
        return {
            "transactions": [
                {
                    "id": sale.kartra_id,
                    "type": sale.type,
                    "amount": _text(sale.full_amount),
                    "product": str(sale.product or ""),
                    "at": sale.at.isoformat() if sale.at else None,
                    "refund_of": sale.parent_kartra_id,
                }
                for sale in sales[: options["limit"]]
            ],
            "subscriptions": [
                {"id": plan.kartra_id, "status": plan.status, "product": str(plan.product or "")} for plan in plans
            ],
            **({"without_id": list(done.without_id)} if done.without_id else {}),
        }

    def _transaction(self, connection: Connection, options: dict[str, Any]) -> dict[str, Any] | None:
        """Whether Kartra has this transaction; into our copy, unless only asked whether."""
        row = transactions.read_transaction(connection, options["transaction"], store=not options["check"])
        if row is None:
            return None
        facts = {
            "id": row.kartra_id,
            "type": row.type,
            "amount": _text(row.full_amount),
            "lead": row.lead.kartra_id if row.lead else None,
        }
        if not options["json"]:
            told = ", ".join(f"{name} {value}" for name, value in facts.items() if value and name != "id")
            self.stdout.write(f"Kartra has transaction {row.kartra_id}: {told}.")
        return facts

    def _print(self, differences: list[dict[str, Any]]) -> None:
        for each in differences:
            self.stdout.write(f"  {each['field']}: {each['was']!r} → {each['is']!r}")

    def _progress(self, total: int) -> Callable[[int], None]:
        at_terminal = sys.stderr.isatty()

        def progress(number: int) -> None:
            if at_terminal and number % 20 == 0:
                self.stderr.write(f"\r  {number:,} of {total:,} leads", ending="")

        return progress

    def _compare(self, connection: Connection, options: dict[str, Any]) -> dict[str, Any]:
        """How Kartra and our copy differ in all leads that we know. Changes nothing."""
        total = Lead.objects.filter(account=connection.account_id).count()
        done = compare_all(connection, on_read=self._progress(total))
        if not options["json"]:
            for named, differences in done.differing:
                self.stdout.write(f"Lead {named}:")
                self._print([each.as_details() for each in differences])
        if done.problem is not None:
            self.stdout.write(f"{done.compared:,} of {total:,} leads compared.")
            raise done.problem
        if not options["json"]:
            unread = f" {plural(done.unread, 'lead')} could not be read." if done.unread else ""
            self.stdout.write(
                f"{plural(done.compared, 'lead')} compared: {plural(done.differences, 'difference')} "
                f"in {plural(len(done.differing), 'lead')}.{unread}"
            )
        return done.as_facts()

    def _all(self, connection: Connection, options: dict[str, Any]) -> int:
        age = options["older_than"] or dt.timedelta(0)
        before = clock.now() - age
        total = due(connection, older_than=age, gone_too=True).count()
        done = refresh.read_due(
            connection,
            older_than=age,
            gone_too=True,
            cause=Cause.PULL,
            priority=calls.Priority.PERSON,
            on_read=self._progress(total),
        )
        if connection.reads_stopped_at is not None:
            raise CommandError(deletions.what_to_do(connection))
        if done.stopped is not None:
            raise done.stopped
        if not options["json"]:
            failed = f" {done.failed:,} could not be read." if done.failed else ""
            ours = Lead.objects.filter(account=connection.account_id)
            left = self._left(ours.filter(gone_at=None), before, done.failed)
            self.stdout.write(f"{done.read:,} of {ours.count():,} leads read.{failed}{left}")
        return done.read

    def _left(self, ours: QuerySet[Lead], before: dt.datetime, failed: int) -> str:
        """Which leads were not read since then, besides the `failed` that were tried just now; a sentence for each cause."""
        old = ours.filter(Q(read_at__lt=before) | Q(read_at=None, absent_at=None))
        later = old.filter(read_not_before__gt=clock.now()).count()
        touched = old.count() - later
        settle = f"{settings.VERIFY_SETTLE_S[0]:.0f}"
        causes = [
            (touched, f"a change of theirs was sent within the last {settle} seconds"),
            (later - failed, "a worker is reading them, or could not a short while ago"),
        ]
        told = "".join(f" {number:,} not yet: {words}." for number, words in causes if number > 0)
        return f"{told} They are read by themselves soon; to be sure, type the same again then." if told else ""
