"""What Kartra refused: by cause, tried again once the cause is mended, or closed with a reason."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, QuerySet
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from leads import clock, kinds
from leads.access import Author, user_of
from leads.models import Account, BulkRun, LeadChange


@dataclass(frozen=True)
class Group:
    """Refused changes with one cause: the same kind, about the same thing, with the same code."""

    account_id: int
    kind: str
    family: str
    code: str
    message: str
    number: int
    last_at: Any

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


def groups(failed: QuerySet[LeadChange], most: int = 200) -> list[Group]:
    """The refused changes by cause, most frequent first. One query."""
    rows = (
        failed.order_by()
        .values("account_id", "kind", "family", "code")
        .annotate(number=Count("pk"), last_at=Max("settled_at"), message=Max("message"))
        .order_by("-number", "kind", "family")[:most]
    )
    return [Group(**row) for row in rows]


def close(failed: QuerySet[LeadChange], *, by: Author = None, why: str = "") -> int:
    """Nothing more is to be done about these; they leave the list of failed changes. How many."""
    return LeadChange.objects.filter(pk__in=failed.failed().values("pk")).update(  # type: ignore[attr-defined]
        closed_at=clock.now(), closed_why=why, closed_by=user_of(by)
    )


def retry(
    account: Account, failed: QuerySet[LeadChange], *, by: Author = None, why: str = "", name: str = ""
) -> BulkRun:
    """Record the refused changes anew, as one bulk action; each is linked to its first try, which is closed by it.

    Raises CannotRecord when nothing is left to try again.
    """
    from leads import changes

    failed = LeadChange.objects.failed().filter(account=account, pk__in=failed.order_by().values("pk"))
    first = failed.order_by("pk").first()
    named = name or (_("Try again: %(change)s") % {"change": capfirst(str(first or ""))})[:200]
    return changes.record_again(account, failed, by=by, why=why, name=named)
