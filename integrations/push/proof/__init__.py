"""What an answer or a read proves of the changes that travelled in a call: the one judge.

Pure: evidence in, verdicts out; no query, no clock. `answers` reads what Kartra said at once, `classify` what a read of the
lead shows afterwards, family by family (`states` tags, lists and sequences, `profile` edits, `additive` points, `unread`
bookings and money). Owns no row: `settle` and `verify` gather the evidence and write the verdicts down. May import
`translate` and `kartra`.
"""

from integrations.push.proof.additive import classify_points
from integrations.push.proof.answers import classify_answer, classify_refusal
from integrations.push.proof.evidence import ChangeOutcome, Evidence, Request
from integrations.push.proof.exists import classify_adopted
from integrations.push.proof.profile import classify_profile
from integrations.push.proof.states import classify_states
from integrations.push.proof.unread import classify_bookings, classify_money


def classify(evidence: Evidence) -> dict[int, ChangeOutcome]:
    """An outcome for each unclear change of one family in one call, from a read of the lead: {change id: outcome}."""
    if not evidence.unclear:
        return {}
    if evidence.family == "profile":
        return classify_profile(evidence)
    if evidence.family == "points":
        return classify_points(evidence)
    if evidence.family.startswith("calendar"):
        return classify_bookings(evidence)
    return classify_states(evidence)


__all__ = [
    "ChangeOutcome",
    "Evidence",
    "Request",
    "classify",
    "classify_adopted",
    "classify_answer",
    "classify_money",
    "classify_refusal",
]
