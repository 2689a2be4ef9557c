"""A watch stands still: by itself, with a remark that says why, or because a person said so. Who waits is kept."""

import datetime as dt
import logging
from typing import Any

from leads.models import Watch, WatchState

logger = logging.getLogger(__name__)


def pause(watch: Watch, remark: dict[str, Any], at: dt.datetime, *, told: bool = False) -> bool:
    """Pause it. True if it was on. `told`: nobody need be told, for a person did it."""
    changed = Watch.objects.filter(pk=watch.pk, state=WatchState.ON).update(
        state=WatchState.PAUSED, paused_at=at, paused_remark=remark, pause_told_at=at if told else None
    )
    if changed:
        logger.info("Watch %s is paused (%s).", watch.pk, remark["what"])
        watch.refresh_from_db()
    return bool(changed)
