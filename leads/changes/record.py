"""Records changes, alone or as a run. Creates LeadChange rows, as `create_many` does; those of a run `bulk_insert` writes.

Nothing here speaks to Kartra; `changes_recorded` says after the commit that there is work.
"""

import datetime as dt
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from leads import access, clock, forgotten, kinds, mirror, transitions
from leads.access import Author, user_of
from leads.changes import bulk_insert, runs, side_effects, undo
from leads.changes.preview import NO_CHOICES, Choices, Step, members_of, steps_of
from leads.changes.side_effects import Next
from leads.lock_conflicts import done_again
from leads.models import OPEN, Account, BulkRun, ChangeStatus, Lead, LeadChange, normal_email
from leads.signals import announce
from leads.transitions import BATCH

SENT_TWICE_WITHIN = dt.timedelta(minutes=5)
"""The same form with the same wish within this time is one wish."""

EDITED_AT_ONCE = 1000
"""Edits of fields taken back in one transaction; each is looked at by itself."""


class CannotRecord(ValueError):
    """The wish cannot be recorded. The text is a sentence for the person who asked."""


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
    _check_person(by, lead.account, 1, kind, clean)
    with transaction.atomic():
        if not _lock(only):
            raise CannotRecord(_("This lead is not in our copy any more."))
        if (
            idempotency_key
            and (first := LeadChange.objects.filter(idempotency_key=idempotency_key).first()) is not None
        ):
            _check_sent_once(first, lead, kind, clean)
            idempotency_key = None  # the page was gone back to, and something else is wanted now
        if kind.name == "create_lead" and _is_being_created(lead):
            raise CannotRecord(_("A lead of this address is being created already."))
        _check_members(only, kind, clean, 1)
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
        _lock(Lead.objects.filter(pk=change.lead_id))
        waiting = LeadChange.objects.filter(lead=change.lead_id, status=ChangeStatus.WAITING)
        if not waiting.filter(pk=change.pk).exists():
            raise CannotCancel(_("It is not waiting any more, so it cannot be cancelled."))
        if change.kind != "create_lead" or change.lead.kartra_id:
            waiting = waiting.filter(pk=change.pk)
        run_ids = set(waiting.exclude(run=None).values_list("run_id", flat=True))
        words = _("Cancelled by %(person)s.") % {"person": by} if user_of(by) else _("Cancelled.")
        cancelled = waiting.update(status=ChangeStatus.CANCELLED, settled_at=clock.now(), message=words)
    for run_id in run_ids:
        transitions.finish_run_if_over(run_id)
    return cancelled


def lead_to_create(account: Account, parameters: Mapping[str, Any]) -> Lead:
    """The row for a lead that is to be created. Raises BadParameters, or CannotRecord if Kartra is known to have it."""
    clean = kinds.get_kind("create_lead").clean(account, parameters)
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
    return lead.changes.filter(kind="create_lead", status__in=OPEN).exists()


def _lock(leads: QuerySet[Lead]) -> list[int]:
    """Let nobody else ask for something about these leads that looks first whether it is asked for already, until the
    transaction ends. Those that are still there."""
    return list(leads.select_for_update(of=("self",), no_key=True).order_by("pk").values_list("pk", flat=True))


def create_lead(
    account: Account, parameters: Mapping[str, Any], *, by: Author = None, why: str = ""
) -> list[LeadChange]:
    """Record that a lead is to be created in Kartra, with all it is to have. Raises BadParameters or CannotRecord."""
    with transaction.atomic():
        lead = lead_to_create(account, parameters)
        return record_changes(lead, kinds.get_kind("create_lead"), parameters, by=by, why=why)


def _check_person(
    by: Author,
    account: Account,
    size: int,
    kind: kinds.ChangeKind | None = None,
    clean: Mapping[str, Any] | None = None,
) -> None:
    """Whether this is within what the person may ask for alone."""
    try:
        access.check_account(by, account)
        access.check_run(by, size)
        if kind is not None and clean is not None and kind.name == "refund_transaction":
            access.check_refund(by, *kinds.refund_amounts(account, clean))
    except access.NotAllowed as problem:
        raise CannotRecord(str(problem)) from None


def why_not(account: Account, leads: QuerySet[Lead], kind: kinds.ChangeKind, clean: Mapping[str, Any]) -> str:
    """Why a run cannot be recorded of these leads, whoever asks; empty if it can."""
    members = members_of(account, leads)
    try:
        _check_members(members, kind, clean, members.count())
    except CannotRecord as problem:
        return str(problem)
    return ""


