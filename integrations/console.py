"""Calls made by hand: any fields, Kartra's answer whole, the call logged with who made it, credentials never shown."""

import re
import time
from collections.abc import Sequence

from django.utils.translation import gettext as _

from integrations.clock import now
from integrations.kartra.errors import KartraError
from integrations.models import Cause, Connection
from integrations.sending import calls, switch
from integrations.sending.calls import Priority
from leads.access import Author
from leads.models.remarks import sentence_of
from leads.models.row_remark import lookalike
from leads.texts import clean_email

READS = re.compile(r"^(retrieve_|get_|search_)")
CREDENTIALS = frozenset({"app_id", "api_key", "api_password"})


class CannotCall(ValueError):
    """The call is not one that may be made. The text says why."""


def call(connection: Connection, pairs: Sequence[tuple[str, str]], *, made_by: Author = None) -> str:
    """Make the call and return Kartra's answer as text. Raises CannotCall, KartraError.

    A call that could write obeys the sending switch. Credentials are added here, and masked should the answer hold them.
    """
    if any(not key.strip() for key, _value in pairs):
        raise CannotCall(_("Each field needs a name, as in actions[0][cmd]=retrieve_account_pages."))
    if any(key.split("[")[0] in CREDENTIALS for key, _value in pairs):
        raise CannotCall(_("The credentials are added by themselves; leave app_id, api_key and api_password out."))
    pairs = [(key.replace("actions[]", "actions[0]"), value) for key, value in pairs]
    pairs = [(key, _address(value) if key.endswith("[email]") else value) for key, value in pairs]
    commands = [value for key, value in pairs if key.endswith("[cmd]")] or ["get_lead"]
    if any(not READS.match(command) for command in commands) and not connection.sends:
        raise CannotCall(switch.why_not_sending(connection) or _("Sending is switched off."))
    calls.be_here()
    client = calls.client_for(connection)
    calls.wait_for_slot(connection, Priority.PERSON, wait_s=30)
    began_at, began, failed = now(), time.monotonic(), None
    try:
        answer = client.call(pairs, fresh=True)
    except KartraError as error:
        failed = error
        raise
    finally:
        calls.record_read(
            connection,
            cause=Cause.CONSOLE,
            commands=", ".join(commands)[:500],
            began_at=began_at,
            elapsed_s=time.monotonic() - began,
            error=failed,
            made_by=made_by,
        )
        calls.update_health(connection, failed)
    text = answer.text
    for secret in (connection.api_key, connection.api_password):
        text = text.replace(secret, "(hidden)")
    return text


def _address(text: str) -> str:
    if words := sentence_of(lookalike(text)):
        raise CannotCall(words)
    return clean_email(text)


def words_of(error: KartraError) -> str:
    """What went wrong, for a person."""
    return calls.in_words(error)
