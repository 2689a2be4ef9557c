"""Regular jobs: of many processes that ask, one begins."""

import datetime as dt

from django.db.models import Q

from integrations.models import Heartbeat

AHEAD = dt.timedelta(seconds=10)


def is_time(name: str, at: dt.datetime, apart: dt.timedelta) -> bool:
    """Whether this regular job may begin at `at` (the database's clock): not if one began less than `apart` before. It is
    taken by one statement, so that of two at once one begins. A beat in the future is a mistake and holds nobody up."""
    beat = Heartbeat.objects.filter(name=name)
    if beat.filter(Q(at__lte=at - apart) | Q(at__gt=at + AHEAD)).update(at=at):
        return True
    return Heartbeat.objects.get_or_create(name=name, defaults={"at": at})[1]
