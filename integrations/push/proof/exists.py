"""A creation that Kartra refused because the lead exists (244): nothing of that call was done, and nothing is known of how the
lead was before. What rode along is judged from a read of the lead that is there."""

from integrations.models import Proof, Seen
from integrations.push.proof.evidence import ChangeOutcome, Evidence, Request, accepted, again, asked, one_question
from integrations.push.proof.profile import latest
from integrations.translate import NOT_TOLD
from integrations.translate.fields import same_value
from integrations.translate.lists import LEFT
from integrations.translate.sequences import ACTIVE
from leads.models import ChangeRemark, ChangeStatus, Reason
from leads.models.remarks import remark


def classify_adopted(evidence: Evidence) -> dict[int, ChangeOutcome]:
    """Verdicts for one family of a call that was refused because the lead exists."""
    if evidence.family == "profile":
        return _profile(evidence)
    outcomes: dict[int, ChangeOutcome] = {}
    going = False
    for request in evidence.unclear:
        outcome = _one(request, evidence, going=going)
        going = going or outcome.status in (ChangeStatus.WAITING, ChangeStatus.UNDECIDED)
        outcomes[request.change] = outcome
    return one_question(outcomes)


def _profile(evidence: Evidence) -> dict[int, ChangeOutcome]:
    """The creation is done where all is as wanted; else its fields go on as an edit of the lead that is there."""
    requests = evidence.unclear
    told = {} if evidence.after is NOT_TOLD else evidence.after
    wanted = latest(requests)
    if told and all(same_value(name, value, wanted[name]) for name, value in told.items()):
        return {each.change: accepted(each, ChangeRemark.HAD_LEAD) for each in requests}
    return again(requests, evidence, Seen.WAS_THERE)


def _one(request: Request, evidence: Evidence, *, going: bool) -> ChangeOutcome:
    """`going`: an earlier request about the same thing goes out, so that what is so now will not be so then."""
    after = evidence.after
    if request.may_be_turned_down and after == LEFT:
        return _skipped(request, Reason.LEFT_OUT, ChangeRemark.HAD_LEFT)
    if going:
        return again([request], evidence, Seen.WAS_THERE)[request.change]
    adds = request.witness is not None and request.witness.adds
    so = adds and after == request.witness.makes(request.parameters, after)
    if adds and not so and isinstance(after, list):
        status = remark(ChangeRemark.ACTIVE) if after[1] == ACTIVE else after[1]
        there = remark(ChangeRemark.HAD_IN_SEQUENCE, step=after[0], status=status)
        return asked(request, Seen.WAS_THERE, said=there)
    if so:
        return _skipped(request, Reason.ALREADY_SO, ChangeRemark.HAD_SO)
    return again([request], evidence, Seen.WAS_THERE)[request.change]


def _skipped(request: Request, reason: Reason, said: ChangeRemark) -> ChangeOutcome:
    return ChangeOutcome(
        ChangeStatus.SKIPPED, Proof.NOT_DONE, reason, request.code, remark=remark(said), what=Seen.WAS_THERE
    )
