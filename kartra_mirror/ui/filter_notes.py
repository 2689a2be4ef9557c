"""What a reader should know of a filter: of how many leads the sales are not read yet, since when second profiles are known."""

from collections.abc import Iterable, Mapping, Sequence

from django.db.models import Min, QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _, ngettext

from kartra_mirror.ui.pagination import counted
from leads import access, filters
from leads.filters import NOT, money
from leads.models import Account, Lead, SecondProfileSearch

BY_SALES = frozenset(f"{prefix}{part.name}" for each in money.CONDITIONS for part in each.parts for prefix in ("", NOT))


def without_sales(user: access.RequestUser) -> QuerySet[Lead]:
    """The person's leads whose transactions were never read."""
    return access.only_mine(Lead.objects.filter(orders_read_at=None, gone_at=None), user)


def of_sales(conditions: Iterable[str], user: access.RequestUser) -> str:
    """A sentence where a filter asks for sales that are not read of every lead yet: transactions are read slowly, lead by lead.
    Empty elsewhere. At most one query."""
    if not BY_SALES & set(map(filters.inner, conditions)):
        return ""
    number, more = counted(without_sales(user))
    if not number:
        return ""
    words = ngettext(
        "We have not checked the transactions of %(number)s lead yet, and know only its sales from messages "
        "and files. This filter may be wrong about it.",
        "We have not checked the transactions of %(number)s leads yet, and know only their sales from messages "
        "and files. This filter may be wrong about them.",
        number,
    )
    return words % {"number": _("more than %(leads)s") % {"leads": f"{number:,}"} if more else f"{number:,}"}


def of_second_profiles(conditions: Mapping[str, Sequence[str]], user: access.RequestUser) -> str:
    """A sentence where a filter asks for second profiles, which are searched for now and then. Empty elsewhere. At most two
    queries."""
    if not any(filters.inner(name).endswith("copy") and "second" in values for name, values in conditions.items()):
        return ""
    if access.only_mine(Account.objects.filter(second_profile_search=None), user).exists():
        return _("Possible second profiles are being searched for the first time; look again in some minutes.")
    oldest = access.only_mine(SecondProfileSearch.objects.all(), user).aggregate(at=Min("at"))["at"]
    if oldest is None:
        return ""
    return _("Possible second profiles as of %(when)s.") % {
        "when": date_format(timezone.localtime(oldest), "j M Y H:i")
    }
