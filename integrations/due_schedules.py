"""Lets the times of a schedule come: whether Kartra is reached is known here, what is done `leads.schedules` decides."""

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from integrations.clock import now
from integrations.models import Connection
from integrations.notify import notify_worker
from integrations.sending import switch
from leads import mirror
from leads.models import Lead, Schedule
from leads.schedules import due
from leads.schedules.planning import Reach


def work(schedule_id: int) -> None:
    """Whatever is to be done for one schedule now. Safe to run twice, also at once."""
    schedule = Schedule.objects.filter(pk=schedule_id).first()
    if schedule is not None:
        connections = Connection.objects.with_stops().select_related("account")
        due.work(schedule_id, reach_of(connections.filter(account=schedule.account_id).first()))


def reach_of(connection: Connection | None) -> Reach:
    """That Kartra does not answer for a moment holds nothing: what is asked for waits for it."""
    if connection is None:
        return Reach(not_sending=_("This account is not connected to Kartra yet."), reads=False)
    key = connection.pk

    def read(leads: QuerySet[Lead]) -> None:
        if mirror.mark_all_dirty(leads, now()):
            notify_worker("refresh_leads", key)

    return Reach(
        not_sending="" if connection.sends else switch.why_not_sending(connection),
        reads=connection.reads_stopped_at is None,
        read=read,
    )