def _check_members(leads: QuerySet[Lead], kind: kinds.ChangeKind, clean: Mapping[str, Any], size: int) -> None:
    for part, parameters in kind.parts(clean):
        _check_part(leads, part, parameters, size)


def _check_part(leads: QuerySet[Lead], kind: kinds.ChangeKind, clean: Mapping[str, Any], size: int) -> None:
    most = kind.max_leads(clean)
    if most is not None and size > most:
        words = ngettext(
            "%(kind)s: %(size)s leads at once is too many; at most %(most)s is allowed.",
            "%(kind)s: %(size)s leads at once is too many; at most %(most)s are allowed.",
            most,
        )
        told = words % {"kind": kind.label, "size": f"{size:,}", "most": f"{most:,}"}
        raise CannotRecord(f"{told} {kind.max_leads_words}".strip())
    if leads.exclude(pk__in=kind.applicable_q(leads, clean).values("pk")).exists():
        raise CannotRecord(kind.not_applicable_words)
    if kind.name == "update_lead" and clean.get("email"):
        _check_address(leads, clean["email"])
    if kind.exclusive:
        account = leads.values("account")[:1]
        open_ones = LeadChange.objects.filter(account__in=account, family=kind.family(clean), status__in=OPEN)
        other = open_ones.first()
        if other is not None:
            raise CannotRecord(
                _("“%(change)s” is not settled yet. Wait for it, or decide about it first.")
                % {"change": capfirst(str(other))}
            )


def _check_address(leads: QuerySet[Lead], email: str) -> None:
    """No two leads of an account share an address; Kartra would refuse it."""
    others = Lead.objects.filter(account__in=leads.values("account"), email_key=normal_email(email), gone_at=None)
    other = others.exclude(pk__in=leads.values("pk")).exclude(kartra_id=None).first()
    if other is not None:
        raise CannotRecord(
            _("%(email)s is the address of another lead: %(lead)s (%(id)s in Kartra). Change that one first.")
            % {"email": email, "lead": other, "id": other.kartra_id}
        )


def record_run(
    account: Account,
    leads: QuerySet[Lead],
    kind: kinds.ChangeKind,
    parameters: Mapping[str, Any],
    *,
    by: Author = None,
    why: str = "",
    name: str = "",
    expected: int | None = None,
    choices: Choices = NO_CHOICES,
    approved_by: Author = None,
    batch: int = BATCH,
) -> BulkRun:
    """Freeze the set of leads as the members of a new run and start it. Returns the run, already running (or, where
    nothing is to be sent, finished). A kind of several steps makes one change for each step and lead. `approved_by`: who
    started it for `by`.

    Over `batch` leads it is frozen in several transactions and is `preparing` meanwhile, which the pusher leaves alone.
    Raises BadParameters, or CannotRecord if the set is empty or leaves the account; then nothing is recorded.
    """
    clean = kind.clean(account, parameters)
    if leads.exclude(account=account).exists():
        raise CannotRecord(_("These leads are of more than one account. Choose the leads of one account first."))
    # The ids first, so that the set is the one of this moment whatever is written meanwhile.
    ids = _ids(members_of(account, leads))
    size = len(ids)
    if not size:
        raise CannotRecord(_("No leads are chosen, so there is nothing to do."))
    _check_person(approved_by or by, account, size, kind, clean)
    steps = steps_of(kind, clean)
    now = clock.now()

    @done_again  # a lead may be erased at this moment, or folded into another
    def begin() -> BulkRun:
        with transaction.atomic():
            if any(part.exclusive for part, _parameters in kind.parts(clean)):
                _lock(_of(ids))
            _check_members(members_of(account, leads), kind, clean, size)
            run = BulkRun.objects.create(
                account=account,
                name=name or Truncator(capfirst(kind.sentence(clean))).chars(120),
                kind=kind.name,
                parameters=clean,
                created_by=user_of(by),
                why=why,
                expected=size if expected is None else expected,
                approved_by=user_of(approved_by),
            )
            if size <= batch:
                bulk_insert.freeze(run, _of(ids), steps, now, choices)
                runs.start(run)
            return run

    run = begin()
    if size > batch:
        with runs.filling(run):
            _fill(run, ids, lambda some: bulk_insert.freeze(run, _of(some), steps, now, choices), batch)
    return run


def _of(ids: Sequence[int]) -> QuerySet[Lead]:
    return Lead.objects.filter(pk__in=ids)


