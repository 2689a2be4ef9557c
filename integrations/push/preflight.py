"""Leads whose copy is not sure enough for what is about to be sent are read, between the claim and the POST.

Of points and of a step in a sequence, so that the score or the step afterwards can prove what was done; a lead that cannot be
read is sent without, and then a person may be asked. Of what is so already by an old copy, where somebody wanted it looked at:
what is so indeed is skipped, and what could not be looked at waits. Of a field that somebody looked at before changing it,
unless our copy is from just now: what was changed in Kartra meanwhile is left to a person.
"""

import datetime as dt
from collections.abc import Sequence

from django.db import transaction

from integrations.clock import now
from integrations.kartra.errors import KartraError
from integrations.models import Attempt, Cause, Connection
from integrations.push import baseline
from integrations.push.lease import TakenOut, release_plans, take_out
from integrations.push.plan import CallPlan, changes_already_so, skip_needless
from integrations.read import refresh
from integrations.sending.calls import Priority
from leads import kinds, transitions
from leads.changes import conflicts
from leads.models import Lead, LeadChange

FROM_JUST_NOW = dt.timedelta(seconds=90)
"""A copy so old is believed to be what Kartra has, when a person's edit is about to replace it."""


def look(connection: Connection, plans: Sequence[CallPlan]) -> tuple[list[CallPlan], KartraError | None]:
    """The chains as they may be sent, and why reading stopped, if it did. Claimed leads are read, several at once."""
    unsure = [plan for plan in plans if _awaits_read(plan) or _needs_state(plan) or _may_conflict(plan)]
    stopped = None
    if unsure:
        best = Priority.SINGLE if any(plan.single for plan in unsure) else Priority.RUN
        leads = [plan.lead for plan in unsure]
        _, stopped = refresh.read_many(connection, leads, cause=Cause.PUSH, priority=best)
    prepared: list[CallPlan] = []
    for plan in plans:
        if any(plan is each for each in unsure):
            try:
                plan.lead.refresh_from_db()
            except Lead.DoesNotExist:  # it turned out to be somebody whom we know by the id; the changes went there
                release_plans([plan])
                continue
            _note_states(plan)
            calm = _without_conflicts(plan)
            judged = _judge_again(connection, calm) if calm is not None else None
        else:
            judged = plan
        if judged is not None:
            prepared.append(judged)
    return prepared, stopped


def _awaits_read(plan: CallPlan) -> bool:
    return any(change.needs_read(plan.lead) for change in plan.changes)


def _needs_state(plan: CallPlan) -> bool:
    """Whether something is in the call that must not be told twice and of which only how it was before can tell afterwards
    (points by the score, a sequence by its step: sequences go on by themselves), and our copy does not know that for certain."""
    if not plan.lead.kartra_id:
        return False
    needed = {kinds.get_kind(change.kind).known_before for change in plan.changes}
    steps = "step" in needed and not baseline.knows_step(plan.lead)
    points = "score" in needed and not baseline.knows_score(plan.lead)
    return steps or points


def _may_conflict(plan: CallPlan) -> bool:
    """Whether a person's edit would replace a value that our copy may not know."""
    if not plan.lead.kartra_id or not any(change.baseline for change in plan.changes):
        return False
    read_at = plan.lead.read_at
    return read_at is None or now() - read_at > FROM_JUST_NOW


def _without_conflicts(plan: CallPlan) -> CallPlan | None:
    """The chain without edits of fields that were changed in Kartra meanwhile, which are left to a person, and without what
    waits for those. None if nothing is left of it, or the lead is no longer ours."""
    held: dict[str, LeadChange] = {}  # by family the first that conflicts
    fields: dict[int, list[str]] = {}
    for place, change in enumerate(plan.changes):
        if change.baseline and change.family not in held:
            fields[change.pk] = conflicts.conflicts_of(plan.lead, change, plan.changes[:place])
            if fields[change.pk]:
                held[change.family] = change
    if not held:
        return plan

    def hold() -> TakenOut:
        for change in held.values():
            conflicts.hold(plan.lead, change, fields[change.pk])
        behind = [c for c in plan.changes if c.family in held and c.pk > held[c.family].pk]
        return TakenOut(ended=list(held.values()), waiting=behind)

    return take_out(plan, hold)


def _note_states(plan: CallPlan) -> None:
    """Keep what was just read with the attempts, as what was known before."""
    known = baseline.states_before([(plan.lead, plan.changes)])
    attempts = list(Attempt.objects.filter(call=plan.call, change__in=plan.changes))
    for attempt in attempts:
        attempt.before = known.get(attempt.change_id, {})
    Attempt.objects.bulk_update(attempts, ["before"])


def _judge_again(connection: Connection, plan: CallPlan) -> CallPlan | None:
    """The chain without what is so already, and without what waits for a read. None if nothing is left of it, or the lead is
    no longer ours."""
    doubtful = [change for change in plan.changes if change.read_first]
    if not doubtful:
        return plan

    def judge() -> TakenOut:
        waiting = _waiting(plan)
        so = changes_already_so(connection, {plan.lead.pk: doubtful})
        looked_at = [change for change in doubtful if change.copy_is_fresh(plan.lead) and change not in waiting]
        idle = [change for change in looked_at if so[change.pk] and _is_first(plan, change)]
        at = now()
        skip_needless(idle, at)
        failed = plan.lead.read_not_before is not None and plan.lead.read_not_before > at
        return TakenOut(ended=idle, waiting=waiting, unread=waiting if failed and not plan.lead.gone_at else ())

    with transaction.atomic():
        kept = take_out(plan, judge)
        if plan.lead.gone_at:
            transitions.skip_gone(plan.lead)
    return kept


def _waiting(plan: CallPlan) -> list[LeadChange]:
    """What goes back into the queue: what could not be looked at, with what follows of its family; all of a lead that is
    deleted in Kartra, to be closed there."""
    unread = [change for change in plan.changes if change.needs_read(plan.lead)]
    return [
        change
        for change in plan.changes
        if plan.lead.gone_at or any(c.family == change.family and c.pk <= change.pk for c in unread)
    ]


def _is_first(plan: CallPlan, change: LeadChange) -> bool:
    """Whether nothing before it in the chain is about the same thing."""
    return not any(c.family == change.family and c.pk < change.pk for c in plan.changes)
