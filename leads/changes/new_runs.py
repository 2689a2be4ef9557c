"""New bulk runs: of a set of leads, or taking back what another run did. Their changes `bulk_insert` writes.

Starting, pausing and cancelling a run is `runs`; trying again what was refused is `retry`.
"""

import datetime as dt
import functools
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext as _

from leads import clock, kinds, mirror
from leads.access import Author, user_of
from leads.changes import bulk_insert, create_many, runs, side_effects, undo
from leads.changes.checks import CannotRecord, check_members, check_person
from leads.changes.create_many import NOBODY_MISSING, Missing
from leads.changes.members import members_of, never_among
from leads.changes.preview import NO_CHOICES, Choices, Step, steps_of
from leads.changes.side_effects import Next
from leads.lock_conflicts import done_again
from leads.models import Account, BulkRun, Lead, RecipeVersion
from leads.transitions import BATCH

EDITED_AT_ONCE = 1000
"""Edits of fields taken back in one transaction; each is looked at by itself."""


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
    recipe_version: RecipeVersion | None = None,
    begun: Callable[[BulkRun], None] = lambda run: None,
    batch: int = BATCH,
    missing: Missing = NOBODY_MISSING,
) -> BulkRun:
    """Freeze the set of leads as the members of a new run and start it. Returns the run, already running (or, where
    nothing is to be sent, finished). A kind of several steps makes one change for each step and lead. `approved_by`: who
    started it for `by`. `recipe_version`: by which it is made. `begun` is called in the transaction that writes the run.
    `missing`: people whom Kartra does not have, who are created first and then get the same.

    Over `batch` leads it is frozen in several transactions and is `preparing` meanwhile, which the pusher leaves alone.
    Raises BadParameters, or CannotRecord if the set is empty or leaves the account; then nothing is recorded.
    """
    clean = kind.clean(account, parameters)
    if leads.exclude(account=account).exists():
        raise CannotRecord(_("These leads are of more than one account. Choose the leads of one account first."))
    # The ids first, so that the set is the one of this moment whatever is written meanwhile.
    ids = _ids(members_of(account, leads))
    size = len(ids) + missing.number
    if not size and never_among(account, leads).exists():
        raise CannotRecord(_("All of these leads are always left out of bulk actions, so there is nothing to do."))
    if not size:
        raise CannotRecord(_("No leads are chosen, so there is nothing to do."))
    check_person(approved_by or by, account, size, kind, clean)
    steps = steps_of(kind, clean)
    now = clock.now()

    @done_again  # a lead may be erased at this moment, or folded into another
    def begin() -> BulkRun:
        with transaction.atomic():
            if any(part.exclusive for part, _parameters in kind.parts(clean)):
                mirror.lock_leads(ids)
                check_person(approved_by or by, account, size, kind, clean)  # what was given back may be more by now
            check_members(members_of(account, leads), kind, clean, size)
            run = BulkRun.objects.create(
                account=account,
                name=name or Truncator(capfirst(kind.sentence(clean))).chars(120),
                kind=kind.name,
                parameters=clean,
                created_by=user_of(by),
                why=why,
                expected=size if expected is None else expected,
                approved_by=user_of(approved_by),
                recipe_version=recipe_version,
                mixed=bool(missing.number),
            )
            begun(run)
            if size <= batch and not missing.number:
                bulk_insert.insert_changes(run, ids, steps, now, choices)
                runs.start(run)
            return run

    run = begin()
    if size > batch or missing.number:
        with runs.filling(run):
            _fill(run, ids, lambda some: bulk_insert.insert_changes(run, some, steps, now, choices), batch)
            for people in missing.batches():
                _fill(run, people, lambda some: create_many.record_missing(run, some, steps, now, choices))
    runs.make_known(size)
    return run


def _fill(run: BulkRun, ids: Sequence[Any], write: Callable[[Sequence[Any]], None], batch: int = BATCH) -> None:
    """Write the run's members batch by batch, each in its transaction, until it is cancelled."""

    @done_again
    def fill(some: Sequence[Any]) -> bool:
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
            _("Nothing of this bulk action can be undone: it changed nothing, or everything was changed since.")
        )
    check_person(by, run.account, size)
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
    runs.make_known(size)
    return undone


def _check_undo(run: BulkRun) -> None:
    run.refresh_from_db(fields=["state"])
    if not run.has_ended:
        raise CannotRecord(_("This bulk action is still under way. Cancel it first; then undo what was done of it."))
    if run.undone_by.under_way().exists():
        raise CannotRecord(_("This bulk action is being undone already."))


def _ids(leads: QuerySet[Lead]) -> Sequence[int]:
    """The primary keys in order, eight bytes each."""
    return array("q", leads.order_by("pk").values_list("pk", flat=True).iterator(chunk_size=BATCH))


def _take_back(undone: BulkRun, step: Step, now: dt.datetime, ids: Sequence[int]) -> None:
    bulk_insert.insert_step(undone, ids, step, now, NO_CHOICES)
