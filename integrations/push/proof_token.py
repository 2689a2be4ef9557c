"""The safety field: a custom field in Kartra into which calls write a receipt, so that a lost answer can be told later.

Kartra has no idempotency key. A call that gives points, starts a sequence or books a class writes a text of its own into
this field of the lead; found there afterwards, the call was begun. It is made once, when somebody asks for it.
"""

from typing import Any

from django.utils.translation import gettext as _

from integrations.kartra.errors import Rejected
from integrations.kartra.profile import LeadProfile
from integrations.models import Attempt, Cause, Connection
from integrations.sending import calls, custom_fields
from integrations.sending.calls import Priority
from leads.access import Author
from leads.models import SAFETY_FIELD, CustomFieldType

TAKEN = "264"


class NotPrepared(ValueError):
    """The field could not be made or is not seen in Kartra. The text is a sentence for the person who asked."""


def prepare(connection: Connection, *, made_by: Author = None) -> None:
    """Make the safety field in Kartra, see it there, and use it from now on. Safe to repeat.

    Raises NotPrepared, custom_fields.CannotCreate, KartraError; then nothing has changed here.
    """
    if not _seen(connection, made_by):
        try:
            custom_fields.create(connection, SAFETY_FIELD, CustomFieldType.INPUT_FIELD, made_by=made_by)
        except Rejected as no:
            if no.code != TAKEN:
                raise
        if not _seen(connection, made_by):
            raise NotPrepared(
                _(
                    "Kartra took the field %(field)s but does not show it yet. Try again in a minute; until then nothing relies on it."
                )
                % {"field": SAFETY_FIELD}
            )
    Connection.objects.filter(pk=connection.pk).update(receipt_field=SAFETY_FIELD)
    connection.receipt_field = SAFETY_FIELD


def _seen(connection: Connection, made_by: Any) -> bool:
    found = calls.read(
        connection,
        cause=Cause.CATALOGUE,
        priority=Priority.PERSON,
        commands="retrieve_custom_fields",
        made_by=made_by,
        ask=lambda client: client.retrieve_custom_fields(),
    )
    return any(
        each.identifier == SAFETY_FIELD and each.type in (CustomFieldType.INPUT_FIELD, CustomFieldType.TEXT_AREA, "")
        for each in found or ()
    )


def says(attempt: Attempt, profile: LeadProfile) -> bool | None:
    """Whether the receipt of this attempt's call stands in the lead that was read. None: the call wrote none, or Kartra
    does not show the field at all, so it tells nothing."""
    if not attempt.call.receipt or profile.custom_fields is None or SAFETY_FIELD not in profile.custom_fields:
        return None
    return profile.custom_fields[SAFETY_FIELD].text.strip() == attempt.call.receipt


def distrust(connection: Connection) -> None:
    """Kartra does not show the field any more: calls no longer write into it, and somebody may make it again."""
    Connection.objects.filter(pk=connection.pk).exclude(receipt_field="").update(receipt_field="")
