"""The connections that pages speak of, and how fast they send, for pages that say how long something takes."""

import datetime as dt
import itertools
import math
from collections.abc import Sequence

from django.utils.translation import gettext as _, ngettext

from integrations.models import ApiCall, Connection
from integrations.sending import switch
from integrations.sending.calls import rate_of
from leads import access, clock
from leads.access import Author
from leads.models import Account

LATELY = dt.timedelta(minutes=10)
LOOKED_AT = 200
ENOUGH = 10
PAUSE_S = 5.0
"""A longer wait between two calls is no speed: nothing was to be sent."""
UNTOLD = 19.5
"""Calls a second of an account that has no connection yet."""


def connections_of(user: Author) -> list[Connection]:
    """Those of the person's accounts, by name, with what their sending switches say: two queries."""
    return list(access.only_mine(Connection.objects.select_related("account").with_stops(), user))


def connection_of(account: Account) -> Connection | None:
    """The account's connection, if it has one."""
    return Connection.objects.filter(account=account).select_related("account").first()


def why_nothing_is_sent(connection: Connection | None) -> str:
    """Why no time can be told; empty while it is sent."""
    return switch.why_not_sending(connection) if connection else _("This account is not connected to Kartra yet.")


def speed_of(connection: Connection | None, *, writes: bool = True) -> float:
    """Calls a second: measured, else the set limit; infinite where there is no limit. One query."""
    return (measured(connection, writes=writes) if connection else 0) or limit_of(connection)


def limit_of(connection: Connection | None) -> float:
    """Calls a second that are allowed."""
    return UNTOLD if connection is None else rate_of(connection)


def measured(connection: Connection, *, writes: bool = True) -> float:
    """How many calls a second were made lately, while there was something to call for; 0 where there were too few."""
    rows = ApiCall.objects.filter(
        connection=connection, claimed_at__gt=clock.now() - LATELY, writes=writes, sent_at__isnull=False
    )
    sent = rows.order_by("-claimed_at").values_list("sent_at", flat=True)[:LOOKED_AT]
    moments = sorted(at for at in sent if at is not None)
    limit = rate_of(connection)
    return min(pace_of(moments, max(PAUSE_S, 3 / limit)), limit)


def pace_of(moments: Sequence[dt.datetime], pause_s: float = PAUSE_S) -> float:
    """How many of these ordered moments there are in a second, the pauses left out; 0 where they are too few to say."""
    waits = [(later - sooner).total_seconds() for sooner, later in itertools.pairwise(moments)]
    busy = [wait for wait in waits if wait <= pause_s]
    total = sum(busy)
    return len(busy) / total if total and len(busy) >= ENOUGH else 0.0


def seconds_for(calls: int, speed: float) -> float:
    """How long so many calls take."""
    return 0 if math.isinf(speed) else calls / speed


def about(seconds: float) -> str:
    """A time that is not known to the second, in one unit: "about 4 minutes"."""
    number = max(math.ceil(seconds), 1)
    if number < 90:
        number = number if number <= 10 else 5 * round(number / 5)
        words = ngettext("about %(number)s second", "about %(number)s seconds", number)
    elif number < 90 * 60:
        number = round(number / 60)
        words = ngettext("about %(number)s minute", "about %(number)s minutes", number)
    elif number < 36 * 3600:
        number = round(number / 3600)
        words = ngettext("about %(number)s hour", "about %(number)s hours", number)
    else:
        number = round(number / 86400)
        words = ngettext("about %(number)s day", "about %(number)s days", number)
    return words % {"number": f"{number:,}"}


def in_figures(speed: float) -> str:
    """A measured speed; empty where there is none to tell."""
    figure = round(speed, 1)
    return _("%(number)s calls a second") % {"number": f"{figure:g}"} if figure else ""
