"""Arguments that several commands share, and what they name."""

import datetime as dt
import getpass
import sys
from argparse import ArgumentTypeError

from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser
from django.db.models import Exists, OuterRef, Q, QuerySet

from integrations.models import Connection
from leads import access
from leads.models import Lead, Recipe, Segment, normal_email
from leads.models.remarks import sentence_of
from leads.models.row_remark import lookalike
from leads.texts import clean_email


def add_connection(parser: CommandParser) -> None:
    """`--connection NAME`; where there is only one connection it need not be named."""
    parser.add_argument(
        "--connection", metavar="NAME", help="the connection, by its name; the only one, if there is only one"
    )


def add_request(parser: CommandParser) -> None:
    """Who enters what a person asked for about their data, and when they asked."""
    parser.add_argument("--by", metavar="USERNAME", help="who enters it; without it, it came from the command line")
    parser.add_argument("--asked", type=_day, metavar="DAY", help="when the person asked (2026-11-29); today by itself")


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a day such as 2026-11-29") from None


def user_named(name: str | None, permission: str, connection: Connection) -> User | None:
    """The user of this name; None where none is named. CommandError for one who may not do it, or not in this account: nothing
    is written down of somebody who could not have done it."""
    if not name:
        return None
    user = User.objects.filter(username=name, is_active=True).first()
    if user is None:
        raise CommandError(f"There is no user called {name}.")
    if not user.has_perm(permission) or not access.works_in(user, connection.account_id):
        raise CommandError(f"{name} may not do this in {connection.name}.")
    return user


def connection_named(name: str | None) -> Connection:
    """The connection of this name, or the only one when none is named; else a CommandError that lists the names."""
    connections = Connection.objects.select_related("account")
    if name is None:
        found = list(connections[:2])
        if len(found) == 1:
            return found[0]
        names = ", ".join(connection.name for connection in connections) or "none yet; make one with `connect`"
        raise CommandError(f"Say which connection: --connection NAME. There are: {names}.", returncode=2)
    try:
        return connections.get(account__name=name)
    except Connection.DoesNotExist:
        names = ", ".join(Connection.objects.values_list("account__name", flat=True)) or "none yet"
        raise CommandError(
            f"There is no connection called {name}. There are: {names}. Make one with `connect`."
        ) from None


def recipe_named(connection: Connection, name: str) -> Recipe:
    """The account's recipe of this name, in whatever case; else a CommandError that lists those there are."""
    recipes = Recipe.objects.filter(account=connection.account_id)
    recipe = recipes.filter(name__iexact=name.strip()).select_related("account").first()
    if recipe is None:
        names = ", ".join(recipes.values_list("name", flat=True)) or "none yet"
        raise CommandError(f"There is no recipe called {name} in {connection.name}. There are: {names}.")
    return recipe


def connections_named(name: str | None) -> list[Connection]:
    """The one of this name, or all of them."""
    if name:
        return [connection_named(name)]
    return list(Connection.objects.select_related("account").with_stops())


def secret_asked(question: str) -> str:
    """What somebody at a terminal types, unseen; "" where nobody sits at one."""
    if not sys.stdin.isatty():
        return ""
    try:
        return getpass.getpass(question).strip()
    except (EOFError, KeyboardInterrupt):
        raise CommandError("Nothing was given.", returncode=2) from None


def confirmed(question: str, instead: str) -> bool:
    """Whether a person types yes. Where nobody can be asked it is a CommandError: nothing was done, and what to say
    instead."""
    try:
        return input(question).strip().lower() == "yes"
    except (EOFError, OSError):
        raise CommandError(
            f"Nothing was done, because there is no terminal to ask at. {instead}", returncode=2
        ) from None
    except KeyboardInterrupt:
        return False


def name_of_lead(text: str) -> dict[str, str]:
    """What the text names a lead by: {"email": …} or {"kartra_id": …}. CommandError for an address that only looks like one."""
    text = clean_email(text)
    if words := sentence_of(lookalike(text)):
        raise CommandError(words)
    return {"email": text} if "@" in text else {"kartra_id": text}


def leads_named(connection: Connection, given: list[str], *, gone_too: bool = False) -> QuerySet[Lead]:
    """The leads of these ids or addresses; `gone_too`: all that have the address, deleted ones beside a living one.
    CommandError names those that our copy does not have."""
    names = [name_of_lead(text) for text in given if text.strip()]
    texts = [text for name in names for text in name.values()]
    leads = Lead.objects.filter(account=connection.account_id)
    keys = [normal_email(name["email"]) for name in names if "email" in name]
    by_address = Q(email_key__in=keys)
    if not gone_too:  # of a deleted and a living lead of one address the living one is meant
        living = Lead.objects.filter(account=OuterRef("account"), email_key=OuterRef("email_key"), gone_at=None)
        by_address &= Q(gone_at=None) | Q(~Exists(living))
    found = leads.filter(Q(kartra_id__in=[t for t in texts if "@" not in t]) | by_address)
    ids, known = set(found.values_list("kartra_id", flat=True)), set(found.values_list("email_key", flat=True))
    missing = [t for t in texts if (normal_email(t) not in known if "@" in t else t not in ids)]
    if missing:
        raise CommandError(
            f"Our copy has no lead {', '.join(missing)}. Read it from Kartra first: "
            f'manage.py pull --connection "{connection.name}" --lead {missing[0]}'
        )
    return found


def segment_named(connection: Connection, name: str) -> Segment:
    """The segment of this name; else a CommandError that lists the names."""
    segments = Segment.objects.filter(account=connection.account_id)
    found = segments.filter(name__iexact=name.strip()).first()
    if found is None:
        names = (
            ", ".join(segments.values_list("name", flat=True)) or "none yet; save one from a filter of the leads list"
        )
        raise CommandError(f"There is no segment called {name}. There are: {names}.")
    return found


def name_and_value(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ArgumentTypeError(f"{text!r} is not of the form name=value")
    return name.strip(), value
