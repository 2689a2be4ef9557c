"""Likely second profiles: other leads of the account that may be the same person. A guess, never acted upon by itself."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Window
from django.utils.translation import gettext_lazy as _

from leads.models import Lead, LeadEmail

SHOWN = 10


def has_one() -> Q:
    """Leads, not deleted, that share the phone or the address with another of their account, or have an address that another
    had once. Each test looks over the leads once, not once for each lead."""
    before = LeadEmail.objects.filter(until__isnull=False, lead__gone_at=None)
    of_another = before.filter(email_key=OuterRef("email_key"), lead__account=OuterRef("account")).exclude(
        lead=OuterRef("pk")
    )
    had_once = ~Q(email_key="") & Q(email_key__in=before.values("email_key")) & Q(Exists(of_another))
    return Q(gone_at=None) & (Q(pk__in=_sharing("phone")) | Q(pk__in=_sharing("email_key")) | had_once)


def _sharing(field: str) -> QuerySet[Any, Any]:
    """Primary keys of the leads, not deleted, that have the same in this field as another of their account."""
    told = Lead.objects.filter(gone_at=None).exclude(**{field: ""}).order_by()
    alike = Window(Count("pk"), partition_by=[F("account"), F(field)])
    return told.annotate(alike=alike).filter(alike__gt=1).values("pk")


@dataclass(frozen=True)
class Likely:
    """Another lead, and why it may be the same person."""

    lead: Lead
    why: Any


def likely(lead: Lead) -> list[Likely]:
    """At most SHOWN other leads that may be this person, those of the same address first. Three queries."""
    keys = {key for key in lead.emails.values_list("email_key", flat=True)[:SHOWN] if key}
    keys |= {lead.email_key} - {""}
    had_one = LeadEmail.objects.filter(email_key__in=keys, lead__account=lead.account_id).exclude(lead=lead)
    wanted = Q(email_key__in=keys) | Q(pk__in=list(had_one.values_list("lead_id", flat=True)[:SHOWN]))
    if lead.phone:
        wanted |= Q(phone=lead.phone)
    others = Lead.objects.filter(wanted, account=lead.account_id, gone_at=None).exclude(pk=lead.pk)
    found = [
        Likely(other, _why(lead, other, keys)) for other in others.order_by()[:SHOWN]
    ]  # an order would cost a scan
    return sorted(found, key=lambda each: (each.lead.email_key not in keys, each.lead.pk))


def _why(lead: Lead, other: Lead, keys: set[str]) -> Any:
    if lead.email_key and other.email_key == lead.email_key:
        return _("the same address")
    if other.email_key in keys:
        return _("has an address that this lead had")
    if lead.phone and other.phone == lead.phone:
        return _("the same phone number")
    return _("had an address of this lead's")
