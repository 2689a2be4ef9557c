"""The members of a set of leads: of one account, and without those whom no bulk action touches, whichever way they were chosen.

Whoever counts, judges or records a bulk action asks here."""

from django.db.models import Exists, OuterRef, Q, QuerySet

from leads.filters.base import Unreadable
from leads.filters.resolving import is_member
from leads.models import Account, Lead


def members_of(account: Account, leads: QuerySet[Lead]) -> QuerySet[Lead]:
    """The set as a plain query on leads, whatever joins and order the given one has, without whom no bulk action touches."""
    never = never_touched(account)
    return _plain(account, leads) if never is None else _plain(account, leads).filter(~never)


def never_among(account: Account, leads: QuerySet[Lead]) -> QuerySet[Lead]:
    """Those of the set whom no bulk action touches."""
    never = never_touched(account)
    return Lead.objects.none() if never is None else _plain(account, leads).filter(never)


def never_touched(account: Account) -> Q | None:
    """Whether no bulk action touches a lead of the account, as a condition; None where the account names no segment of such. One
    that cannot be read leaves out everybody: what is not understood must never widen a set."""
    if account.never_touched is None:
        return None
    try:
        return is_member(account.never_touched)
    except Unreadable:
        return Q(pk__isnull=False)


def never_of(account: Account, to_lead: str) -> Exists | None:
    """The same of rows that lead to a lead."""
    never = never_touched(account)
    return None if never is None else Exists(Lead.objects.filter(never, pk=OuterRef(to_lead)))


def _plain(account: Account, leads: QuerySet[Lead]) -> QuerySet[Lead]:
    """One that is plain already stays as it is: a list of its keys would cost as much as the rest."""
    query = leads.query
    joined = [alias for alias, uses in query.alias_refcount.items() if uses and alias != query.base_table]
    if not (joined or query.distinct or query.is_sliced or query.combinator or query.group_by or query.extra):
        return leads.order_by().filter(account=account)
    return Lead.objects.filter(account=account, pk__in=leads.order_by().values("pk"))
