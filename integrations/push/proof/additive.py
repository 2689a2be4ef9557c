"""Points: what adds up is never overtaken and never repeated on a guess. Each travels without another of its family."""

from integrations.models import Seen
from integrations.push.proof.evidence import ChangeOutcome, Evidence, Request, accepted, again, later
from integrations.translate import NOT_TOLD
from leads.models import ChangeRemark


def classify_points(evidence: Evidence) -> dict[int, ChangeOutcome]:
    """Verdicts for unclear points: exactly the score before and these points is done; the score before, twice, is not done;
    anything else tells nothing, nor does a score of 0 that was to fall below: whether Kartra keeps it at 0 is not documented.
    With a receipt: there, and the score agrees, is done; absent twice is not done."""
    verdicts: dict[int, ChangeOutcome] = {}
    for request in evidence.unclear:
        verdicts.update(_one(request, evidence))
    return verdicts


def _one(request: Request, evidence: Evidence) -> dict[int, ChangeOutcome]:
    done = stands = False
    if evidence.after is not NOT_TOLD and evidence.before is not NOT_TOLD:
        wished = request.witness.makes(request.parameters, evidence.before)
        done = evidence.after == wished
        stands = evidence.after == evidence.before and not (evidence.after == 0 and wished < 0)
    if evidence.receipt is True:
        if not done:
            return {request.change: later(request, evidence, Seen.NO_WITNESS)}
        return {request.change: accepted(request, ChangeRemark.RECEIPT_AND_DONE)}
    if evidence.receipt is False:
        if done:
            return {request.change: later(request, evidence, Seen.NO_RECEIPT)}
        return _not_done(request, evidence)
    if done:
        return {request.change: accepted(request)}
    if stands:
        return _not_done(request, evidence)
    return {request.change: later(request, evidence, Seen.NOT_SHOWN)}


def _not_done(request: Request, evidence: Evidence) -> dict[int, ChangeOutcome]:
    if evidence.same_before:
        return again([request], evidence)
    return {request.change: later(request, evidence, Seen.NOT_DONE)}
