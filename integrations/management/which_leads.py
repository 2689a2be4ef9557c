"""The options by which a command is told which leads it is about, and those leads. What is done to them is left to it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet
from django.template.defaultfilters import pluralize

from integrations.management.arguments import leads_named, segment_named
from integrations.models import Connection
from leads import filters, importing
from leads.changes import moved_names
from leads.filters.segments import known_conditions
from leads.filters.selection import Everybody, InSegments, Selection, WithIds, fits
from leads.importing import people_list
from leads.models import Lead, MailingList, Tag
from leads.models.remarks import sentence_of


def add_which_leads(parser: CommandParser) -> None:
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


def names_leads(options: dict[str, Any]) -> bool:
    texts = ("tag", "list", "segment", "people")
    return bool(options["lead"] or options["all"] or any(options[name] is not None for name in texts))


def chosen_leads(command: BaseCommand, connection: Connection, options: dict[str, Any]) -> QuerySet[Lead]:
    return resolved(connection, _selection(command, connection, options))


def resolved(connection: Connection, selection: Selection) -> QuerySet[Lead]:
    """The leads of the connection's account that are meant; else a CommandError that says why it cannot be told."""
    try:
        return filters.resolve(selection, frozenset({connection.account_id}))
    except filters.CannotResolve as problem:
        raise CommandError(str(problem)) from None


def _selection(command: BaseCommand, connection: Connection, options: dict[str, Any]) -> Selection:
    if options["lead"]:
        return WithIds(tuple(leads_named(connection, options["lead"]).values_list("pk", flat=True)))
    if options["people"] is not None:
        return WithIds(tuple(_people(command, connection, options["people"])))
    if options["segment"] is not None:
        return InSegments((segment_named(connection, options["segment"]).pk,))
    if options["tag"] is not None:
        return with_tag(connection, options["tag"])
    if options["list"] is not None:
        return on_list(connection, options["list"])
    return Everybody()


def with_tag(connection: Connection, name: str) -> Selection:
    """Leads that have the tag of this name; else a CommandError."""
    return fits("tag", {"tag": [_key_of(Tag.objects.filter(account=connection.account_id), "tag", name)]})


def on_list(connection: Connection, name: str) -> Selection:
    """Leads that are on the list of this name; else a CommandError."""
    return fits("list", {"list": [_key_of(MailingList.objects.filter(account=connection.account_id), "list", name)]})


def _people(command: BaseCommand, connection: Connection, path: str) -> set[int]:
    try:
        with open(path, "rb") as file:
            found = people_list.known(connection.account, file)
    except (OSError, importing.CannotImport) as error:
        raise CommandError(str(error)) from None
    for line, why in found.bad:
        command.stderr.write(f"Line {line}: {sentence_of(why)}.")
    if found.bad_number:
        command.stderr.write(f"{found.bad_number:,} row{pluralize(found.bad_number)} cannot be told and left out.")
    if found.foreign:
        command.stderr.write(
            f"“{found.foreign}” mostly disagrees with the addresses, so it is probably not Kartra's id: take that column "
            "out of the file to find people by their addresses."
        )
    if found.missing:
        command.stderr.write(f"{found.missing:,} of the file are not in our copy and are left out.")
    return found.pks


def _key_of(things: QuerySet[Any], noun: str, name: str) -> str:
    pk = things.filter(name=name).values_list("pk", flat=True).first()
    if pk is None:
        raise CommandError(f"Our copy has no {noun} called {name}. Update it with: manage.py pull --catalogue")
    return str(pk)


def moved_names_of(connection: Connection, options: dict[str, Any]) -> list[str]:
    """What Kartra does not show any more of what the leads are chosen by."""
    if options["segment"] is not None:
        return moved_names.in_conditions(known_conditions(segment_named(connection, options["segment"]).selection))
    tags = Tag.objects.filter(account=connection.account_id, name=options["tag"])
    lists = MailingList.objects.filter(account=connection.account_id, name=options["list"])
    named = {"tag": [str(tag.pk) for tag in tags], "list": [str(row.pk) for row in lists]}
    return moved_names.in_conditions(named)
