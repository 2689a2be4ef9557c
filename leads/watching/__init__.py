"""Watched segments: who is in them is kept as rows, who enters is told, and a recipe may be started for them.

The only writer of Watch, SegmentMember and WatchEntry rows. Nothing here speaks to Kartra or sends a mail; `integrations.watching`
tells. May import every other room of `leads`.
"""

from leads.watching.acting import act, room
from leads.watching.looking import due_watches, look
from leads.watching.setting import CannotWatch, leave_out_waiting, may_run, pause_by, resume, set_watch, stop_watching

__all__ = [
    "CannotWatch",
    "act",
    "due_watches",
    "leave_out_waiting",
    "look",
    "may_run",
    "pause_by",
    "resume",
    "room",
    "set_watch",
    "stop_watching",
]
