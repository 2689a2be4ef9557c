"""Edits of fields. Those of one call travel as one action with the latest value of each field, so they are done or not
together, and judged field by field."""

from collections.abc import Mapping, Sequence
from typing import Any

from integrations.models import Proof, Seen
from integrations.push.proof.evidence import (
    ChangeOutcome,
    Evidence,
    Request,
    accepted,
    again,
    asked,
    one_question,
    superseded,
)
from integrations.translate import NOT_TOLD
from integrations.translate.fields import same_value
from leads.kinds.profile import gives
from leads.models import ChangeRemark, ChangeStatus, Reason
from leads.models.remarks import remark


def classify_profile(evidence: Evidence) -> dict[int, ChangeOutcome]:
    """Verdicts for the unclear edits of one call, and for a creation."""
    requests = evidence.unclear
    wanted = latest(requests)
    shown: Mapping[str, Any] = {} if evidence.after is NOT_TOLD else evidence.after
    told = {name: shown[name] for name in wanted if name in shown}
    before: Mapping[str, Any] = {} if evidence.before is NOT_TOLD else evidence.before
    so = {name for name, value in told.items() if value is not None and same_value(name, value, wanted[name])}
    so |= {name for name, value in told.items() if value is None and not wanted[name]}
    missing = [name for name, value in told.items() if value is None and wanted[name]]
    changed = [
        name
        for name, value in told.items()
        if name not in so and value is not None and name in before and not same_value(name, value, before[name])
    ]
    if changed:
        return one_question({each.change: _conflict(each, changed, told, before) for each in requests})
    open_fields = set(told) - so - set(missing)
    if open_fields or not told:
        return one_question(again(requests, evidence))
    if missing:
        given = done(requests)
        lacking = {each.change: [name for name in missing if name in each.parameters] for each in requests}
        by_change = {each.change: each for each in requests}
        return {
            change: _without_field(by_change[change], lacking[change]) if lacking[change] else outcome
            for change, outcome in given.items()
        }
    if _proves_nothing(wanted, so, before) and not any(each.repeated for each in requests):
        return one_question(again(requests, evidence, repeats=True))
    return done(requests)


def latest(requests: Sequence[Request]) -> dict[str, Any]:
    """The latest value of each field, as the call says them."""
    return {name: value for request in requests for name, value in request.parameters.items()}


def done(requests: Sequence[Request]) -> dict[int, ChangeOutcome]:
    """The action was done: an edit of which every field is overtaken is superseded, the others gave what they gave."""
    outcomes = {}
    for request, fields in zip(requests, gives([each.parameters for each in requests]), strict=True):
        if fields or request.creates:
            outcomes[request.change] = accepted(request, gave=fields)
        else:
            outcomes[request.change] = superseded(request, requests[-1])
    return outcomes


def _proves_nothing(wanted: Mapping[str, Any], so: set[str], before: Mapping[str, Any]) -> bool:
    """Whether all that is shown was so before: it may have been sent on purpose all the same."""
    return bool(so) and all(name in before and same_value(name, before[name], wanted[name]) for name in so)


def _conflict(
    request: Request, changed: Sequence[str], told: Mapping[str, Any], before: Mapping[str, Any]
) -> ChangeOutcome:
    own = [name for name in changed if name in request.parameters]
    now = [
        remark(ChangeRemark.FIELD_IS_NOW, field=name, value=told[name] or remark(ChangeRemark.EMPTY))
        for name in (own or changed)
    ]
    seen = {name: [before[name]] for name in own}
    return asked(request, Seen.FIELD_CHANGED, reason=Reason.CONFLICT, said=now, baseline=seen)


def _without_field(request: Request, missing: Sequence[str]) -> ChangeOutcome:
    """Kartra ignores a custom field that it does not have, without a word."""
    said = remark(ChangeRemark.FIELD_GONE, fields=list(missing))
    if set(request.parameters) - set(missing) - {"email"}:
        said["also"] = remark(ChangeRemark.OTHERS_SET)
    return ChangeOutcome(
        ChangeStatus.REJECTED,
        Proof.REFUSED,
        code=request.code,
        remark=said,
        what=Seen.NO_SUCH_FIELD,
    )
