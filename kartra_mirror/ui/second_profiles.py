"""Since when it is known who may be a second profile, where somebody filters by it: that is searched for now and then."""

from collections.abc import Mapping, Sequence

from django.db.models import Min
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from leads import access, filters
from leads.models import Account, SecondProfileSearch


def as_of(conditions: Mapping[str, Sequence[str]], user: access.RequestUser) -> str:
    """A sentence where a filter asks for second profiles; empty elsewhere. At most two queries."""
    if not any(filters.inner(name).endswith("copy") and "second" in values for name, values in conditions.items()):
        return ""
    searches = access.only_mine(SecondProfileSearch.objects.all(), user)
    if access.only_mine(Account.objects.filter(second_profile_search=None), user).exists():
        return _("Possible second profiles are being searched for the first time; look again in some minutes.")
    oldest = searches.aggregate(at=Min("at"))["at"]
    if oldest is None:
        return ""
    when = date_format(timezone.localtime(oldest), "j M Y H:i")
    return _("Possible second profiles as of %(when)s.") % {"when": when}
