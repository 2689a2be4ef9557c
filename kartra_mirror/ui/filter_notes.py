"""How far sales are known where somebody filters by them: transactions are read slowly, lead by lead."""

from collections.abc import Iterable

from django.db.models import QuerySet
from django.utils.translation import ngettext

from leads import access, filters
from leads.filters import NOT, money
from leads.models import Lead

BY_SALES = frozenset(f"{prefix}{part.name}" for each in money.CONDITIONS for part in each.parts for prefix in ("", NOT))


def unread(user: access.RequestUser) -> QuerySet[Lead]:
    """The person's leads whose transactions were never read."""
    return access.only_mine(Lead.objects.filter(orders_read_at=None, gone_at=None), user)


def warning(conditions: Iterable[str], user: access.RequestUser) -> str:
    """A sentence where a filter asks for sales that are not read of every lead yet; empty elsewhere. At most one query."""
    if not BY_SALES & set(map(filters.inner, conditions)):
        return ""
    number = unread(user).order_by().count()
    if not number:
        return ""
    words = ngettext(
        "We have not checked the transactions of %(number)s lead yet, and know only its sales from messages "
        "and files. This filter may be wrong about it.",
        "We have not checked the transactions of %(number)s leads yet, and know only their sales from messages "
        "and files. This filter may be wrong about them.",
        number,
    )
    return words % {"number": f"{number:,}"}
