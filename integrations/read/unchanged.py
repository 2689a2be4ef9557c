"""Answers about leads that tell nothing new: that they were read is noted of all of them together. Which they are is found with the
leads in our hands; each other answer is `lead_answer`'s.
"""

import logging
from collections.abc import Sequence

from django.db import transaction

from integrations.models import Connection, DeletionReport
from integrations.read.lead_answer import facts_of_answer
from integrations.read.lead_lookup import Asked
from integrations.read.schedule import recent_writes
from leads import mirror
from leads.lock_conflicts import done_again
from leads.models import Lead

logger = logging.getLogger(__name__)


def note_unchanged(connection: Connection, answers: Sequence[tuple[Lead, Asked]]) -> set[int]:
    """The primary keys of those leads of which it is noted that they were read; each other answer is to be taken in by itself."""
    plain = {
        lead.pk: (lead, asked)
        for lead, asked in answers
        if asked.profile is not None and not asked.others and lead.kartra_id == asked.profile.id
    }
    if not plain:
        return set()
    try:
        return _note(connection, plain)
    except Exception:
        logger.exception("What Kartra said of %s leads could not be noted together.", len(plain))
        return set()


@done_again
def _note(connection: Connection, plain: dict[int, tuple[Lead, Asked]]) -> set[int]:
    """A lead that a call of ours has touched since, or that a read found deleted, is none of these."""
    with transaction.atomic():
        mirror.lock_leads(plain)
        earliest = min(asked.began_at for _, asked in plain.values())
        touched = recent_writes(earliest).filter(lead__in=plain, sent_at__isnull=False)
        found_deleted = DeletionReport.objects.pending().filter(lead__in=plain)
        others = {*touched.values_list("lead_id", flat=True), *found_deleted.values_list("lead_id", flat=True)}
        reads = {
            pk: (facts_of_answer(connection, lead, asked.profile), asked.began_at)
            for pk, (lead, asked) in plain.items()
            if pk not in others and asked.profile is not None
        }
        return mirror.note_unchanged(connection.account, reads)
