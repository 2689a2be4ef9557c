"""One failed change, dealt with by a person: corrected, which records another one instead, or dismissed. Of two who do it at
the same moment the first one does; the other hears what was done."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from leads import clock, kinds, mirror
from leads.access import Author, user_of
from leads.changes.checks import CannotRecord
from leads.changes.conflicts import value_now
from leads.changes.record import lead_to_create, record_changes
from leads.models import LeadChange

DECIDE = "leads.decide_change"


class DealtWith(CannotRecord):
    """Somebody was faster. The text says who, and what was done."""


def may_dismiss(failed: QuerySet[LeadChange], by: Author) -> QuerySet[LeadChange]:
    """Those of these failed changes that the person may dismiss: all with the right to decide, else what they asked for."""
    person = user_of(by)
    if person is None or person.has_perm(DECIDE):
        return failed
    return failed.filter(requested_by=person)


def correct(
    change: LeadChange,
    parameters: Mapping[str, Any],
    *,
    by: Author = None,
    why: str = "",
    idempotency_key: str | None = None,
) -> list[LeadChange]:
    """Record another change instead of this failed one, which is closed by it. The same `parameters` again try it again.
    Raises BadParameters, CannotRecord, or DealtWith; then the failed one stays as it was."""
    kind = kinds.get_kind(change.kind)
    if kind.money:
        raise CannotRecord(_("What costs or moves money is asked for again on the lead's page."))
    with transaction.atomic():
        mirror.lock_leads([change.lead_id])
        _close(change, by)
        lead = lead_to_create(change.account, parameters) if kind.creates else change.lead
        lead.refresh_from_db()
        baseline = {name: [value_now(lead, name)] for name in parameters} if kind.edits else {}
        recorded = record_changes(
            lead, kind, parameters, by=by, why=why, baseline=baseline, idempotency_key=idempotency_key
        )
        LeadChange.objects.filter(pk=recorded[0].pk).update(retry_of=change)
    return recorded


def dismiss(change: LeadChange, *, by: Author = None, why: str = "") -> None:
    """Nothing more is to be done about it. Raises DealtWith."""
    with transaction.atomic():
        mirror.lock_leads([change.lead_id])
        _close(change, by, why)


def _close(change: LeadChange, by: Author, why: str = "") -> None:
    """Deal with it, unless somebody has: the condition is asked again once whoever holds the row has ended."""
    open_still = LeadChange.objects.failed().filter(pk=change.pk)
    if not open_still.update(closed_at=clock.now(), closed_by=user_of(by), closed_why=why):
        raise DealtWith(dealt_with(change) or _("This change has not failed, so there is nothing to correct."))


def dealt_with(change: LeadChange) -> str:
    """Who dealt with a failed change, when, and how; "" while nobody has."""
    now = LeadChange.objects.select_related("closed_by", "retried_in").filter(pk=change.pk).first()
    if now is None or now.closed_at is None:
        return ""
    again = now.retries.order_by("pk").first()
    words = _("%(person)s dismissed it on %(when)s: %(what)s")
    if now.retried_in is not None:
        words = _("%(person)s tried it again on %(when)s in the bulk action “%(what)s”.")
    elif again is not None:
        words = _("%(person)s asked for it again on %(when)s: %(what)s")
    return words % {
        "person": now.closed_by or _("Somebody"),
        "when": date_format(timezone.localtime(now.closed_at), "j M Y H:i"),
        "what": now.retried_in or (capfirst(str(again)) if again else now.closed_why),
    }
