"""Whose row is this? An id and an address of a file, held against the leads that our copy knows.

An id is believed where it agrees with the address. Where the two name different leads, nobody is guessed.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, QuerySet

from leads.mirror.facts import Row
from leads.models import Account, Lead, LeadEmail, LeadTag, ListSubscription, RowRemark, Source, normal_email
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


@dataclass(frozen=True)
class Settled:
    """Rows that say nothing new, by their numbers, and of how many of them the id agrees with the address."""

    numbers: frozenset[int]
    agree: int


def settled_among(account: Account, rows: Sequence[Row], *, believed: bool) -> Settled:
    """The rows that are plainly about one lead of our copy and say nothing that it does not hold, as nearly all of a file do that
    is loaded again. Nothing is to be written of them, so no lead is held and none becomes an object. All others are for
    `classify`."""
    ids = Counter(row.kartra_id for row in rows if row.kartra_id)
    keys = Counter(normal_email(row.email) for row in rows if row.email)
    by_id, by_key = _values_of(account, rows, ids, believed=believed)
    found: dict[int, tuple[int, Row]] = {}
    agree = set()
    for row in rows:
        key, lead = normal_email(row.email), by_id.get(row.kartra_id)
        is_by_id = lead is not None
        if lead is None and len(by_key[key]) == 1 and not (row.kartra_id and by_key[key][0]["kartra_id"]):
            lead = by_key[key][0]
        if lead is None or (is_by_id and key not in ("", lead["email_key"])):
            continue
        if (ids[lead["kartra_id"]], keys[lead["email_key"]]) != (is_by_id, bool(key)):
            continue  # another row may be about the same lead
        if _is_alive(lead) and _says_nothing_new(lead, row):
            found[row.number] = (lead["pk"], row)
            if is_by_id and key:
                agree.add(row.number)
    told = _tied(found.values())
    numbers = frozenset(number for number, (pk, row) in found.items() if _ties(pk, row) <= told)
    return Settled(numbers, len(numbers & agree))


def _values_of(
    account: Account, rows: Sequence[Row], ids: Iterable[str], *, believed: bool
) -> tuple[dict[str, dict[str, Any]], Mapping[str, list[dict[str, Any]]]]:
    """What our copy holds of the columns that the rows tell: by id, and of rows without one that is known by address."""
    standing = ("kartra_id", "email_key", "gone_at", "absent_at", "read_at", "known_from", "custom_values")
    values = (
        Lead.objects.filter(account=account).order_by().values("pk", *{*standing}.union(*(row.fields for row in rows)))
    )
    by_id = {lead["kartra_id"]: lead for lead in values.filter(kartra_id__in=ids)} if ids else {}
    by_key: dict[str, list[dict[str, Any]]] = defaultdict(list)
    keys = {
        normal_email(row.email)
        for row in rows
        if row.email and row.kartra_id not in by_id and not (believed and row.kartra_id)
    }
    for lead in values.filter(email_key__in=keys) if keys else ():
        by_key[lead["email_key"]].append(lead)
    return by_id, by_key


def _is_alive(lead: Mapping[str, Any]) -> bool:
    """Known from more than messages, and neither gone nor absent: what a row could change by being there at all."""
    hearsay = lead["read_at"] is None and lead["known_from"] in (Source.WEBHOOK, Source.IPN)
    return not (lead["gone_at"] or lead["absent_at"] or hearsay)


def _says_nothing_new(lead: Mapping[str, Any], row: Row) -> bool:
    return row.fields.items() <= lead.items() and row.custom_values.items() <= lead["custom_values"].items()


def _ties(pk: int, row: Row) -> set[tuple[int, str, str]]:
    tags, lists = (
        ((pk, "tag", name) for name in row.tags),
        ((pk, "list", name) for name in (*row.lists, *row.left_lists)),
    )
    return {*tags, *lists}


def _tied(found: Iterable[tuple[int, Row]]) -> set[tuple[int, str, str]]:
    """The tags and lists of the leads of these rows, of the kinds that the rows name."""
    pks, tagged, listed = [], False, False
    for pk, row in found:
        pks.append(pk)
        tagged, listed = tagged or bool(row.tags), listed or bool(row.lists or row.left_lists)
    tied: set[tuple[int, str, str]] = set()
    for wanted, what, rows in (
        (tagged, "tag", LeadTag.objects.filter(lead__in=pks).values_list("lead", "tag__name")),
        (listed, "list", ListSubscription.objects.filter(lead__in=pks).values_list("lead", "mailing_list__name")),
    ):
        if wanted:
            tied.update((lead, what, name) for lead, name in rows)
    return tied
