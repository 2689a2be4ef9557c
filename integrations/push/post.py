"""One POST of a claimed call, from a sender's thread: in its turn, or given back. No ORM."""

import logging
import math
import time
from collections.abc import Callable

from structlog.contextvars import bound_contextvars

from integrations.kartra.client import Client
from integrations.kartra.errors import KartraError, OutcomeUnknown
from integrations.kartra.rate_limit import RateLimiterUnavailable
from integrations.kartra.words import Trouble
from integrations.push.plan import CallPlan
from integrations.push.settle_many import Answer
from integrations.sending import calls
from integrations.translate import Composed

logger = logging.getLogger(__name__)


def make_call(
    client: Client,
    plan: CallPlan,
    said: Composed,
    due_at: float = math.inf,
    late_at: float = math.inf,
    new_turn: Callable[[], bool] = lambda: True,
    on_time: Callable[[], None] = lambda: None,
) -> tuple[Answer, int]:
    """Make the POST when its turn is due (`time.monotonic`); a turn that may be missed after `late_at` is given up for a
    new one. Runs in the pool: no ORM. Whatever goes wrong is an answer; a bug of ours counts as unknown."""
    if due_at < math.inf:
        time.sleep(max(0.0, due_at - time.monotonic()))
        try:
            if time.monotonic() <= late_at:
                on_time()
            elif not new_turn():
                return calls.NoSlot("", Trouble.NO_TURN), 0
        except RateLimiterUnavailable:
            return calls.NoSlot("", Trouble.NO_LIMITER), 0
    began = time.monotonic()
    answer: Answer
    try:
        answer = client.chain(said.lead, said.actions, lead_fields=said.lead_fields, repeatable=said.repeatable)
    except KartraError as error:
        answer = error
    except Exception as error:  # the request may have left: never lose the chain to a bug
        with bound_contextvars(**plan.log_ids):  # of this thread
            logger.exception("Call %s failed in our own code.", plan.call.pk)
        answer = OutcomeUnknown("", Trouble.OUR_FAULT, name=type(error).__name__)
    return answer, round((time.monotonic() - began) * 1000)
