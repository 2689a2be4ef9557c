"""One request to a webhook address as it came: the row it becomes, and the line it is while no row can be written."""

import base64
import datetime as dt
import hashlib
import json
import uuid
import zlib
from dataclasses import dataclass, field
from typing import Self

from integrations.models import Delivery, DeliveryRemark, DeliveryStatus
from leads.models.remarks import remark

KEPT_OF_LARGER = 4096


class Damaged(ValueError):
    """The line is not whole: it was never answered with 200."""


@dataclass(frozen=True)
class Arrival:
    """What came. `body` is all of it, or of one that is too large its first bytes. `id` is the row's, so that one that is stored
    twice is there once."""

    endpoint: int
    old_address: bool
    channel: str
    received_at: dt.datetime
    headers: dict[str, str]
    size: int
    body: bytes
    truncated: bool = False
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def as_delivery(self) -> Delivery:
        """The row, not saved. One that is too large is applied by nobody."""
        row = Delivery(
            endpoint_id=self.endpoint,
            old_address=self.old_address,
            channel=self.channel,
            received_at=self.received_at,
            headers=self.headers,
            size=self.size,
            body=self.body,
            digest=hashlib.sha256(self.body).hexdigest(),
            arrival=uuid.UUID(self.id),
        )
        if self.truncated:
            row.truncated, row.status = True, DeliveryStatus.REFUSED
            row.reason, row.applied_at = remark(DeliveryRemark.TOO_LARGE), self.received_at
        return row

    def as_line(self) -> bytes:
        """One line: a checksum, and all of it as JSON."""
        told = {
            **self.__dict__,
            "received_at": self.received_at.isoformat(),
            "body": base64.b64encode(self.body).decode(),
        }
        text = json.dumps(told, separators=(",", ":")).encode()
        return b"%08x %s\n" % (zlib.crc32(text), text)

    @classmethod
    def of_line(cls, line: bytes) -> Self:
        """The same again. Raises Damaged."""
        checksum, _space, text = line.rstrip(b"\n").partition(b" ")
        try:
            if int(checksum, 16) != zlib.crc32(text):
                raise Damaged
            told = json.loads(text)
            at = dt.datetime.fromisoformat(told.pop("received_at"))
            return cls(**{**told, "received_at": at, "body": base64.b64decode(told["body"])})
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged from error
