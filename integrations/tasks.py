"""Celery's entry points: thin. A task carries ids, never data, finds its own work and ends within about 10 s.

Whoever has work notifies a worker (`notify`); the sweep finds whatever is due.
"""

import datetime as dt
import logging
import threading
from typing import Any

from celery import shared_task
from celery.signals import task_prerun, worker_shutting_down
from django.conf import settings
from django.db import DatabaseError

from integrations import due_schedules, push, receive, retention
from integrations.clock import now
from integrations.models import Attempt, Connection, Delivery, SendingStop
from integrations.notify import notify_worker
from integrations.process_state import asked_again as _asked_again, only_one as _only_one
from integrations.push import lease, verify
from integrations.read import catalogue, file_ids, order_sync, people_lists, refresh
from integrations.sending import alerts, clocks, outage, password_mails, run_mails
from integrations.watching import alive, concerns, disks, entering, heartbeat_url, telling
from integrations.watching.regular import is_time
from leads import importing, watching
from leads.changes import runs
from leads.filters import duplicates
from leads.models import BulkRun, ChangeStatus, Import, ImportRemark, LeadChange, PasswordLinkRequest
from leads.models.remarks import remark
from leads.schedules import due

logger = logging.getLogger(__name__)

TASK_S = 8.0
"""How long a task works before it asks for itself again."""

_stopping = threading.Event()


@worker_shutting_down.connect
def _stop_claiming(**kwargs: Any) -> None:
    """A worker that is told to end claims nothing more; calls in flight are finished and recorded."""
    _stopping.set()


@task_prerun.connect
def _look_at_the_clock(**kwargs: Any) -> None:
    clocks.look()


@shared_task(ignore_result=True)
def push_changes(connection_id: int) -> None:
    """Send what is due on one connection. Safe to run twice, also at once."""
    job = f"push {connection_id}"
    with _only_one(job) as mine:
        connection = Connection.objects.filter(pk=connection_id).first()
        if not mine or connection is None:
            return
        more = push.drain(connection, until_s=TASK_S, stop=_stopping.is_set).more or _asked_again(job)
    if more and not _stopping.is_set():
        notify_worker("push_changes", connection_id)


@shared_task(ignore_result=True)
def push_verify(connection_id: int) -> None:
    """Look whether unclear changes were done, where it is time to look."""
    with _only_one(f"verify {connection_id}") as mine:
        connection = Connection.objects.filter(pk=connection_id).first()
        if not mine or connection is None:
            return
        verify.drain(connection, until_s=TASK_S)
    notify_worker("push_changes", connection_id)


@shared_task(ignore_result=True)
def push_probe(connection_id: int) -> None:
    """Try whether Kartra answers again."""
    connection = Connection.objects.select_related("account").filter(pk=connection_id).first()
    if connection is not None and outage.due(connection) and outage.probe(connection):
        notify_worker("push_changes", connection_id)


@shared_task(ignore_result=True)
def send_alerts() -> None:
    """Tell those who are to be told that sending stopped or went on."""
    alerts.drain()


@shared_task(ignore_result=True)
def push_alive() -> None:
    """Say that a worker of the queue push is at work."""
    alive.note("push")


@shared_task(ignore_result=True)
def apply_alive() -> None:
    """Say that a worker of the queue apply is at work."""
    alive.note("apply")


@shared_task(ignore_result=True)
def read_alive() -> None:
    """Say that a worker of the queue read is at work."""
    alive.note("read")


@shared_task(ignore_result=True)
def watch_concerns() -> None:
    """Look what needs a person, and tell it."""
    disks.look(now())
    concerns.look()
    telling.drain()


@shared_task(ignore_result=True)
def call_heartbeat_url() -> None:
    """Say to whoever is alarmed by our silence that the sweep runs."""
    heartbeat_url.call()


@shared_task(ignore_result=True)
def mail_ended_runs() -> None:
    """Tell those who wanted a mail that their bulk action has ended."""
    run_mails.drain()


@shared_task(ignore_result=True)
def mail_password_links() -> None:
    """Mail links to those of our people who asked for a new password."""
    password_mails.drain()


@shared_task(ignore_result=True)
def apply_deliveries() -> None:
    """Apply what Kartra sent and nobody has applied yet."""
    with _only_one("apply") as mine:
        if not mine:
            return
        receive.drain(until_s=TASK_S)
        more = Delivery.objects.waiting().exists() or receive.discard.waiting().exists() or _asked_again("apply")
    if more and not _stopping.is_set():
        notify_worker("apply_deliveries")
    for watch_id in watching.due_watches(now()) if not more else ():
        notify_worker("look_at_watch", watch_id)


@shared_task(ignore_result=True)
def look_at_watch(watch_id: int) -> None:
    """Look who entered a watched segment, tell it, and start its recipe for them. Safe to run twice, also at once."""
    with _only_one(f"watch {watch_id}") as mine:
        more = mine and entering.work(watch_id, until_s=TASK_S)
    if more and not _stopping.is_set():
        notify_worker("look_at_watch", watch_id)


@shared_task(ignore_result=True)
def refresh_leads(connection_id: int) -> None:
    """Read leads that are due to be read; when none is, a few order lists."""
    with _only_one(f"refresh {connection_id}") as mine:
        connection = Connection.objects.select_related("account").filter(pk=connection_id).first()
        if not mine or connection is None:
            return
        read = refresh.drain(connection, until_s=TASK_S, stop=_stopping.is_set)
        more = bool(read) and refresh.has_work(connection)
        if not more and not _stopping.is_set() and not connection.reads_stopped_at:
            more = bool(order_sync.drain(connection)) and order_sync.is_asked_for(connection)
    if more and not _stopping.is_set():
        notify_worker("refresh_leads", connection_id)


