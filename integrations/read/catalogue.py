"""Tags, lists, sequences, pages and custom fields of an account: read from Kartra into the mirror's catalogue."""

import datetime as dt
import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _, ngettext

from integrations import clock
from integrations.kartra.client import Client
from integrations.kartra.errors import CredentialsRefused, KartraError, NotSent
from integrations.models import Cause, Connection, Heartbeat
from integrations.read.lead_lookup import ask, learn
from integrations.sending import call_counter, calls
from integrations.sending.calls import Priority
from leads import mirror
from leads.access import Author
from leads.models import Lead, MailingList, Page, Sequence, Tag

logger = logging.getLogger(__name__)

DAILY = dt.timedelta(days=1)
AGAIN, SOON = dt.timedelta(minutes=15), dt.timedelta(minutes=1)
"""A catalogue that could not be read is tried again so much later; sooner when a name of it was refused."""


@dataclass
class CatalogueRead:
    """How many of each there are now, and what could not be read, in words: {"pages": "Kartra did not answer in time"}."""

    counts: dict[str, int] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    doubt: dict[str, int] = field(default_factory=dict)
    """How many of each were missing at once and were not marked."""


def read(
    connection: Connection, *, priority: Priority = Priority.PERSON, made_by: Author = None, believe: bool = False
) -> CatalogueRead:
    """Read all five. One that fails does not lose the others; if nothing can be asked at all, raises KartraError.

    An answer that says nothing of its names changes nothing. One in which many are missing at once is asked about, unless a
    person believes it (`believe`).
    """
    found = CatalogueRead()
    names = functools.partial(_names, connection, believe)
    parts: list[tuple[str, str, Callable[[Client], list[Any] | None], Callable[[list[Any]], int]]] = [
        ("tags", "retrieve_account_tags", lambda c: c.retrieve_account_tags(), names(Tag)),
        ("lists", "retrieve_account_lists", lambda c: c.retrieve_account_lists(), names(MailingList)),
        (
            "sequences",
            "retrieve_account_sequences",
            lambda c: c.retrieve_account_sequences(),
            names(Sequence),
        ),
        ("pages", "retrieve_account_pages", lambda c: c.retrieve_account_pages(), names(Page)),
        ("custom fields", "retrieve_custom_fields", lambda c: c.retrieve_custom_fields(), _fields(connection, believe)),
    ]
    for name, command, question, write in parts:
        try:
            rows = calls.read(
                connection, cause=Cause.CATALOGUE, priority=priority, commands=command, ask=question, made_by=made_by
            )
        except (CredentialsRefused, NotSent):
            raise
        except KartraError as error:
            found.problems[name] = calls.in_words(error)
            continue
        if rows is None:
            found.problems[name] = _("Kartra's answer says nothing of them; nothing was changed")
            continue
        found.counts[name] = len(rows)
        if number := write(rows):
            found.doubt[name] = number
            found.problems[name] = ngettext(
                "%(number)s is missing at once; nothing was marked until somebody says that it is gone",
                "%(number)s are missing at once; nothing was marked until somebody says that they are gone",
                number,
            ) % {"number": f"{number:,}"}
    if found.counts:
        Connection.objects.filter(pk=connection.pk).update(
            catalogue_read_at=clock.now(), catalogue_due=False, catalogue_doubt=found.doubt
        )
    return found


def _names(
    connection: Connection, believe: bool, model: type[Tag | MailingList | Sequence | Page]
) -> Callable[[list[Any]], int]:
    return lambda names: mirror.set_catalogue(
        connection.account, model, [name[:500] for name in names], clock.now(), believe=believe
    )


def _fields(connection: Connection, believe: bool) -> Callable[[list[Any]], int]:
    def write(definitions: list[Any]) -> int:
        facts = [
            mirror.CustomFieldFact(each.identifier[:500], each.type[:32], each.id, each.options) for each in definitions
        ]
        return mirror.set_custom_fields(connection.account, facts, clock.now(), believe=believe)

    return write


def is_due(connection: Connection) -> bool:
    """Whether the catalogue is to be read by itself: a day is over, or a name of it was refused; and it was not tried just
    now."""
    at = clock.now()
    fresh = connection.catalogue_read_at is not None and connection.catalogue_read_at > at - DAILY
    if fresh and not connection.catalogue_due:
        return False
    wait = SOON if connection.catalogue_due else AGAIN
    return (
        not call_counter.is_copy() and not Heartbeat.objects.filter(name=_tried(connection), at__gt=at - wait).exists()
    )


def _tried(connection: Connection) -> str:
    return f"catalogue {connection.pk}"


def read_due(connection: Connection) -> None:
    """Read the catalogue of one connection by itself; what fails is logged and tried again later. On the way it is looked
    whether `get_lead` takes an id by now, if it did not before."""
    Heartbeat.objects.update_or_create(name=_tried(connection), defaults={"at": clock.now()})
    try:
        found = read(connection, priority=Priority.REFRESH)
        if found.problems:
            logger.warning(
                "Of the catalogue of connection %s could not be read: %s", connection.pk, ", ".join(found.problems)
            )
        _learn_again(connection)
    except KartraError as error:
        logger.warning("The catalogue of connection %s could not be read: %s", connection.pk, calls.in_words(error))


def _learn_again(connection: Connection) -> None:
    """Ask for one known lead by its id, where that was not possible when it was last tried."""
    lead = Lead.objects.filter(
        account=connection.account_id, gone_at=None, kartra_id__isnull=False, read_at__isnull=False
    )
    known = lead.order_by("-read_at").first() if connection.get_lead_by_id is False else None
    if known is None:
        return
    connection.get_lead_by_id = None
    try:
        ask(
            connection,
            kartra_id=known.kartra_id or "",
            email=known.email,
            cause=Cause.CATALOGUE,
            priority=Priority.REFRESH,
            lead=known,
        )
    finally:
        learn(connection, bool(connection.get_lead_by_id))
