"""The leads that somebody chose on the leads list: from the list's address, at that moment, to a selection, which is kept."""

from collections.abc import Iterable

from django.contrib.admin.options import IS_FACETS_VAR, IS_POPUP_VAR, TO_FIELD_VAR
from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, ORDER_VAR, PAGE_VAR
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext as _

from leads import access, filters
from leads.filters import CannotResolve, Selection, selection as selections
from leads.models import Lead, LeadChange, RunDraft

SHOWING = frozenset({ALL_VAR, ERROR_FLAG, IS_FACETS_VAR, IS_POPUP_VAR, ORDER_VAR, PAGE_VAR, TO_FIELD_VAR})
"""What of the list's address says how it is shown, and nothing of who is on it."""
OTHER_NAMES = {"account__id__exact": "account"}
"""Names by which links narrow the list, beside those of `leads.filters`."""


def of_list(query: QueryDict) -> Selection:
    """Everybody on the list of this address, on whichever of its pages. Raises CannotResolve where the list is narrowed by
    something that cannot be kept: to leave that out would widen the selection."""
    wanted: dict[str, list[str]] = {}
    for name, values in query.lists():
        if name in SHOWING:
            continue
        if name == filters.SEARCH:
            values = values[-1:]  # the list searches for what came last
        wanted.setdefault(OTHER_NAMES.get(name, name), []).extend(str(value) for value in values)
    if unknown := sorted(name for name in wanted if not filters.is_parameter(name)):
        words = _("The list is filtered by “%(name)s”, which cannot be saved. Use the filters of the page.")
        raise CannotResolve(words % {"name": unknown[0][:100]})
    try:
        return selections.of_conditions(wanted)
    except filters.Unreadable:
        raise CannotResolve(_("A filter of this list cannot be read, so the list is empty.")) from None


def of_ticks(pks: Iterable[str]) -> Selection:
    """The leads whose ticks are set."""
    return selections.WithIds(tuple(int(pk) for pk in pks if pk.isdecimal() and len(pk) < 18))


def leads_of(selection: Selection, people: Iterable[access.Author]) -> QuerySet[Lead]:
    """The leads that are meant, as they are now, of the accounts in which each of these people works. Raises CannotResolve."""
    accounts: frozenset[int] | None = None
    for theirs in map(access.accounts_of, people):
        accounts = theirs if accounts is None else accounts if theirs is None else accounts & theirs
    return filters.resolve(selection, accounts)


def leads_of_draft(request: HttpRequest, draft: RunDraft) -> QuerySet[Lead]:
    """The leads of the draft, as they are now; those on whom it was tried are done. Raises CannotResolve.

    Of the accounts of both: of who looks, and of who chose them."""
    leads = leads_of(selections.from_json(draft.selection), {request.user, draft.created_by})
    if draft.tried_id:
        leads = leads.filter(~Exists(LeadChange.objects.filter(run=draft.tried_id, lead=OuterRef("pk"))))
    return leads
