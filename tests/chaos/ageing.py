"""Makes rows old while everything runs, and has them deleted as they would be a day later."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.db.models import Exists, F, OuterRef

KEPT_SHORT = ", one day kept"
"""Ends the names of the variants that keep rows for a day."""

EVERY_ROUNDS = 3
AGE = dt.timedelta(days=2)


def environment() -> dict[str, str]:
    """Every table that has a rule is kept for one day."""
    names = "READS CALLS DELIVERIES CHANGES ACTIVITY UPLOADS REJECTS DRAFTS ADMIN_LOG SIGN_INS SESSIONS"
    return {f"KEEP_{name}_DAYS": "1" for name in names.split()}


class Ageing:
    """Moves what is settled two days back and deletes what is due. `gone`: the changes that were deleted, as they last were."""

    def __init__(self) -> None:
        self.gone: dict[int, Any] = {}
        self.deleted = 0

    def pass_by(self) -> None:
        """Two days, for the leads that were read since their last change and have nothing open."""
        from integrations import clock, retention
        from integrations.models import ApiCall
        from leads.models import OPEN, Activity, Lead, LeadChange

        own = LeadChange.objects.filter(lead=OuterRef("pk"))
        quiet = Lead.objects.filter(
            ~Exists(own.filter(status__in=OPEN)), ~Exists(own.filter(settled_at__gte=OuterRef("read_at")))
        )
        ids = list(quiet.values_list("pk", flat=True))
        young = clock.now() - AGE / 2
        changes = LeadChange.objects.filter(lead__in=ids, settled_at__gte=young).exclude(status__in=OPEN)
        changes.update(requested_at=F("requested_at") - AGE, settled_at=F("settled_at") - AGE)
        calls = ApiCall.objects.filter(lead__in=ids, finished_at__gte=young)
        calls.update(claimed_at=F("claimed_at") - AGE, sent_at=F("sent_at") - AGE, finished_at=F("finished_at") - AGE)
        Activity.objects.filter(lead__in=ids, at__gte=young).update(at=F("at") - AGE)
        before = {change.pk: change for change in LeadChange.objects.select_related("lead")}
        self.deleted += retention.tidy(clock.now(), until_s=10)
        left = set(LeadChange.objects.filter(pk__in=before).values_list("pk", flat=True))
        self.gone.update({pk: change for pk, change in before.items() if pk not in left})


def with_gone(changes: Iterable[Any], gone: dict[int, Any]) -> list[Any]:
    """Those that are there and those that were deleted, in their order; each of the lead as it is now."""
    from leads.models import Lead

    leads = Lead.objects.in_bulk({change.lead_id for change in gone.values()})
    by_kartra_id = {lead.kartra_id: lead for lead in Lead.objects.exclude(kartra_id=None)}
    found = list(changes)
    for change in gone.values():
        lead = leads.get(change.lead_id) or by_kartra_id.get(change.lead.kartra_id)
        if lead is None:
            raise AssertionError(f"Change {change.pk} was deleted and its lead too.")
        change.lead = lead
        found.append(change)
    return sorted(found, key=lambda change: change.pk)
