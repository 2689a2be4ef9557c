"""Records the changes of one lead, or takes back one that still waits. Whether they may be recorded is `checks`, runs are `new_runs`.

Nothing here speaks to Kartra; `changes_recorded` says after the commit that there is work.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from leads import clock, forgotten, kinds, mirror, transitions
from leads.access import Author, user_of
from leads.changes.checks import CannotRecord, check_members, check_person
from leads.changes.preview import steps_of
from leads.models import OPEN, Account, ChangeRemark, ChangeStatus, Lead, LeadChange
from leads.models.remarks import remark
from leads.signals import announce

SENT_TWICE_WITHIN = dt.timedelta(minutes=5)
"""The same form with the same wish within this time is one wish."""


class AlreadyRecorded(CannotRecord):
    """The same form came twice, as by a double click."""


class CannotCancel(ValueError):
    """The change is not waiting any more. The text is a sentence for the person who asked."""


def record_changes(
    lead: Lead,
    kind: kinds.ChangeKind,
    parameters: Mapping[str, Any],
    *,
    by: Author = None,
    why: str = "",
    baseline: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> list[LeadChange]:
    """Record a wish for one lead and what it carries besides, in order. `baseline`: what the changed fields held when the
    person chose. `idempotency_key`: a text of the form it came with. Raises BadParameters, CannotRecord, or AlreadyRecorded where the same
    came with it a moment ago; then nothing is recorded."""
    clean = kind.clean(lead.account, parameters)
    only = Lead.objects.filter(pk=lead.pk)
    if lead.gone_at:
        raise CannotRecord(
            _("Lead %(id)s is deleted in Kartra; nothing can be changed on it.") % {"id": lead.kartra_id or lead.pk}
        )
    with transaction.atomic():
        mirror.lock_leads([lead.pk])  # nobody else looks meanwhile whether the same is asked for already, or settles it
        if not only.exists():
            raise CannotRecord(_("This lead is not in our copy any more."))
        check_person(by, lead.account, 1, kind, clean)
        if (
            idempotency_key
            and (first := LeadChange.objects.filter(idempotency_key=idempotency_key).first()) is not None
        ):
            _check_sent_once(first, lead, kind, clean)
            idempotency_key = None  # the page was gone back to, and something else is wanted now
        if kind.creates and _is_being_created(lead):
            raise CannotRecord(_("A lead of this address is being created already."))
        check_members(only, kind, clean, 1)
        now = clock.now()
        recorded = [
            LeadChange.objects.create(
                account_id=lead.account_id,
                lead=lead,
                kind=step.name,
                parameters=given,
                family=step.family(given),
                baseline=dict(baseline or {}) if step.name == kind.name else {},
                requested_by=user_of(by),
                why=why,
                requested_at=now,
                idempotency_key=idempotency_key if number == 0 else None,
            )
            for number, (step, given) in enumerate(steps_of(kind, clean))
        ]
        announce(lead.account_id)
    return recorded


def _check_sent_once(first: LeadChange, lead: Lead, kind: kinds.ChangeKind, clean: Mapping[str, Any]) -> None:
    """AlreadyRecorded if `first`, which came with the same form, began the very same a moment ago."""
    together = LeadChange.objects.filter(lead=lead, requested_at=first.requested_at, run=None, pk__gte=first.pk)
    recorded = list(together.order_by("pk").values_list("kind", "parameters"))
    same = recorded == [(step.name, given) for step, given in steps_of(kind, clean)]
    if same and clock.now() - first.requested_at < SENT_TWICE_WITHIN:
        raise AlreadyRecorded(_("This was requested a moment ago already, so nothing was added."))


def cancel(change: LeadChange, *, by: Author = None) -> int:
    """Take back a change that still waits; with a creation all else that waits for its lead, which needs it. How many. Raises
    CannotCancel where it has been sent meanwhile."""
    with transaction.atomic():
        mirror.lock_leads([change.lead_id])
        waiting = LeadChange.objects.filter(lead=change.lead_id, status=ChangeStatus.WAITING)
        if not waiting.filter(pk=change.pk).exists():
            raise CannotCancel(_("It is no longer queued, so it cannot be cancelled."))
        if not kinds.get_kind(change.kind).creates or change.lead.kartra_id:
            waiting = waiting.filter(pk=change.pk)
        run_ids = set(waiting.exclude(run=None).values_list("run_id", flat=True))
        by_whom = remark(ChangeRemark.CANCELLED_BY, person=str(by)) if user_of(by) else remark(ChangeRemark.CANCELLED)
        cancelled = transitions.cancel(waiting, by_whom)
    for run_id in run_ids:
        transitions.finish_run_if_over(run_id)
    return cancelled


def lead_to_create(account: Account, parameters: Mapping[str, Any]) -> Lead:
    """The row for a lead that is to be created. Raises BadParameters, or CannotRecord if Kartra is known to have it."""
    clean = kinds.CREATE.clean(account, parameters)
    known = mirror.find(account, email=clean["email"])
    if known is None:
        try:
            forgotten.check(account, email=clean["email"])
        except forgotten.LeftOut as problem:
            raise CannotRecord(str(problem)) from None
    if known is not None and known.gone_at:
        raise CannotRecord(
            _("Kartra had a lead of this address and says it is deleted: %(id)s.") % {"id": known.kartra_id}
        )
    if known is not None and known.kartra_id:
        raise CannotRecord(
            _("Kartra has a lead of this address already: %(id)s. Change that one instead.") % {"id": known.kartra_id}
        )
    if known is not None and _is_being_created(known):
        raise CannotRecord(_("A lead of this address is being created already."))
    return mirror.create_placeholder(account, clean["email"], clock.now())


def _is_being_created(lead: Lead) -> bool:
    return lead.changes.filter(kind=kinds.CREATE.name, status__in=OPEN).exists()


def create_lead(
    account: Account, parameters: Mapping[str, Any], *, by: Author = None, why: str = ""
) -> list[LeadChange]:
    """Record that a lead is to be created in Kartra, with all it is to have. Raises BadParameters or CannotRecord."""
    with transaction.atomic():
        lead = lead_to_create(account, parameters)
        return record_changes(lead, kinds.CREATE, parameters, by=by, why=why)
