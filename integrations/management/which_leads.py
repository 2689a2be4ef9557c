"""The options by which a command is told which leads it is about, and those leads. What is done to them is left to it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q, QuerySet
from django.template.defaultfilters import pluralize

from integrations.management.arguments import leads_named, segment_named
from integrations.models import Connection
from integrations.read import people_lists
from leads import clock, filters, importing
from leads.changes import moved_names
from leads.filters.segments import known_conditions
from leads.filters.selection import Everybody, InSegments, OnPeopleLists, Selection, WithIds, fits
from leads.models import (
    Lead,
    MailingList,
    PeopleList,
    PeopleListRow,
    PeopleListState,
    PersonState,
    RowRemark,
    Tag,
)
from leads.models.remarks import sentence_of
from leads.people import lists, reading

LIST = "people_list"
"""Among the options: the list that was made of the file."""
TOLD = 200


def add_which_leads(parser: CommandParser) -> None:
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--lead", action="append", metavar="EMAIL_OR_ID", help="this lead; may be given again")
    who.add_argument("--tag", metavar="NAME", help="every lead that has this tag")
    who.add_argument("--list", metavar="NAME", help="every lead that is on this list")
    who.add_argument("--segment", metavar="NAME", help="every lead that is in this segment (a saved filter) now")
    who.add_argument(
        "--people",
        metavar="FILE",
        help="the people of a file: CSV or .xlsx with a column of addresses (or Kartra id), or a text of addresses. With "
        "create_lead, CSV alone: those who are to be created, with what their rows say of them",
    )
    who.add_argument("--all", action="store_true", help="every lead of the account")
    parser.add_argument(
        "--look-up",
        action="store_true",
        help="with --people: whoever is not in our copy is looked up in Kartra first, one call each",
    )


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
        return _people(command, connection, options)
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


def _people(command: BaseCommand, connection: Connection, options: dict[str, Any]) -> Selection:
    """A list of people made of the file, read to its end; `drop_list` takes it away again."""
    try:
        with open(options["people"], "rb") as file:
            made = lists.create(
                connection.account, file, options["people"], name=f"change --people {clock.now():%H:%M:%S.%f}"
            )
    except (OSError, importing.CannotImport) as error:
        raise CommandError(str(error)) from None
    options[LIST] = made
    while reading.read(made):
        pass
    if made.state == PeopleListState.STOPPED:
        raise CommandError(made.why_stopped)
    if options["look_up"]:
        while people_lists.look_up(connection, made):
            pass
        if why := people_lists.why_waiting(connection):
            command.stderr.write(why)
    _tell(command, made)
    return OnPeopleLists((made.pk,))


def _tell(command: BaseCommand, made: PeopleList) -> None:
    """Who of the file is left out, and why."""
    counts = reading.counts_of(made)
    unknown_id = Q(reason__what=RowRemark.UNKNOWN_ID)
    rows = PeopleListRow.objects.filter(~unknown_id, people_list=made, state=PersonState.UNREADABLE)
    for row in rows.order_by("number")[:TOLD]:
        command.stderr.write(f"Line {row.line}: {sentence_of(row.reason)}.")
    if bad := rows.count():
        command.stderr.write(f"{bad:,} row{pluralize(bad)} cannot be told and left out.")
    if made.notes.get("differ", 0) > made.notes.get("agree", 0):
        command.stderr.write(
            f"“{made.mapping['id']}” mostly disagrees with the addresses, so it is probably not Kartra's id: take that column "
            "out of the file to find people by their addresses."
        )
    missing = counts[PersonState.TO_LOOK_UP] + counts[PersonState.UNREADABLE] - bad
    for number, words in (
        (missing, "of the file are not in our copy and are left out"),
        (counts[PersonState.NOT_IN_KARTRA], "of the file are not in Kartra and are left out"),
        (counts[PersonState.GONE], "of the file are deleted in Kartra and are left out"),
        (counts[PersonState.FORGOTTEN], "of the file asked to be forgotten and are left out"),
        (counts[PersonState.FOUND], "of the file were found in Kartra"),
    ):
        if number:
            command.stderr.write(f"{number:,} {words}.")


def drop_list(options: dict[str, Any]) -> None:
    """Take away the list that was made of a file, once the changes of its people are recorded, or were only shown."""
    if made := options.pop(LIST, None):
        lists.delete(made)


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
