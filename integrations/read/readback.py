"""Success that did nothing: Kartra ignores a custom field that it does not have, and says Success; whether it does so with an
empty field, or with an address that another lead has, nobody documents. The next read of the lead shows it; then the change is
refused after all, and the others of its bulk action are read too.
"""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from integrations.models import Attempt, Connection, Proof
from integrations.translate.fields import CUSTOM, same_value
from leads import kinds, mirror, transitions
from leads.changes import runs
from leads.mirror import Difference, LeadFacts
from leads.models import ChangeRemark, ChangeStatus, CustomField, Lead, LeadChange
from leads.models.remarks import remark

KINDS = (kinds.CREATE.name, kinds.UPDATE.name)


def check(
    connection: Connection, lead: Lead, facts: LeadFacts, *, since: dt.datetime | None, read_at: dt.datetime
) -> None:
    """Hold what Kartra may have ignored of confirmed edits against the first read after them. `since`: the read before. Inside a
    transaction."""
    edits = LeadChange.objects.filter(lead=lead, family="profile", kind__in=KINDS, status=ChangeStatus.ACCEPTED)
    edits = edits.filter(settled_at__lt=read_at)
    if since is not None:
        edits = edits.filter(settled_at__gte=since)
    later: set[str] = set()  # of several edits of a field that is there only the last one can show
    for change in edits.order_by("-pk"):
        own = {
            name: value
            for name, value in change.parameters.items()
            if mirror.may_be_ignored(name, value) and name not in later and _is_told(facts, name)
        }
        later |= set(change.parameters)
        attempt = Attempt.objects.filter(change=change, proof=Proof.DONE).order_by("-pk").first()
        before = (attempt.before.get("state") or {}) if attempt is not None else {}
        missing = [
            name
            for name, value in change.parameters.items()
            if value and name.startswith(CUSTOM) and _is_told(facts, name) and _told(facts, name) is None
        ]
        unchanged = [
            name
            for name, value in own.items()
            if name in before
            and (told := _told(facts, name)) is not None
            and same_value(name, told, before[name])
            and not same_value(name, told, value)
        ]
        if missing or unchanged:
            _refuse(connection, change, missing, unchanged, read_at)


def may_tell(differences: Iterable[Difference]) -> bool:
    """Whether what a read found otherwise may be what Kartra ignored of an edit."""
    return any(mirror.may_be_ignored(each.field, each.was) for each in differences)


def _is_told(facts: LeadFacts, name: str) -> bool:
    if name.startswith(CUSTOM):
        return facts.custom_whole and facts.custom_values is not None
    return facts.fields.get(name) is not None


def _told(facts: LeadFacts, name: str) -> Any:
    """The value of a field as a change would write it; None where the account has no such custom field."""
    if not name.startswith(CUSTOM):
        return facts.fields.get(name)
    assert facts.custom_values is not None
    value = facts.custom_values.get(name.removeprefix(CUSTOM))
    return [str(option[0]) for option in value] if isinstance(value, list) else value


def _refuse(
    connection: Connection, change: LeadChange, missing: list[str], unchanged: list[str], at: dt.datetime
) -> None:
    told = remark(ChangeRemark.OLD_VALUE, fields=unchanged)
    if missing:
        told = remark(ChangeRemark.FIELD_IGNORED, fields=missing)
        gone = [name.removeprefix(CUSTOM) for name in missing]
        fields = CustomField.objects.filter(account=connection.account_id, identifier__in=gone, missing_since=None)
        fields.update(missing_since=at)
        Connection.objects.filter(pk=connection.pk).update(catalogue_due=True)
    if set(change.parameters) - set(missing or unchanged) - {"email"}:
        told["also"] = remark(ChangeRemark.OTHERS_SET)
    transitions.settle(change, ChangeStatus.REJECTED, at=at, code=change.code, remark=told)
    if change.run_id is not None:
        siblings = LeadChange.objects.filter(run=change.run_id, status=ChangeStatus.ACCEPTED, kind=change.kind)
        mirror.mark_all_dirty(Lead.objects.filter(pk__in=siblings.values("lead")), at)
        runs.note_outcome(change.run_id, ChangeStatus.REJECTED, "", told)
