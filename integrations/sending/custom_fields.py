"""Makes a custom field in Kartra. It is about no lead, so it is done at once, not queued; then the fields are read again."""

import re
from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from integrations import clock
from integrations.kartra.errors import KartraError, OutcomeUnknown
from integrations.models import Cause, Connection
from integrations.sending import calls, switch
from integrations.sending.calls import Priority
from leads import mirror
from leads.access import Author
from leads.models import CustomField, CustomFieldType

CHOICES = (CustomFieldType.DROP_DOWN, CustomFieldType.RADIO_BUTTON, CustomFieldType.CHECKBOX)


class CannotCreate(ValueError):
    """It is not sent. The text is a sentence for the person who asked."""


def create(
    connection: Connection, identifier: str, type: str, options: Sequence[str] = (), *, made_by: Author = None
) -> CustomField | None:
    """Make the field and read all fields again; its row, or None when Kartra took it but does not show it yet.

    Raises CannotCreate, KartraError. Without an answer the fields are read to see whether it is there.
    """
    _check(connection, identifier, type, options)
    try:
        calls.read(
            connection,
            cause=Cause.CONSOLE,
            priority=Priority.PERSON,
            commands="create_custom_field",
            made_by=made_by,
            ask=lambda client: client.create_custom_field(identifier=identifier, type=type, options=list(options)),
        )
    except OutcomeUnknown:
        row = _read_again(connection, identifier, made_by)
        if row is None:
            raise
        return row
    try:
        return _read_again(connection, identifier, made_by)
    except KartraError:
        return None  # it was made; the next read of the catalogue shows it


def _check(connection: Connection, identifier: str, type: str, options: Sequence[str]) -> None:
    if not connection.sends:
        raise CannotCreate(switch.why_not_sending(connection) or _("Sending is switched off."))
    if not identifier:
        raise CannotCreate(_("Give the field an identifier."))
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", identifier):
        raise CannotCreate(_("An identifier holds letters, digits, - and _ only (no accents, no spaces)."))
    if CustomField.objects.filter(account=connection.account_id, identifier=identifier, missing_since=None).exists():
        raise CannotCreate(_("There is a custom field %(identifier)s already.") % {"identifier": identifier})
    if type not in CustomFieldType.values:
        raise CannotCreate(_("Kartra has five types: %(values)s.") % {"values": ", ".join(CustomFieldType.values)})
    if type in CHOICES and any(not option.strip() for option in options):
        raise CannotCreate(_("An option is empty."))
    if type in CHOICES and len(options) < 2:
        raise CannotCreate(_("Give at least two options, one on each line."))


def _read_again(connection: Connection, identifier: str, made_by: Any) -> CustomField | None:
    found = calls.read(
        connection,
        cause=Cause.CATALOGUE,
        priority=Priority.PERSON,
        commands="retrieve_custom_fields",
        made_by=made_by,
        ask=lambda client: client.retrieve_custom_fields(),
    )
    if found is None:
        return None
    facts = [mirror.CustomFieldFact(each.identifier[:500], each.type[:32], each.id, each.options) for each in found]
    mirror.set_custom_fields(connection.account, facts, clock.now())
    return CustomField.objects.filter(account=connection.account_id, identifier=identifier, missing_since=None).first()
