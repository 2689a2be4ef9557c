"""What became of a delivery, and what one message is applied with."""

import datetime as dt
from dataclasses import dataclass, field

from integrations import clock
from integrations.models import Delivery, DeliveryStatus
from integrations.receive.newcomers import Newcomers
from leads.mirror import ActivityCause, Journal
from leads.models import Account, Lead
from leads.models.remarks import Remark


@dataclass
class Applied:
    """What became of a delivery. `changed`: what it changed, empty if nothing."""

    status: DeliveryStatus
    reason: Remark = field(default_factory=dict)
    action: str = ""
    lead: Lead | None = None
    changed: list[Remark | str] = field(default_factory=list)


@dataclass(frozen=True)
class EventContext:
    """One delivery being applied at `at` for its account. `late`: it is applied again, so newer words may be known."""

    delivery: Delivery
    account: Account
    at: dt.datetime
    late: bool = False
    newcomers: Newcomers = field(default_factory=lambda: Newcomers(clock.now()))
    journal: Journal = field(default_factory=list)
    """What it wrote, as it is kept with the delivery."""

    @property
    def cause(self) -> ActivityCause:
        return ActivityCause(delivery_id=self.delivery.pk, journal=self.journal)

    @property
    def received_at(self) -> dt.datetime:
        return self.delivery.received_at