def _fill(run: BulkRun, ids: Sequence[int], write: Callable[[Sequence[int]], None], batch: int = BATCH) -> None:
    """Write the run's members batch by batch, each in its transaction, until it is cancelled."""

    @done_again
    def fill(some: Sequence[int]) -> bool:
        with transaction.atomic():
            if not runs.is_preparing(run.pk):
                return False
            write(some)
            return True

    for first in range(0, len(ids), batch):
        if not fill(ids[first : first + batch]):
            return


def undo_run(run: BulkRun, *, by: Author = None, why: str = "", also: Sequence[Next] = ()) -> BulkRun:
    """Record a new run that takes back what this one changed and that is still as it left it; `also`: what happened next
    and is to be taken back with it. Returns the new run, already running.

    Raises CannotRecord while the run, or an undo of it, is under way, where nothing is left to take back, and where it is
    about more leads than this person may change.
    """
    _check_undo(run)
    sets = [(step, _ids(Lead.objects.filter(pk__in=rows.values("lead")))) for step, rows in undo.standing(run)]
    sets += [(each.back, _ids(side_effects.leads_of(run, each))) for each in also if each.back]
    sets = [(step, ids) for step, ids in sets if ids]
    edited = sorted({change.lead_id for change, fate, _back in undo.edits(run) if fate == undo.STANDS})
    size = len(set(edited).union(*(ids for _step, ids in sets)))
    if not size:
        raise CannotRecord(
            _("Nothing of this bulk action is left to take back: it changed nothing, or all has changed since.")
        )
    _check_person(by, run.account, size)
    now = clock.now()
    with transaction.atomic():
        _check_undo(BulkRun.objects.select_for_update(of=("self",)).get(pk=run.pk))
        undone = BulkRun.objects.create(
            account=run.account,
            name=(_("Undo: %(run)s") % {"run": run.name})[:200],
            kind=kinds.SEVERAL.name,
            parameters={"steps": [[kind.name, parameters] for (kind, parameters), _ids in sets]},
            undoes=run,
            created_by=user_of(by),
            why=why,
            expected=size,
        )
    with runs.filling(undone):
        _fill(undone, edited, lambda ids: bulk_insert.record_edits(undone, undo.edits(run, ids), now), EDITED_AT_ONCE)
        for step, ids in sets:
            _fill(undone, ids, functools.partial(_take_back, undone, step, now))
    return undone


def _check_undo(run: BulkRun) -> None:
    run.refresh_from_db(fields=["state"])
    if not run.has_ended:
        raise CannotRecord(_("This bulk action is still under way. Cancel it first; then undo what was done of it."))
    if run.undone_by.under_way().exists():
        raise CannotRecord(_("This bulk action is being undone already."))


def _ids(leads: QuerySet[Lead]) -> list[int]:
    return list(leads.order_by("pk").values_list("pk", flat=True))


def _take_back(undone: BulkRun, step: Step, now: dt.datetime, ids: Sequence[int]) -> None:
    bulk_insert.freeze_step(undone, _of(ids), step, now, NO_CHOICES)


def record_again(
    account: Account, refused: QuerySet[LeadChange], *, by: Author = None, why: str = "", name: str
) -> BulkRun:
    """A new run with a copy of each of these refused changes, linked to it; the first tries are closed by it, so that
    nobody else tries them again. Left out with the reason are leads that are deleted in Kartra or not there, and those who left
    a list themselves that they would be added to. Raises CannotRecord if there is none, or if money is among them: that is
    asked for one by one.
    """
    now = clock.now()
    with transaction.atomic():
        first = refused.order_by("pk").first()
        if first is None:
            raise CannotRecord(_("Nothing is left to try again: these were tried again or closed already."))
        run = BulkRun.objects.create(
            account=account,
            name=name,
            kind=first.kind,
            parameters=first.parameters,
            created_by=user_of(by),
            why=why,
        )
        closed = {
            "closed_at": now,
            "closed_why": _("Tried again in bulk action %(run)s.") % {"run": run.pk},
            "closed_by": user_of(by),
        }
        run.expected = refused.update(**closed)
        run.save(update_fields=["expected"])
        taken = LeadChange.objects.filter(account=account, status=ChangeStatus.REJECTED, **closed)
        if not run.expected:
            raise CannotRecord(_("Nothing is left to try again: these were tried again or closed already."))
        _check_person(by, account, run.expected)
        if any(kinds.get_kind(each).money for each in taken.order_by().values_list("kind", flat=True).distinct()):
            raise CannotRecord(
                _("What costs or moves money is not tried again in bulk. Ask for it again on the lead's page.")
            )
        bulk_insert.copy_again(run, taken, now)
        runs.start(run)
    return run
