"""Making and changing a connection: the account with it, its first webhook endpoint, and never before a check has passed:
one harmless call, and what is wrong in words."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _, ngettext

from integrations import clock
from integrations.kartra.errors import KartraError
from integrations.models import Cause, Connection, StopCause, WebhookEndpoint
from integrations.read import lead_lookup
from integrations.sending import call_counter, calls, switch
from integrations.sending.calls import Priority
from leads.access import Author
from leads.models import Account, Lead, MailingList, normal_email

OWN_FIELDS = (
    "app_id",
    "api_key",
    "api_password",
    "api_url",
    "calls_per_second",
    "test_mode",
    "checked_at",
    "check_result",
)
"""What belongs to the person who edits a connection; the rest is written by workers and the switch."""

LEADS_TRIED = 3


@dataclass(frozen=True)
class Check:
    """Whether it works; one sentence that says so, or what is wrong and what to do; the lists that were read."""

    ok: bool
    text: str
    lists: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Connected:
    """What came of it. `connection` is None when the check failed: then nothing was changed."""

    check: Check
    connection: Connection | None
    created: bool = False


def connect(
    *,
    name: str,
    app_id: str = "",
    api_key: str = "",
    api_password: str = "",
    api_url: str = "",
    calls_per_second: float | None = None,
    test_mode: bool | None = None,
    time_zone: str = "",
    by: Author = None,
) -> Connected:
    """Make the connection of this name, or change it where values are given (blank keeps). Checked before it is saved."""
    account = Account.objects.filter(name=name).first() or Account(name=name)
    if time_zone:
        account.time_zone = time_zone
    known = Connection.objects.filter(account=account).first() if account.pk else None
    connection = known or Connection(account=account)
    given = {"app_id": app_id, "api_key": api_key, "api_password": api_password, "api_url": api_url}
    elsewhere = known and any(given[name] not in ("", getattr(known, name)) for name in ("app_id", "api_url"))
    if elsewhere and not (api_key and api_password):
        words = _(
            "With another address or app id, give key and password again: they go nowhere that they were not entered for."
        )
        return Connected(Check(False, words), None)
    for key, value in given.items():
        if value:
            setattr(connection, key, value)
    if calls_per_second is not None:
        connection.calls_per_second = calls_per_second
    if test_mode is not None:
        connection.test_mode = test_mode
    account.full_clean()
    connection.full_clean(exclude=["account"])
    result = check_new_keys(connection, made_by=by)
    if not result.ok:
        return Connected(result, None)
    with transaction.atomic():
        account.save()
        connection.account = account
        connection.checked_at, connection.check_result = clock.now(), result.text
        save_keys(connection)
        WebhookEndpoint.objects.get_or_create(connection=connection, name="Kartra", retired_at=None)
    call_counter.is_copy()  # gives a new installation its mark
    go_on_with_new_keys(connection, by=by)
    return Connected(result, connection, created=known is None)


def save_keys(connection: Connection) -> None:
    """Save what a person may change of a connection, and nothing that workers write meanwhile (switch, counts)."""
    if connection.pk is None:
        connection.save()
    else:
        connection.save(update_fields=["account", *OWN_FIELDS])


def go_on_with_new_keys(connection: Connection, *, by: Author = None) -> bool:
    """If sending had stopped because Kartra refused the keys, or they could not be read, go on: these were just checked. True
    if so."""
    fresh = Connection.objects.get(pk=connection.pk)
    if fresh.stopped_by not in (StopCause.CREDENTIALS, StopCause.LOST_KEY):
        return False
    switch.on(connection, by=by)
    return True


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
    if host not in settings.KARTRA_HOSTS:
        raise ValidationError(
            _("%(host)s is not Kartra's: keys go to %(hosts)s only. Add the host to KARTRA_HOSTS if it is meant.")
            % {"hosts": ", ".join(settings.KARTRA_HOSTS), "host": host}
        )


def check(connection: Connection, *, made_by: Author = None) -> Check:
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
        return Check(False, _words_of(error))
    words = ngettext(
        "Kartra answers and takes these keys; the account has %(number)s list.",
        "Kartra answers and takes these keys; the account has %(number)s lists.",
        len(lists or ()),
    )
    return Check(True, words % {"number": f"{len(lists or ()):,}"}, lists or [])


def _words_of(error: KartraError) -> str:
    text = calls.in_words(error)
    if "cannot be read" in error.words or "empty" in error.words:
        more = _("Something other than Kartra's API answers at this address; check it, or try again later.")
        text = f"{text} {more}"
    return text if text.endswith(".") else f"{text}."


def check_new_keys(connection: Connection, *, made_by: Author = None) -> Check:
    """Do these keys work, and are they of the account that our copy is of? Changes nothing."""
    result = check(connection, made_by=made_by)
    if not result.ok or connection.pk is None or not calls.replaced(connection):
        return result
    try:
        same = _same_account(connection, result.lists, made_by)
    except KartraError as error:
        return Check(False, calls.in_words(error))
    if same:
        return result
    return Check(
        False,
        _(
            "These keys are of another Kartra account: it has none of the leads and lists that our copy of %(name)s has. "
            "Make a connection of its own for that account."
        )
        % {"name": connection.name},
    )


def _same_account(connection: Connection, lists: list[str], made_by: Any) -> bool:
    """Whether a lead that we read lately is there under its id and address; where we know no lead, whether any of our
    lists is. An empty copy fits every account."""
    known = Lead.objects.filter(
        account=connection.account_id, gone_at=None, kartra_id__isnull=False, read_at__isnull=False
    )
    leads = list(known.order_by("-read_at")[:LEADS_TRIED])
    for lead in leads:
        asked = lead_lookup.ask(
            connection,
            kartra_id=lead.kartra_id or "",
            email=lead.email,
            cause=Cause.CHECK,
            priority=Priority.PERSON,
            made_by=made_by,
        )
        if asked.profile is not None and _agree(lead, asked.profile.email):
            return True
    ours = set(
        MailingList.objects.filter(account=connection.account_id, missing_since=None).values_list("name", flat=True)
    )
    if leads:
        return False
    return not ours or bool(ours & set(lists))


def _agree(lead: Lead, email: str) -> bool:
    """The same address, or the same part before the @: in test mode Kartra replaces the domain."""
    ours, theirs = normal_email(lead.email), normal_email(email)
    return ours == theirs or ours.partition("@")[0] == theirs.partition("@")[0]
