"""Whose row is this? An id and an address of a file, held against the leads that our copy knows.

An id is believed where it agrees with the address. Where the two name different leads, nobody is guessed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.db.models import Q, QuerySet

from leads.models import Account, Lead, LeadEmail, RowRemark, normal_email
from leads.models.remarks import Remark, remark

AGREES, DIFFERS, UNKNOWN = "agrees", "differs", "unknown"
"""What our copy says of an id beside an address; nothing where the row has only one of the two."""


@dataclass(frozen=True)
class RowIdentity:
    """The lead that a row is about (None: our copy has none), what became of its id, and why it cannot be told, if so.
    `moved`: the id is known, and nobody has the address."""

    lead: Lead | None = None
    verdict: str = ""
    problem: Remark = field(default_factory=dict)
    moved: bool = False


@dataclass
class Known:
    """The leads of our copy that rows may be about: by id, by address, and the addresses that those known by id had."""

    by_id: dict[str, Lead] = field(default_factory=dict)
    by_email: dict[str, list[Lead]] = field(default_factory=lambda: defaultdict(list))
    had: set[tuple[int, str]] = field(default_factory=set)

    @classmethod
    def of(cls, leads: QuerySet[Lead], pairs: Iterable[tuple[str, str]]) -> "Known":
        """What is known of these ids and addresses: three queries. The leads come as the query gives them."""
        pairs = list(pairs)
        ids, keys = {id for id, _email in pairs if id}, {normal_email(email) for _id, email in pairs if email}
        known = cls({str(lead.kartra_id): lead for lead in leads.filter(kartra_id__in=ids)})
        others = leads.filter(
            Q(kartra_id=None) | ~Q(kartra_id__in=ids), email_key__in=keys
        )  # one OR of both scans them all
        own = [lead.pk for lead in known.by_id.values()]
        for lead in sorted([*known.by_id.values(), *others], key=lambda lead: lead.pk):
            if lead.email_key in keys:
                known.by_email[lead.email_key].append(lead)
        had = LeadEmail.objects.filter(lead__in=own, email_key__in=keys).values_list("lead", "email_key")
        known.had = set(had)
        return known

    def classify(self, id: str, email: str) -> RowIdentity:
        """Whom a row is about, by what it says of the person."""
        if not email:
            return RowIdentity(self.by_id.get(id))
        key = normal_email(email)
        rows = self.by_email.get(key, [])
        here = [lead for lead in rows if lead.gone_at is None] or rows
        if not id:
            if len(here) > 1:
                return RowIdentity(problem=remark(RowRemark.TWO_LEADS))
            return RowIdentity(here[0] if here else None)
        lead = self.by_id.get(id)
        others = [each for each in here if each.gone_at is None and each.kartra_id not in (None, id)]
        if lead is not None and lead in rows:
            return RowIdentity(lead, AGREES)
        if others:
            return RowIdentity(None, DIFFERS, _different(id, lead, others[0]))
        if lead is not None and (lead.pk, key) in self.had:
            return RowIdentity(lead, AGREES)
        if lead is not None:
            moved = remark(RowRemark.NOBODYS_ADDRESS, lead=called(lead), email=email[:80])
            return RowIdentity(lead, DIFFERS, moved, moved=True)
        without_id = [each for each in here if each.kartra_id is None]
        return RowIdentity(without_id[0] if without_id else None, UNKNOWN)


def known(account: Account, pairs: Iterable[tuple[str, str]]) -> Known:
    """What our copy knows of these ids and addresses."""
    return Known.of(Lead.objects.filter(account=account).order_by(), pairs)


def _different(id: str, lead: Lead | None, other: Lead) -> Remark:
    if lead is None:
        return remark(RowRemark.OTHERS_ADDRESS, id=id, other=called(other))
    return remark(RowRemark.DIFFERENT_LEADS, lead=called(lead), other=called(other))


def called(lead: Lead) -> str:
    """A lead by name, address and id."""
    parts: Mapping[str, None] = dict.fromkeys(filter(None, [lead.email, lead.kartra_id]))
    return f"{lead.name} ({', '.join(parts)})" if lead.name else ", ".join(parts)