@shared_task(ignore_result=True)
def load_file(import_id: int) -> None:
    """Go on with an uploaded file that is being checked or loaded. Safe to run twice, also at once."""
    with _only_one(f"import {import_id}") as mine:
        job = Import.objects.going().select_related("account").filter(pk=import_id).first()
        if not mine or job is None:
            return
        try:
            file_ids.look_up(job, Connection.objects.filter(account=job.account_id).first())
            with importing.open_kept(job) as file:
                more = importing.work(job, file, until_s=TASK_S)
        except DatabaseError:
            raise  # the database's trouble passes; the sweep goes on with it
        except Exception as error:
            logger.exception("Import %s cannot go on.", import_id)
            importing.stop(job, remark(ImportRemark.BROKE_OFF, line=f"{job.line:,}", name=type(error).__name__))
            return
    if more and not _stopping.is_set():
        notify_worker("load_file", import_id)
    for connection_id in Connection.objects.filter(account=job.account_id).values_list("pk", flat=True):
        notify_worker("refresh_leads", connection_id)


@shared_task(ignore_result=True)
def read_people_list(list_id: int) -> None:
    """Go on with a list of people that is being read or looked up. Safe to run twice, also at once."""
    with _only_one(f"people {list_id}") as mine:
        more = mine and people_lists.go_on(list_id, until_s=TASK_S, stop=_stopping.is_set)
    if more and not _stopping.is_set():
        notify_worker("read_people_list", list_id)


@shared_task(ignore_result=True)
def read_catalogue(connection_id: int) -> None:
    """Read one account's catalogue again: a day is over, or Kartra refused a name that we have in it."""
    with _only_one(f"catalogue {connection_id}") as mine:
        connection = Connection.objects.select_related("account").filter(pk=connection_id).first()
        if mine and connection is not None and catalogue.is_due(connection):
            catalogue.read_due(connection)


@shared_task(ignore_result=True)
def find_second_profiles(account_id: int) -> None:
    """Search an account for leads that may be one person."""
    with _only_one(f"second profiles {account_id}") as mine:
        if mine and account_id in duplicates.due_for_search(at := now()):
            duplicates.search(account_id, at)


@shared_task(ignore_result=True)
def start_schedule(schedule_id: int) -> None:
    """Start what a schedule does, where its time has come. Safe to run twice, also at once."""
    with _only_one(f"schedule {schedule_id}") as mine:
        if mine:
            due_schedules.work(schedule_id)


SWEEP_APART = dt.timedelta(seconds=10)
PRUNE_APART = dt.timedelta(minutes=50)

FILLED_WITHIN = dt.timedelta(minutes=30)
"""How long a bulk action may take to be written down: one of a million leads takes some minutes."""


@shared_task(ignore_result=True)
def sweep() -> None:
    """Every 15 s: notify workers of whatever is due. What is lost with a broker or a worker comes back here. Of many that piled up,
    one is done: the others find that it began just now."""
    at = now()
    if not is_time("sweep", at, SWEEP_APART):
        return
    runs.mend(abandoned_before=at - FILLED_WITHIN)
    for connection in Connection.objects.with_stops():
        lease.end_leases(connection)
        if (
            connection.sends
            and LeadChange.objects.filter(account=connection.account_id, status=ChangeStatus.WAITING)
            .in_going_runs()
            .exists()
        ):
            notify_worker("push_changes", connection.pk)
        if Attempt.objects.unclear().filter(call__connection=connection, verify_at__lte=at).exists():
            notify_worker("push_verify", connection.pk)
        if outage.due(connection):
            notify_worker("push_probe", connection.pk)
        if catalogue.is_due(connection):
            notify_worker("read_catalogue", connection.pk)
        if refresh.has_work(connection) or order_sync.has_work(connection):
            notify_worker("refresh_leads", connection.pk)
    receive.spool.drain()
    if Delivery.objects.waiting().exists() or receive.discard.waiting().exists():
        notify_worker("apply_deliveries")
    if SendingStop.objects.untold().exists():
        notify_worker("send_alerts")
    if BulkRun.objects.to_be_mailed().exists():
        notify_worker("mail_ended_runs")
    if PasswordLinkRequest.objects.waiting().exists():
        notify_worker("mail_password_links")
    for import_id in Import.objects.going().values_list("pk", flat=True):
        notify_worker("load_file", import_id)
    for list_id in people_lists.due():
        notify_worker("read_people_list", list_id)
    for account_id in duplicates.due_for_search(at):
        notify_worker("find_second_profiles", account_id)
    for schedule_id in due.schedules_with_work(at):
        notify_worker("start_schedule", schedule_id)
    for watch_id in watching.due_watches(at):
        notify_worker("look_at_watch", watch_id)
    alive.ask(at)
    if is_time("watch_concerns", at, concerns.APART):
        notify_worker("watch_concerns")
    if settings.HEARTBEAT_URL and is_time("call_heartbeat_url", at, heartbeat_url.APART):
        notify_worker("call_heartbeat_url")


@shared_task(ignore_result=True)
def prune() -> None:
    """Once an hour: delete what is older than it is kept, for up to a minute."""
    at = now()
    if is_time("prune", at, PRUNE_APART):
        retention.tidy(at)
