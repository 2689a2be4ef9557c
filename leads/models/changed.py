"""Which leads changed since: every writer of the mirror marks the leads that it changes, and a reader asks with the mark that
it was given the time before.

Changed is what Kartra told of a lead: a field, or what it is joined to. When our copy was read, or is to be read, is not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from django.db import router
from django.db.models import Max, Q, QuerySet

from leads.models.change_counter import drawn_numbers, next_numbers, transactions_now
from leads.models.lead import Lead


def mark_changed(lead_ids: Iterable[int | None], **columns: Any) -> None:
    """These leads are changed by this transaction. `columns`: what else is written on them."""
    wanted = sorted({id for id in lead_ids if id is not None})
    if wanted:
        using = router.db_for_write(Lead)
        Lead.objects.using(using).filter(pk__in=wanted).update(**columns, **next_numbers(using))


def mark_unsaved(leads: Sequence[Lead]) -> None:
    """The same of leads that this transaction is about to save."""
    if leads:
        numbers = drawn_numbers(router.db_for_write(Lead), len(leads))
        for lead, (seq, xid) in zip(leads, numbers, strict=True):
            lead.changed_seq, lead.changed_xid = seq, xid


class BadMark(ValueError):
    """The text is no mark. The error's own text is a sentence."""


@dataclass(frozen=True)
class Mark:
    """How far a reader has seen the changes: the highest number, and the transaction before which all were over."""

    seq: int = 0
    xid: int = 0

    @classmethod
    def of(cls, text: str) -> Self:
        """The mark of a text as `str` writes it. Raises BadMark."""
        parts = text.strip().split("-")
        if len(parts) != 2 or not all(part.isdecimal() and part.isascii() and len(part) < 19 for part in parts):
            raise BadMark("A mark looks like 1200-88231, as the export before printed it.")
        return cls(int(parts[0]), int(parts[1]))

    def __str__(self) -> str:
        return f"{self.seq}-{self.xid}"


def changed_since(leads: QuerySet[Lead], mark: Mark) -> tuple[QuerySet[Lead], Mark]:
    """Those of the leads that were changed after the mark was given, and the mark to ask with next. Nobody is lost, though a
    lead may come twice; one that a transaction still at work has changed comes when that has ended.

    A number is drawn before its transaction ends, so on PostgreSQL a lower one may come to light after a higher one. Therefore
    the transaction decides: those before the oldest that is at work are over. Ids that no transaction has had yet are of the
    server from which this database was dumped; of such rows the number decides.
    """
    oldest, unborn = transactions_now(leads.db)
    low = mark.xid if mark.xid <= oldest else 0
    over = Q(changed_xid__gte=low, changed_xid__lt=oldest) | Q(changed_xid__gte=unborn, changed_seq__gt=mark.seq)
    changed = leads.filter(over)
    highest = changed.aggregate(highest=Max("changed_seq"))["highest"] or 0
    return changed, Mark(max(mark.seq, highest), oldest)
