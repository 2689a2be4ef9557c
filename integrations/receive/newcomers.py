"""How many leads that are new to us may come by one address within a day, before a person is to look: somebody else may have the
address, and invents them. What comes beyond is held, and lost by nobody."""

import datetime as dt
from dataclasses import dataclass, field

from django.conf import settings
from django.db.models import F, Sum

from integrations.models import Delivery, DeliveryRemark, WebhookHour
from leads.models import Lead
from leads.models.remarks import Remark, remark

DAY = dt.timedelta(hours=24)


class Held(Exception):
    """The message tells of somebody new, and too many others did within a day. `remark` says so."""

    def __init__(self, remark: Remark) -> None:
        self.remark = remark
        super().__init__()


@dataclass
class Newcomers:
    """The leads new to us by each address within the last day, as one transaction counts on; it holds the account's row."""

    at: dt.datetime
    came: dict[int, int] = field(default_factory=dict)
    more: dict[int, int] = field(default_factory=dict)

    def check(self, delivery: Delivery) -> None:
        """Raises Held where a person is to look first. What somebody asked to apply again was looked at."""
        if delivery.is_replay:
            return
        came = self._came(delivery.endpoint_id)
        if came >= settings.WEBHOOK_NEW_LEADS_PER_DAY and came >= self._share(delivery):
            raise Held(remark(DeliveryRemark.MANY_NEW, new=f"{came:,}"))

    def note(self, delivery: Delivery) -> None:
        """One more came."""
        self._came(delivery.endpoint_id)
        self.more[delivery.endpoint_id] = self.more.get(delivery.endpoint_id, 0) + 1

    def save(self) -> None:
        """Write down how many came."""
        hour = hour_of(self.at)
        for endpoint, number in self.more.items():
            WebhookHour.objects.get_or_create(endpoint_id=endpoint, hour=hour)
            rows = WebhookHour.objects.filter(endpoint=endpoint, hour=hour)
            rows.update(new_leads=F("new_leads") + number)
        self.more.clear()
        self.came.clear()

    def _came(self, endpoint: int) -> int:
        if endpoint not in self.came:
            rows = WebhookHour.objects.filter(endpoint=endpoint, hour__gt=self.at - DAY)
            self.came[endpoint] = rows.aggregate(sum=Sum("new_leads"))["sum"] or 0
        return self.came[endpoint] + self.more.get(endpoint, 0)

    def _share(self, delivery: Delivery) -> int:
        """Of an account as large as this one. Asked once past the least number only, as counting takes long."""
        account = delivery.endpoint.connection.account_id
        return int(Lead.objects.filter(account=account).count() * settings.WEBHOOK_NEW_LEADS_SHARE)


def hour_of(at: dt.datetime) -> dt.datetime:
    """The beginning of its hour."""
    return at.replace(minute=0, second=0, microsecond=0)
