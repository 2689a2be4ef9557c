"""The connections that pages speak of, and how fast one may go, for pages that say how long something takes."""

import math

from integrations.models import Connection
from integrations.sending.calls import rate_of
from leads import access
from leads.access import Author
from leads.models import Account


def connections_of(user: Author) -> list[Connection]:
    """Those of the person's accounts, by name, with what their sending switches say: two queries."""
    return list(access.only_mine(Connection.objects.select_related("account").with_stops(), user))


def connection_of(account: Account) -> Connection | None:
    """The account's connection, if it has one."""
    return Connection.objects.filter(account=account).select_related("account").first()


def seconds_for(account: Account, calls: int) -> int:
    """How long so many calls take at the account's speed."""
    connection = connection_of(account)
    rate = rate_of(connection) if connection else 19.5
    return 0 if math.isinf(rate) else math.ceil(calls / rate)
