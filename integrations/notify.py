"""How work wakes a worker: by the task's name, so that nobody imports `tasks` but Celery.

A notification may get lost, come twice or late: the database is the truth, and the sweep finds what nobody announced.
"""

import logging
import threading
import time
from typing import Literal

from celery import current_app

from integrations.process_state import process_state

logger = logging.getLogger(__name__)

QUIET_S = 5.0
"""How long this process notifies nobody after the broker failed, so that a dead one slows no request."""

APART_S = 0.2
"""So far apart at least are the notifications that `notify_soon` sends of one task."""

TaskName = Literal[
    "apply_alive",
    "apply_deliveries",
    "call_heartbeat_url",
    "find_second_profiles",
    "load_file",
    "look_at_watch",
    "mail_ended_runs",
    "mail_password_links",
    "push_alive",
    "push_changes",
    "push_probe",
    "push_verify",
    "read_alive",
    "read_catalogue",
    "read_people_list",
    "refresh_leads",
    "send_alerts",
    "start_schedule",
    "watch_concerns",
]


def notify_worker(task: TaskName, *ids: int) -> None:
    """Ask for a task of `integrations.tasks`. Never raises and never waits long."""
    if time.monotonic() < process_state.notify_quiet_until:
        return
    try:
        current_app.send_task(f"integrations.tasks.{task}", args=ids, retry=False, ignore_result=True)
    except Exception as error:  # whatever the broker's library raises: a notification is not worth a failed request
        process_state.notify_quiet_until = time.monotonic() + QUIET_S
        logger.warning("The broker cannot be reached (%s); work is found by the sweep.", type(error).__name__)


def notify_soon(task: TaskName) -> None:
    """The same for what many requests ask for: a thread notifies, at once and then no oftener than every APART_S, so that none
    of them waits for the broker. Whoever asks meanwhile is notified of at the end of it."""
    with process_state.notify_guard:
        process_state.notify_asked.add(task)
        thread = process_state.notify_thread
        if thread is None or not thread.is_alive():
            thread = threading.Thread(target=_notify_asked, name="notify")
            thread.start()  # it waits for the guard; where none can be started, the next one who asks tries again
            process_state.notify_thread = thread


def _notify_asked() -> None:
    while True:
        with process_state.notify_guard:
            if process_state.notify_thread is not threading.current_thread():
                return  # the process began anew
            asked = sorted(process_state.notify_asked)
            process_state.notify_asked.clear()
            if not asked:
                process_state.notify_thread = None  # whoever asks now starts another
                return
        for task in asked:
            notify_worker(task)
        time.sleep(APART_S)


def broker_answers() -> bool:
    """Whether the broker can be reached; within about a second."""
    try:
        with current_app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, timeout=1)
        return True
    except Exception:  # whatever the broker's library raises means: no
        return False
