"""What no read of the lead shows: bookings, refunds and payment plans."""

from collections.abc import Mapping
from typing import Any

from integrations.models import Seen
from integrations.push.proof.evidence import (
    Carried,
    ChangeOutcome,
    Evidence,
    Request,
    accepted,
    again,
    asked,
    later,
    superseded,
)
from integrations.translate import WIRE_FORMATS, ProofSource
from leads.models import ChangeRemark
from leads.models.remarks import remark


def classify_bookings(evidence: Evidence) -> dict[int, ChangeOutcome]:
    """Verdicts for the unclear bookings and cancellations of one class.

    A last cancellation is sent again alone: Kartra refuses what was done (259), and what came before it is overtaken. Not where
    the lead has several bookings of the class: a second try could cancel another. A last booking is proven by its own message,
    else it is a person's; with a receipt that is absent twice it was not begun. What came before a request that is done was
    overtaken by it: sent again, a cancellation would end the later booking.
    """
    before, requests = _up_to_what_is_done(evidence)
    return {**before, **_not_proven(requests, evidence)} if requests else before


def _up_to_what_is_done(evidence: Evidence) -> tuple[dict[int, ChangeOutcome], tuple[Request, ...]]:
    """Verdicts for the unclear requests up to the last one that is done, and the requests after it."""
    every = evidence.requests
    done = [n for n, each in enumerate(every) if each.carried is Carried.DONE or each.change in evidence.told]
    if not done:
        return {}, evidence.unclear
    last = every[done[-1]]
    verdicts = {each.change: superseded(each, last) for each in every[: done[-1]] if each.carried is Carried.UNCLEAR}
    if last.carried is Carried.UNCLEAR:
        verdicts[last.change] = accepted(last, ChangeRemark.MESSAGE_SHOWS, Seen.EVENT_CAME)
    return verdicts, tuple(each for each in every[done[-1] + 1 :] if each.carried is Carried.UNCLEAR)


def _not_proven(requests: tuple[Request, ...], evidence: Evidence) -> dict[int, ChangeOutcome]:
    last = requests[-1]
    earlier = {each.change: superseded(each, last, is_so=False) for each in requests[:-1]}
    if WIRE_FORMATS[last.kind].look is ProofSource.GUARD:
        if evidence.several_bookings:
            several = remark(ChangeRemark.SEVERAL_BOOKINGS)
            return {**earlier, last.change: asked(last, Seen.SEVERAL, said=several)}
        return {**earlier, **again([last], evidence, Seen.SENT_ONCE_MORE, send_alone=True)}
    if evidence.receipt is False:
        if evidence.same_before:
            return again(requests, evidence, Seen.NOT_BEGUN)
        return {each.change: later(each, evidence, Seen.NOT_BEGUN) for each in requests}
    what = Seen.NO_WITNESS if evidence.receipt else Seen.NO_MESSAGE
    return {each.change: later(each, evidence, what) for each in requests}


def classify_money(request: Request, seen: Any, before: Mapping[str, Any], evidence: Evidence) -> ChangeOutcome:
    """Done is done. A cancellation that is seen not done is sent again (Kartra refuses a second one); whatever else costs or
    moves money is left to a person, never repeated by machine. `seen` None: it could not be looked at."""
    proves = WIRE_FORMATS[request.kind].done
    done = None if seen is None or proves is None else proves(request.parameters, seen, before)
    if done:
        return accepted(request, what=Seen.DONE)
    if done is False and WIRE_FORMATS[request.kind].guards:
        return again([request], evidence, Seen.NOT_DONE)[request.change]
    if done is False:
        return asked(request, Seen.NOT_SEEN_DONE)
    return later(request, evidence, Seen.NOT_SEEN_YET)
