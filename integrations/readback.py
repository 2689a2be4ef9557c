"""Success that did nothing: Kartra ignores a custom field that it does not have, and says Success. The next read of the lead
shows it; then the change is refused after all, and the others of its bulk action are read too.
"""

import datetime as dt
from typing import Any

from django.utils.translation import gettext as _

from integrations.models import Attempt, Connection, Proof
from integrations.translate.fields import CUSTOM, same_value
from leads import mirror, runs
from leads.mirror import LeadFacts
from leads.models import ChangeStatus, CustomField, Lead, LeadChange

KINDS = ("create_lead", "update_lead")


def check(
    connection: Connection, lead: Lead, facts: LeadFacts, *, since: dt.datetime | None, read_at: dt.datetime
) -> None:
    """Hold confirmed edits of custom fields against the first read after them. `since`: the read before. Inside a
    transaction."""
    if not facts.custom_whole or facts.custom_values is None:
        return
    edits = LeadChange.objects.filter(lead=lead, family="profile", kind__in=KINDS, status=ChangeStatus.ACCEPTED)
    edits = edits.filter(settled_at__lt=read_at)
    if since is not None:
        edits = edits.filter(settled_at__gte=since)
    later: set[str] = set()  # of several edits of a field only the last one can show
    for change in edits.order_by("-pk"):
        own = {
            name: value for name, value in change.parameters.items() if name.startswith(CUSTOM) and name not in later
        }
        later |= set(own)
        attempt = Attempt.objects.filter(change=change, proof=Proof.DONE).order_by("-pk").first()
        before = (attempt.before.get("state") or {}) if attempt is not None else {}
        missing = [name for name, value in own.items() if value and _told(facts, name) is None]
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


def _told(facts: LeadFacts, name: str) -> Any:
    """The value of a custom field as a change would write it; None where the account has no such field."""
    assert facts.custom_values is not None
    value = facts.custom_values.get(name.removeprefix(CUSTOM))
    return [str(option[0]) for option in value] if isinstance(value, list) else value


def _refuse(
    connection: Connection, change: LeadChange, missing: list[str], unchanged: list[str], at: dt.datetime
) -> None:
    names = ", ".join(name.removeprefix(CUSTOM) for name in (missing or unchanged))
    words = _("Kartra said that it was done, and shows the old value of %(names)s. Look at the field in Kartra.")
    if missing:
        words = _("Kartra said that it was done, but has no custom field %(names)s any more, so it was not set.")
        gone = [name.removeprefix(CUSTOM) for name in missing]
        fields = CustomField.objects.filter(account=connection.account_id, identifier__in=gone, missing_since=None)
        fields.update(missing_since=at)
        Connection.objects.filter(pk=connection.pk).update(catalogue_due=True)
    told = words % {"names": names}
    change.settle(ChangeStatus.REJECTED, at=at, code=change.code, message=told)
    if change.run_id is not None:
        siblings = LeadChange.objects.filter(run=change.run_id, status=ChangeStatus.ACCEPTED, kind=change.kind)
        mirror.mark_all_dirty(Lead.objects.filter(pk__in=siblings.values("lead")), at)
        runs.note_outcome(change.run_id, ChangeStatus.REJECTED, "", told)
