"""Making and changing a connection: the account with it, its first door, and never before a check has passed."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from integrations.checking import Check, check
from integrations.models import Connection, Door
from leads.models import Account


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
    by: Any = None,
) -> Connected:
    """Make the connection of this name, or change it where values are given (blank keeps). Checked before it is saved."""
    account = Account.objects.filter(name=name).first() or Account(name=name)
    if time_zone:
        account.time_zone = time_zone
    known = Connection.objects.filter(account=account).first() if account.pk else None
    connection = known or Connection(account=account)
    given = {"app_id": app_id, "api_key": api_key, "api_password": api_password, "api_url": api_url}
    for field, value in given.items():
        if value:
            setattr(connection, field, value)
    if calls_per_second is not None:
        connection.calls_per_second = calls_per_second
    if test_mode is not None:
        connection.test_mode = test_mode
    account.full_clean()
    connection.full_clean(exclude=["account"])
    result = check(connection, made_by=by)
    if not result.ok:
        return Connected(result, None)
    with transaction.atomic():
        account.save()
        connection.account = account
        connection.checked_at, connection.check_result = timezone.now(), result.text
        connection.save()
        Door.objects.get_or_create(connection=connection, name="Kartra", retired_at=None)
    return Connected(result, connection, created=known is None)
