"""How much may come by one address within an hour: messages, and bytes. Whoever has the address may send as much as they like, and
what is stored is bounded by this. Above it a message is refused with 429, counted, and home says so; the refresh brings what it
would have told.

Counted in each process, and written down in packets, so that a message costs no statement more. Several processes together go
over by what they have not written down yet: some hundred messages.
"""

import datetime as dt
import threading
import time
from dataclasses import dataclass, field

from django.conf import settings
from django.db import transaction
from django.db.models import F

from integrations.models import WebhookHour
from integrations.process_state import process_state
from integrations.receive.newcomers import hour_of

PACKET = 100
"""So many messages are counted before they are written down; fewer of a small budget."""
REFUSED_EVERY_S = 1.0
HOUR = dt.timedelta(hours=1)


@dataclass
class Traffic:
    """What came by one address within this hour: what all processes wrote down, and what this one has yet to."""

    hour: dt.datetime
    messages: int = 0
    bytes: int = 0
    new_messages: int = 0
    new_bytes: int = 0
    refused: int = 0
    written_at: float = 0.0
    guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def is_full(self) -> bool:
        most_bytes = settings.WEBHOOK_MB_PER_HOUR * 1024 * 1024
        return (
            self.messages + self.new_messages >= settings.WEBHOOK_MESSAGES_PER_HOUR
            or self.bytes + self.new_bytes >= most_bytes
        )


def refuses(endpoint: int, at: dt.datetime) -> int:
    """0 if another message may be stored; else after how many seconds one may again."""
    traffic = _traffic(endpoint, at)
    with traffic.guard:
        if not traffic.is_full:
            return 0
        traffic.refused += 1
        if time.monotonic() - traffic.written_at >= REFUSED_EVERY_S:
            _write(endpoint, traffic)  # it may also be that others raised the budget
    return max(int((traffic.hour + HOUR - at).total_seconds()), 1)


def count(endpoint: int, at: dt.datetime, size: int) -> None:
    """One message of so many bytes was stored."""
    traffic = _traffic(endpoint, at)
    with traffic.guard:
        traffic.new_messages += 1
        traffic.new_bytes += size
        packet = min(PACKET, max(settings.WEBHOOK_MESSAGES_PER_HOUR // 100, 1))
        share = settings.WEBHOOK_MB_PER_HOUR * 1024 * 1024 / 100
        if traffic.new_messages >= packet or traffic.new_bytes >= share:
            _write(endpoint, traffic)


def _traffic(endpoint: int, at: dt.datetime) -> Traffic:
    known = process_state.traffic.get(endpoint)
    if known is not None and known.hour == hour_of(at):
        return known
    if known is not None:
        with known.guard:
            _write(endpoint, known)
    traffic = Traffic(hour_of(at))
    _read(endpoint, traffic)
    process_state.traffic[endpoint] = traffic
    return traffic


def _write(endpoint: int, traffic: Traffic) -> None:
    """Write down what came, and learn what came by other processes."""
    rows = WebhookHour.objects.filter(endpoint=endpoint, hour=traffic.hour)
    more = {
        "messages": F("messages") + traffic.new_messages,
        "bytes": F("bytes") + traffic.new_bytes,
        "refused": F("refused") + traffic.refused,
    }
    if traffic.new_messages or traffic.refused:
        with transaction.atomic():
            if not rows.update(**more):
                WebhookHour.objects.bulk_create(
                    [WebhookHour(endpoint_id=endpoint, hour=traffic.hour)], ignore_conflicts=True
                )
                rows.update(**more)
    traffic.new_messages = traffic.new_bytes = traffic.refused = 0
    traffic.written_at = time.monotonic()
    _read(endpoint, traffic)


def _read(endpoint: int, traffic: Traffic) -> None:
    row = WebhookHour.objects.filter(endpoint=endpoint, hour=traffic.hour).values_list("messages", "bytes").first()
    traffic.messages, traffic.bytes = row or (0, 0)
