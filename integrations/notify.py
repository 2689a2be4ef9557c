"""How work wakes a worker: by the task's name, so that nobody imports `tasks` but Celery.

A notification may get lost, come twice or late: the database is the truth, and the sweep finds what nobody announced.
"""

import logging
import time
from typing import Literal

from celery import current_app

from integrations.process_state import process_state

logger = logging.getLogger(__name__)

QUIET_S = 5.0
"""How long this process notifies nobody after the broker failed, so that a dead one slows no request."""

TaskName = Literal[
    "apply_alive",
    "apply_deliveries",
    "call_heartbeat_url",
    "find_second_profiles",
    "load_file",
    "mail_ended_runs",
    "mail_password_links",
    "push_alive",
    "push_changes",
    "push_probe",
    "push_verify",
    "read_alive",
    "read_catalogue",
    "refresh_leads",
    "send_alerts",
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


def broker_answers() -> bool:
    """Whether the broker can be reached; within about a second."""
    try:
        with current_app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, timeout=1)
        return True
    except Exception:  # whatever the broker's library raises means: no
        return False
