"""Hours that the clocks of a zone pass over, or show twice, when summer time begins and ends."""

import datetime as dt
import zoneinfo


def is_skipped(naive: dt.datetime, zone: zoneinfo.ZoneInfo) -> bool:
    """Whether the clocks there never show this time."""
    there = naive.replace(tzinfo=zone)
    return there.astimezone(dt.UTC).astimezone(zone).replace(tzinfo=None) != naive.replace(fold=0)


def is_doubled(naive: dt.datetime, zone: zoneinfo.ZoneInfo) -> bool:
    """Whether the clocks there show this time twice."""
    first, second = (naive.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    return first.utcoffset() != second.utcoffset() and not is_skipped(naive, zone)
