"""Unknown → proven: looks at the lead in Kartra until it is known whether a change was done, or a person must decide.

Writes down what `proof` makes of the evidence (`call_evidence`). A read that fails is no evidence and does not count. Nothing is
ever sent from here.
"""

import datetime as dt
import time
from collections.abc import Callable, Sequence
from typing import Any

from django.db import transaction

from integrations import clock
from integrations.kartra.errors import CredentialsRefused, KartraError
from integrations.models import NO_USE_ASKING, Attempt, Cause, Connection, sighting
from integrations.push import proof, proof_token
from integrations.push.call_evidence import FIELD_MISSING, evidence_of, families_of, outcomes_of, seen_of
from integrations.push.settle import apply_outcome, settle_times
from integrations.read import transactions
from integrations.read.lead_answer import apply_answer
from integrations.read.lead_lookup import Asked, ask
from integrations.sending.calls import Priority
from integrations.translate import WIRE_FORMATS, ProofSource
from leads import mirror, transitions
from leads.lock_conflicts import done_again
from leads.models import ChangeStatus, Lead


def drain(
    connection: Connection,
    *,
    until_s: float = 8.0,
    now: dt.datetime | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Look at every lead with an unclear change that is due by `now`. How many leads were looked at.

    While Kartra does not answer, or refuses our keys, nothing is looked at: a read that fails is no evidence.
    """
    if connection.stopped_by in NO_USE_ASKING:
        return 0
    ends = time.monotonic() + until_s
    looked = 0
    while time.monotonic() < ends and not stop():
        at = now or clock.now()
        attempts = (
            Attempt.objects.unclear()
            .filter(call__connection=connection, verify_at__lte=at)
            .order_by("verify_at")
            .values_list("change__lead", flat=True)[:50]
        )
        leads = list(Lead.objects.filter(pk__in=set(attempts)).select_related("account"))
        if not leads:
            break
        for lead in leads:
            if time.monotonic() >= ends or stop() or not _look(connection, lead, at):
                return looked
            looked += 1
    return looked


def _look(connection: Connection, lead: Lead, at: dt.datetime) -> bool:
    """Look at one lead's unclear changes, each where it shows. False when Kartra cannot be asked now."""
    due = Attempt.objects.unclear().filter(change__lead=lead, verify_at__lte=at)
    calls = set(due.values_list("call", flat=True))
    kinds = set(Attempt.objects.unclear().filter(call__in=calls).values_list("change__kind", flat=True))
    looks = {WIRE_FORMATS[kind].look for kind in kinds}
    try:
        for look in (ProofSource.SUBSCRIPTION, ProofSource.TRANSACTIONS):
            if look in looks:
                _look_at_money(connection, lead, at, look)
        if looks == {ProofSource.GUARD}:
            _write(connection, lead, at, None)
        elif looks & {ProofSource.LEAD, ProofSource.MESSAGE, ProofSource.GUARD}:
            _look_at_lead(connection, lead, at)
    except KartraError as error:
        _look_again_later(lead, at, error)
        return False
    return True


def _look_at_lead(connection: Connection, lead: Lead, at: dt.datetime) -> None:
    """Read the lead and judge by what was read."""
    asked = ask(
        connection,
        kartra_id=lead.kartra_id or "",
        email=lead.email,
        cause=Cause.VERIFY,
        priority=Priority.VERIFY,
        lead=lead,
    )
    found = _write(connection, lead, at, asked)
    apply_answer(connection, found, asked)


@done_again
def _write(connection: Connection, lead: Lead, at: dt.datetime, asked: Asked | None) -> Lead:
    """Judge what is due of a lead, family by family and call by call, and write it down. The lead as it is then: it may have
    turned out to be one that we knew by its id."""
    with transaction.atomic():
        mirror.lock_leads([lead.pk])
        lead = Lead.objects.select_related("account").filter(pk=lead.pk).first() or lead
        attempts = _due_attempts(lead, at, {ProofSource.LEAD, ProofSource.MESSAGE, ProofSource.GUARD})
        if asked is not None and asked.profile is not None and not lead.kartra_id and asked.profile.id:
            lead = mirror.attach_kartra_id(lead, asked.profile.id, at)
        for group in families_of(attempts):
            for attempt in group:
                attempt.change.lead = lead
                attempt.looks += 1
            outcomes = outcomes_of(group, lead, asked)
            for attempt in group:
                outcome = outcomes[attempt.change_id]
                seen = seen_of(attempt, lead, asked)
                read = {"read_at": asked.began_at.isoformat()} if asked is not None else {}
                shown = sighting(at, outcome.what, **seen, **read)
                apply_outcome(attempt.change, attempt, outcome, at, evidence=shown)
                if seen.get("receipt") == FIELD_MISSING:
                    proof_token.distrust(connection)
    _end_runs(attempts)
    return lead


# --- money


def _look_at_money(connection: Connection, lead: Lead, at: dt.datetime, look: ProofSource) -> None:
    """Read the payment plan or the buyer's new transactions, for each unclear change of money."""
    for attempt in _due_attempts(lead, at, {look}, lock=False):
        began_at = clock.now()
        change = attempt.change
        seen: Any
        if look is ProofSource.SUBSCRIPTION:
            seen = transactions.plan_details(
                connection, change.parameters["subscription"], cause=Cause.VERIFY, priority=Priority.VERIFY, lead=lead
            )
        else:
            known = attempt.before.get("transactions")
            seen = None
            if known is not None:
                seen = transactions.new_since(connection, lead, known, cause=Cause.VERIFY, priority=Priority.VERIFY)
        if _write_money(attempt, lead, at, look, seen, began_at):
            transactions.read_after(connection, lead)
        _end_runs([attempt])


@done_again
def _write_money(
    attempt: Attempt, lead: Lead, at: dt.datetime, look: ProofSource, seen: Any, began_at: dt.datetime
) -> bool:
    """Judge by what was seen of one change of money. True if it is done, and nobody has settled it meanwhile."""
    done = False
    with transaction.atomic():
        mirror.lock_leads([lead.pk])
        for fresh in _due_attempts(lead, at, {look}):
            if fresh.pk == attempt.pk:  # else somebody settled it meanwhile
                fresh.looks += 1
                evidence = evidence_of([fresh], lead, None)
                outcome = proof.classify_money(evidence.unclear[0], seen, fresh.before, evidence)
                shown = sighting(at, outcome.what, read_at=began_at.isoformat())
                done = apply_outcome(fresh.change, fresh, outcome, at, evidence=shown)
                done = done and outcome.status == ChangeStatus.ACCEPTED
    return done


# --- rows


def _due_attempts(lead: Lead, at: dt.datetime, looks: set[ProofSource], *, lock: bool = True) -> list[Attempt]:
    """Unclear attempts of the lead that are due, and with them all others of their calls: a family is judged as a whole."""
    kinds_of = [kind for kind, encoding in WIRE_FORMATS.items() if encoding.look in looks]
    due = Attempt.objects.unclear().filter(change__lead=lead, verify_at__lte=at, change__kind__in=kinds_of)
    rows = (
        Attempt.objects.unclear()
        .filter(call__in=set(due.values_list("call", flat=True)), change__kind__in=kinds_of)
        .select_related("change__lead__account", "call")
        .order_by("call", "position", "change")
    )
    return list(rows.select_for_update(of=("self",)) if lock else rows)


def _end_runs(attempts: Sequence[Attempt]) -> None:
    transitions.end_runs(attempt.change.run_id for attempt in attempts if attempt.change.run_id)


def _look_again_later(lead: Lead, at: dt.datetime, error: KartraError) -> None:
    wait_s = min(settle_times()[0], 10.0)
    if isinstance(error, CredentialsRefused):
        wait_s = 60.0
    later = clock.now() + dt.timedelta(seconds=wait_s)
    due = list(Attempt.objects.unclear().filter(change__lead=lead, verify_at__lte=at).values_list("pk", flat=True))
    # By their keys, so that one which somebody has settled meanwhile is asked once more whether it is unclear.
    Attempt.objects.unclear().filter(pk__in=due).update(verify_at=later)
