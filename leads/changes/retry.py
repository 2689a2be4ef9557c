"""What Kartra refused: by cause, tried again once the cause is mended, or closed with a reason."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, Q, QuerySet
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from leads import clock, kinds
from leads.access import Author, user_of
from leads.changes import bulk_insert, runs
from leads.changes.checks import CannotRecord, check_person
from leads.changes.members import never_of
from leads.models import Account, BulkRun, LeadChange


@dataclass(frozen=True)
class Group:
    """Refused changes with one cause: the same kind, about the same thing, with the same code. `words`: what was said of the
    `last` of them. `own`: how many of them the person asked for."""

    account_id: int
    kind: str
    family: str
    code: str
    words: str
    number: int
    last_at: Any
    last: int
    own: int = 0

    @property
    def what(self) -> str:
        """What was wanted, in words: "assign a tag: VIP"."""
        thing = self.family.partition(":")[2]
        label = kinds.get_kind(self.kind).label
        return f"{label}: {thing}" if thing else str(label)

    @property
    def members(self) -> QuerySet[LeadChange]:
        return LeadChange.objects.failed().filter(
            account=self.account_id, kind=self.kind, family=self.family, code=self.code
        )


def groups(failed: QuerySet[LeadChange], by: Author = None, most: int = 200) -> list[Group]:
    """The refused changes by cause, most frequent first. Two queries."""
    person = user_of(by)
    own = Q(requested_by=person) if person is not None else Q(pk__in=[])
    rows = list(
        failed.order_by()
        .values("account_id", "kind", "family", "code")
        .annotate(number=Count("pk"), last_at=Max("settled_at"), last=Max("pk"), own=Count("pk", filter=own))
        .order_by("-number", "kind", "family")[:most]
    )
    words = LeadChange.objects.filter(pk__in=[row["last"] for row in rows]).words()
    return [Group(words=words[row["last"]], **row) for row in rows]


def close(failed: QuerySet[LeadChange], *, by: Author = None, why: str = "") -> int:
    """Nothing more is to be done about these; they leave the list of failed changes. How many: of those that somebody deals
    with at this moment the row itself is asked again once it is free, so the first one does."""
    return (
        LeadChange.objects.failed()
        .filter(pk__in=failed.order_by().values("pk"))
        .update(closed_at=clock.now(), closed_why=why, closed_by=user_of(by))
    )


def retry(
    account: Account, failed: QuerySet[LeadChange], *, by: Author = None, why: str = "", name: str = ""
) -> BulkRun:
    """A new run with a copy of each of these refused changes, linked to it; the first tries are closed by it, so that
    nobody else tries them again. Those whom no bulk action touches stay refused. Left out with the reason are leads that are
    deleted in Kartra or not there, and those who left a list themselves that they would be added to. Raises CannotRecord if there
    is none, or if money is among them: that is asked for one by one.
    """
    refused = LeadChange.objects.failed().filter(account=account, pk__in=failed.order_by().values("pk"))
    if (never := never_of(account, "lead")) is not None:
        refused = refused.filter(~never)
    now = clock.now()
    with transaction.atomic():
        first = refused.order_by("pk").first()
        if first is None:
            raise CannotRecord(_("Nothing is left to try again: these were already tried again or dismissed."))
        run = BulkRun.objects.create(
            account=account,
            name=name or (_("Try again: %(change)s") % {"change": capfirst(str(first))})[:200],
            kind=first.kind,
            parameters=first.parameters,
            mixed=True,
            created_by=user_of(by),
            why=why,
        )
        run.expected = refused.update(closed_at=now, closed_by=user_of(by), retried_in=run)
        run.save(update_fields=["expected"])
        taken = LeadChange.objects.filter(retried_in=run)
        if not run.expected:
            raise CannotRecord(_("Nothing is left to try again: these were already tried again or dismissed."))
        check_person(by, account, run.expected)
        if any(kinds.get_kind(each).money for each in taken.order_by().values_list("kind", flat=True).distinct()):
            raise CannotRecord(
                _("What costs or moves money is not tried again in bulk. Ask for it again on the lead's page.")
            )
        bulk_insert.copy_again(run, taken, now)
        runs.start(run)
    return run
