"""Leads whose copy is not sure enough for what is about to be sent are read, between the claim and the POST.

Of points and of a step in a sequence, so that the score or the step afterwards can prove what was done; a lead that cannot be
read is sent without, and then a person may be asked. Of what is so already by an old copy, where somebody wanted it looked at:
what is so indeed is skipped, and what could not be looked at waits. Of a field that somebody looked at before changing it,
unless our copy is from just now: what was changed in Kartra meanwhile is left to a person.
"""

import dataclasses
import datetime as dt
from collections.abc import Sequence

from django.db import transaction

from integrations.clock import now
from integrations.kartra.errors import KartraError
from integrations.models import ApiCall, Attempt, CallOutcome, Cause, Connection, Proof
from integrations.push import baseline
from integrations.push.chain import CallPlan, changes_already_so, skip_needless
from integrations.push.lease import release_chains, return_to_queue
from integrations.read import refresh
from integrations.sending.calls import Priority
from leads import transitions
from leads.changes import conflicts
from leads.models import Lead, LeadChange

FROM_JUST_NOW = dt.timedelta(seconds=90)
"""A copy so old is believed to be what Kartra has, when a person's edit is about to replace it."""


def look(connection: Connection, chains: Sequence[CallPlan]) -> tuple[list[CallPlan], KartraError | None]:
    """The chains as they may be sent, and why reading stopped, if it did. Claimed leads are read, several at once."""
    unsure = [chain for chain in chains if _awaits_read(chain) or _needs_state(chain) or _may_conflict(chain)]
    stopped = None
    if unsure:
        best = Priority.SINGLE if any(chain.single for chain in unsure) else Priority.RUN
        leads = [chain.lead for chain in unsure]
        _, stopped = refresh.read_many(connection, leads, cause=Cause.PUSH, priority=best)
    prepared: list[CallPlan] = []
    for chain in chains:
        if any(chain is each for each in unsure):
            try:
                chain.lead.refresh_from_db()
            except Lead.DoesNotExist:  # it turned out to be somebody whom we know by the id; the changes went there
                release_chains([chain])
                continue
            _note_states(chain)
            calm = _without_conflicts(chain)
            judged = _judge_again(connection, calm) if calm is not None else None
        else:
            judged = chain
        if judged is not None:
            prepared.append(judged)
    return prepared, stopped


def _awaits_read(chain: CallPlan) -> bool:
    return any(change.needs_read(chain.lead) for change in chain.changes)


def _needs_state(chain: CallPlan) -> bool:
    """Whether something is in the call that must not be told twice and of which only how it was before can tell afterwards
    (points by the score, a sequence by its step: sequences go on by themselves), and our copy does not know that for certain."""
    if not chain.lead.kartra_id:
        return False
    steps = any(change.kind == "subscribe_sequence" for change in chain.changes) and not baseline.knows_step(chain.lead)
    points = any(change.family == "points" for change in chain.changes) and not baseline.knows_score(chain.lead)
    return steps or points


def _may_conflict(chain: CallPlan) -> bool:
    """Whether a person's edit would replace a value that our copy may not know."""
    read_at = chain.lead.read_at
    old = read_at is None or now() - read_at > FROM_JUST_NOW
    return old and bool(chain.lead.kartra_id) and any(change.baseline for change in chain.changes)


def _without_conflicts(chain: CallPlan) -> CallPlan | None:
    """The chain without edits of fields that were changed in Kartra meanwhile, which are left to a person, and without what
    waits for those. None if nothing is left of it, or the lead is no longer ours."""
    held: dict[str, LeadChange] = {}  # by family the first that conflicts
    fields: dict[int, list[str]] = {}
    for place, change in enumerate(chain.changes):
        if change.baseline and change.family not in held:
            fields[change.pk] = conflicts.conflicts_of(chain.lead, change, chain.changes[:place])
            if fields[change.pk]:
                held[change.family] = change
    if not held:
        return chain
    with transaction.atomic():
        calls = ApiCall.objects.filter(pk=chain.call.pk, finished_at=None, sent_at=None)
        if not calls.select_for_update().exists():
            return None
        behind = [c for c in chain.changes if c.family in held and c.pk > held[c.family].pk]
        stopped = list(held.values())
        Attempt.objects.filter(call=chain.call, change__in=stopped).update(proof=Proof.NOT_DONE, message="Not sent.")
        for change in stopped:
            conflicts.hold(chain.lead, change, fields[change.pk])
        if behind:
            return_to_queue(chain.call, behind)
        kept = [change for change in chain.changes if change not in (*stopped, *behind)]
        if not kept:
            calls.update(finished_at=now(), outcome=CallOutcome.WITHDRAWN)
    return dataclasses.replace(chain, changes=tuple(kept)) if kept else None


def _note_states(chain: CallPlan) -> None:
    """Keep what was just read with the attempts, as what was known before."""
    known = baseline.states_before([(chain.lead, chain.changes)])
    attempts = list(Attempt.objects.filter(call=chain.call, change__in=chain.changes))
    for attempt in attempts:
        attempt.before = known.get(attempt.change_id, {})
    Attempt.objects.bulk_update(attempts, ["before"])


def _judge_again(connection: Connection, chain: CallPlan) -> CallPlan | None:
    """The chain without what is so already, and without what waits for a read. None if nothing is left of it, or the lead is
    no longer ours."""
    doubtful = [change for change in chain.changes if change.read_first]
    if not doubtful:
        return chain
    with transaction.atomic():
        calls = ApiCall.objects.filter(pk=chain.call.pk, finished_at=None, sent_at=None)
        if not calls.select_for_update().exists():
            return None
        waiting = _waiting(chain)
        so = changes_already_so(connection, {chain.lead.pk: doubtful})
        looked_at = [change for change in doubtful if change.copy_is_fresh(chain.lead) and change not in waiting]
        idle = [change for change in looked_at if so[change.pk] and _is_first(chain, change)]
        kept = [change for change in chain.changes if change not in (*idle, *waiting)]
        at = now()
        Attempt.objects.filter(call=chain.call, change__in=idle).update(proof=Proof.NOT_DONE, message="Not sent.")
        skip_needless(idle, at)
        if waiting:
            failed = chain.lead.read_not_before is not None and chain.lead.read_not_before > at
            unread = waiting if failed and not chain.lead.gone_at else []
            return_to_queue(chain.call, waiting, unread=unread)
        if not kept:
            calls.update(finished_at=at, outcome=CallOutcome.WITHDRAWN)
        if chain.lead.gone_at:
            transitions.skip_gone(chain.lead)
    return dataclasses.replace(chain, changes=tuple(kept)) if kept else None


def _waiting(chain: CallPlan) -> list[LeadChange]:
    """What goes back into the queue: what could not be looked at, with what follows of its family; all of a lead that is
    deleted in Kartra, to be closed there."""
    unread = [change for change in chain.changes if change.needs_read(chain.lead)]
    return [
        change
        for change in chain.changes
        if chain.lead.gone_at or any(c.family == change.family and c.pk <= change.pk for c in unread)
    ]


def _is_first(chain: CallPlan, change: LeadChange) -> bool:
    """Whether nothing before it in the chain is about the same thing."""
    return not any(c.family == change.family and c.pk < change.pk for c in chain.changes)
