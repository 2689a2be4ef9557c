"""The leads that somebody chose on the leads list, as a draft keeps them: by ids, or by the list's own query."""

import copy

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, QueryDict

from leads import access
from leads.models import Lead, LeadChange, RunDraft


def leads_of_draft(request: HttpRequest, draft: RunDraft) -> QuerySet[Lead]:
    """The leads of the draft, as they are now: the list's own query is asked again. Those on whom it was tried are done.

    Of the accounts of both: of who looks, and of who chose them."""
    if "ids" in draft.selection:
        leads: QuerySet[Lead] = Lead.objects.filter(pk__in=draft.selection["ids"])
    else:
        listing = copy.copy(request)
        listing.method = "GET"
        listing.GET = QueryDict(draft.selection["query"])
        lead_admin = admin.site.get_model_admin(Lead)
        found: QuerySet[Lead] = lead_admin.get_changelist_instance(listing).get_queryset(listing)
        leads = Lead.objects.filter(pk__in=found.order_by().values("pk"))
    for person in {request.user, draft.created_by}:
        leads = access.only_mine(leads, person)
    if draft.tried_id:
        leads = leads.filter(~Exists(LeadChange.objects.filter(run=draft.tried_id, lead=OuterRef("pk"))))
    return leads
