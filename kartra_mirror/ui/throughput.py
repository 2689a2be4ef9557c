"""How fast an account's connection may go, for pages that say how long something takes."""

import math

from integrations.models import Connection
from integrations.sending.calls import rate_of
from leads.models import Account


def connection_of(account: Account) -> Connection | None:
    """The account's connection, if it has one."""
    return Connection.objects.filter(account=account).select_related("account", "sending_by").first()


def seconds_for(account: Account, calls: int) -> int:
    """How long so many calls take at the account's speed."""
    connection = connection_of(account)
    rate = rate_of(connection) if connection else 19.5
    return 0 if math.isinf(rate) else math.ceil(calls / rate)
