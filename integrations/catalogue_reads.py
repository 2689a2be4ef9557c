"""Tags, lists, sequences, pages and custom fields of an account: read from Kartra into the mirror's catalogue."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from integrations import calls
from integrations.calls import Priority
from integrations.kartra.client import Client
from integrations.kartra.errors import CredentialsRefused, KartraError, NotSent
from integrations.models import Cause, Connection
from leads import mirror
from leads.models import MailingList, Page, Sequence, Tag

logger = logging.getLogger(__name__)


@dataclass
class CatalogueRead:
    """How many of each there are now, and what could not be read, in words: {"pages": "Kartra did not answer in time"}."""

    counts: dict[str, int] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def read(connection: Connection, *, priority: Priority = Priority.PERSON, made_by: Any = None) -> CatalogueRead:
    """Read all five. One that fails does not lose the others; if nothing can be asked at all, raises KartraError."""
    found = CatalogueRead()
    parts: list[tuple[str, str, Callable[[Client], list[Any]], Callable[[list[Any]], None]]] = [
        ("tags", "retrieve_account_tags", lambda c: c.retrieve_account_tags(), _names(connection, Tag)),
        ("lists", "retrieve_account_lists", lambda c: c.retrieve_account_lists(), _names(connection, MailingList)),
        (
            "sequences",
            "retrieve_account_sequences",
            lambda c: c.retrieve_account_sequences(),
            _names(connection, Sequence),
        ),
        ("pages", "retrieve_account_pages", lambda c: c.retrieve_account_pages(), _names(connection, Page)),
        ("custom fields", "retrieve_custom_fields", lambda c: c.retrieve_custom_fields(), _fields(connection)),
    ]
    for name, command, ask, write in parts:
        try:
            rows = calls.read(
                connection, cause=Cause.CATALOGUE, priority=priority, commands=command, ask=ask, made_by=made_by
            )
        except (CredentialsRefused, NotSent):
            raise
        except KartraError as error:
            found.problems[name] = calls.in_words(error)
            continue
        write(rows)
        found.counts[name] = len(rows)
    if found.counts:
        Connection.objects.filter(pk=connection.pk).update(catalogue_read_at=timezone.now(), catalogue_due=False)
    return found


def _names(connection: Connection, model: type[Tag | MailingList | Sequence | Page]) -> Callable[[list[Any]], None]:
    return lambda names: mirror.set_catalogue(connection.account, model, [name[:500] for name in names], timezone.now())


def _fields(connection: Connection) -> Callable[[list[Any]], None]:
    def write(definitions: list[Any]) -> None:
        facts = [
            mirror.CustomFieldFact(each.identifier[:500], each.type[:32], each.id, each.options) for each in definitions
        ]
        mirror.set_custom_fields(connection.account, facts, timezone.now())

    return write


def read_due(connection: Connection) -> None:
    """Read the catalogue of one connection by itself; what fails is logged."""
    try:
        read(connection, priority=Priority.REFRESH)
    except KartraError as error:
        logger.warning("The catalogue of connection %s could not be read: %s", connection.pk, calls.in_words(error))


def read_all() -> None:
    """Read the catalogue of every connection; one that fails is logged and does not stop the next."""
    for connection in Connection.objects.select_related("account"):
        read_due(connection)
