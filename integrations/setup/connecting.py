"""Making and changing a connection: the account with it, its first webhook endpoint, and never before a check has passed:
one harmless call, and what is wrong in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from integrations import clock
from integrations.kartra.errors import KartraError
from integrations.kartra.words import Trouble
from integrations.models import Cause, Connection, ConnectionRemark, StopCause, WebhookEndpoint
from integrations.read import lead_lookup
from integrations.sending import call_counter, calls, switch
from integrations.sending.calls import Priority
from integrations.sending.error_messages import remark_of, remedy
from leads.access import Author
from leads.models import Account, Lead, MailingList, normal_email
from leads.models.remarks import Remark, remark, sentence_of

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
NOT_KARTRAS = (Trouble.NO_TEXT, Trouble.NO_JSON, Trouble.WEB_PAGE, Trouble.OTHER_JSON, Trouble.EMPTY_ANSWER)
"""What answers so is something else than Kartra's API."""


@dataclass(frozen=True)
class Check:
    """Whether it works; what says so, or what is wrong; the lists that were read."""

    ok: bool
    said: Remark
    lists: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return check_text(self.said)


def check_text(said: Remark) -> str:
    """What a check found in words, with what to do about it."""
    if not isinstance(said, Mapping) or said.get("what") != ConnectionRemark.FAILED:
        return sentence_of(said)
    text = sentence_of(said["message"]).rstrip(".")
    return " ".join(filter(None, [f"{text}.", remedy(said["code"]), sentence_of(said.get("also", {}))]))


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
        return Connected(Check(False, remark(ConnectionRemark.KEYS_AGAIN)), None)
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
        connection.checked_at, connection.check_result = clock.now(), result.said
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
    """ValidationError, with a code, for an address that cannot be Kartra's or would not be safe."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise _bad_address(ConnectionRemark.NO_ADDRESS) from None
    if parts.scheme not in ("https", "http") or not host:
        raise _bad_address(ConnectionRemark.NO_SCHEME)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise _bad_address(ConnectionRemark.KEYS_IN_ADDRESS)
    if parts.scheme == "http" and host not in settings.PLAIN_HTTP_HOSTS:
        raise _bad_address(ConnectionRemark.PLAIN_HTTP, hosts=", ".join(settings.PLAIN_HTTP_HOSTS), host=host)
    if host not in settings.KARTRA_HOSTS:
        raise _bad_address(ConnectionRemark.NOT_KARTRAS, hosts=", ".join(settings.KARTRA_HOSTS), host=host)


def _bad_address(code: ConnectionRemark, **places: str) -> ValidationError:
    return ValidationError(code.label, code=code.value, params=places or None)


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
        return Check(False, {"what": error.code, **(error.params or {})})
    except KartraError as error:
        return _failed(error)
    number = len(lists or ())
    works = ConnectionRemark.WORKS_ONE if number == 1 else ConnectionRemark.WORKS
    return Check(True, remark(works, number=f"{number:,}"), lists or [])


def _failed(error: KartraError) -> Check:
    said = {**remark(ConnectionRemark.FAILED, message=remark_of(error) or error.message), "code": error.code}
    if error.trouble in NOT_KARTRAS:
        said["also"] = remark(ConnectionRemark.OTHER_SERVER)
    return Check(False, said)


def check_new_keys(connection: Connection, *, made_by: Author = None) -> Check:
    """Do these keys work, and are they of the account that our copy is of? Changes nothing."""
    result = check(connection, made_by=made_by)
    if not result.ok or connection.pk is None or not calls.replaced(connection):
        return result
    try:
        same = _same_account(connection, result.lists, made_by)
    except KartraError as error:
        return _failed(error)
    if same:
        return result
    return Check(False, remark(ConnectionRemark.OTHER_ACCOUNT, name=connection.name))


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
