"""Does this connection work? One harmless call, and what is wrong in words."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from integrations.kartra.errors import KartraError
from integrations.models import Cause, Connection
from integrations.sending import calls
from integrations.sending.calls import Priority


@dataclass(frozen=True)
class Check:
    """Whether it works; one sentence that says so, or what is wrong and what to do; the lists that were read."""

    ok: bool
    text: str
    lists: list[str] = field(default_factory=list)


def validate_api_url(url: str) -> None:
    """ValidationError, in words, for an address that cannot be Kartra's or would not be safe."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValidationError(_("This is no address. Kartra's is https://app.kartra.com/api")) from None
    if parts.scheme not in ("https", "http") or not host:
        raise ValidationError(_("The API address begins with https://, as in https://app.kartra.com/api"))
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValidationError(_("The API address holds no name, password or question mark; keys are entered apart."))
    if parts.scheme == "http" and host not in settings.PLAIN_HTTP_HOSTS:
        raise ValidationError(
            _(
                "Over http:// everybody on the way could read the keys, so it is allowed for %(hosts)s only. Use "
                "https://%(host)s…, or add the host to PLAIN_HTTP_HOSTS."
            )
            % {"hosts": ", ".join(settings.PLAIN_HTTP_HOSTS), "host": host}
        )


def check(connection: Connection, *, made_by: Any = None) -> Check:
    """Ask for the account's lists. Works for a connection that is not saved yet; changes nothing."""
    try:
        validate_api_url(connection.api_url)
        lists = calls.read(
            connection,
            cause=Cause.CHECK,
            priority=Priority.PERSON,
            commands="retrieve_account_lists",
            made_by=made_by,
            ask=lambda client: client.retrieve_account_lists(),
        )
    except ValidationError as error:
        return Check(False, " ".join(error.messages))
    except KartraError as error:
        return Check(False, _words(error))
    words = ngettext(
        "Kartra answers and takes these keys; the account has %(number)s list.",
        "Kartra answers and takes these keys; the account has %(number)s lists.",
        len(lists or ()),
    )
    return Check(True, words % {"number": f"{len(lists or ()):,}"}, lists or [])


def _words(error: KartraError) -> str:
    text = calls.in_words(error)
    if "cannot be read" in error.words or "empty" in error.words:
        more = _("Something other than Kartra's API answers at this address; check it, or try again later.")
        text = f"{text} {more}"
    return text if text.endswith(".") else f"{text}."
