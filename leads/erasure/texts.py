"""Texts about others in which a person is named too: reasons that were given, notes, what a file was called.

The words that name the person are cut out, the rest stays. What other leads hold comes from Kartra: a read brings it again
until it is changed there, which the result says. A change that is still to be sent is left as it was asked for.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Model, Q, QuerySet
from django.db.models.fields.json import JSONField

from leads.models import (
    OPEN,
    Activity,
    BulkRun,
    Calendar,
    CalendarClass,
    Import,
    Lead,
    LeadChange,
    MailingList,
    Membership,
    MembershipLevel,
    Occurrence,
    Page,
    Product,
    Sequence,
    Tag,
    Transaction,
)
from leads.models.account_path import account_path
from leads.person.naming import REMOVED, Person
from leads.person.parts import Counts

BATCH = 500


@dataclass(frozen=True)
class Texts:
    """Fields of a model in which a person may be named beside whom the row is about. `among`: which rows are looked at; `whose`:
    by which lookup a row leads to its lead, "" where it is of none."""

    model: type[Model]
    fields: tuple[str, ...]
    among: Q = field(default_factory=Q)
    whose: str = "lead"

    def rows(self, person: Person) -> QuerySet[Any]:
        path = account_path(self.model)
        rows = self.model._default_manager.filter(self.among)
        rows = rows.filter(**{path: person.account_id}) if path else rows
        rows = rows.exclude(**{self.whose: person.lead_id}) if self.whose else rows
        return person.may_be_in(rows.order_by("pk"), *self.fields)

    def blank(self, person: Person) -> int:
        """Cut out of each row what names the person. How many rows did."""
        number, changed = 0, []
        for row in self.rows(person).only("pk", *self.fields).iterator(chunk_size=BATCH):
            if not self._cut(row, person):
                continue
            number += 1
            changed.append(row)
            if len(changed) >= BATCH:
                self.model._default_manager.bulk_update(changed, self.fields)
                changed = []
        if changed:
            self.model._default_manager.bulk_update(changed, self.fields)
        return number

    def _cut(self, row: Model, person: Person) -> bool:
        found = False
        for name in self.fields:
            value = getattr(row, name)
            if not value or not person.is_in(value):
                continue
            found = True
            is_json = isinstance(self.model._meta.get_field(name), JSONField)
            setattr(row, name, person.without_in(value) if is_json else person.without(value) or REMOVED)
        return found


SETTLED = (
    Texts(LeadChange, ("why", "closed_why")),
    Texts(LeadChange, ("parameters", "baseline", "message", "remark"), ~Q(status__in=OPEN)),
    Texts(Activity, ("details",)),
    Texts(BulkRun, ("name", "why", "paused_why"), whose=""),
    Texts(Occurrence, ("remark",), whose=""),
    Texts(Import, ("file_name", "options", "why"), whose=""),
    Texts(Transaction, ("raw", "affiliate"), Q(lead=None)),
)
"""What our own rows say."""
OF_KARTRA = Texts(Lead, ("notes", "custom_values", "extra"), whose="pk")
"""What Kartra says of other leads."""
OTHERS_LEADS = "other_leads"
"""Under this name those leads are counted beside tables."""
WAITING = Texts(LeadChange, ("parameters", "baseline"), Q(status__in=OPEN))
"""Wishes that are still to be carried out."""


def blank(person: Person) -> Counts:
    counts: Counts = Counter()
    for texts in SETTLED:
        counts[texts.model._meta.label_lower] += texts.blank(person)
    counts[OTHERS_LEADS] += OF_KARTRA.blank(person)
    return counts


def waiting(person: Person) -> int:
    """Changes of others, still to be sent, that name the person."""
    rows = WAITING.rows(person).only("pk", *WAITING.fields)
    return sum(person.is_in([row.parameters, row.baseline]) for row in rows.iterator(chunk_size=BATCH))


def names_in_kartra(person: Person) -> int:
    """Tags, lists and the like that are called after the person: Kartra's own names, which only a person can change there."""
    models: Iterable[type[Model]] = (
        Calendar,
        CalendarClass,
        MailingList,
        Membership,
        MembershipLevel,
        Page,
        Product,
        Sequence,
        Tag,
    )
    return sum(
        person.is_in(name)
        for model in models
        for name in person.may_be_in(
            model._default_manager.filter(**{str(account_path(model)): person.account_id}), "name"
        ).values_list("name", flat=True)
    )
