"""Likely second profiles: other leads of the account that may be the same person. A guess, never acted upon by itself."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from leads.models import Lead, LeadEmail

SHOWN = 10


def has_one() -> Q:
    """Leads, not deleted, that share the phone or the address with another of their account, or have an address that another
    had once. Each test is one look into an index for each lead: a list of all that share something would be searched from end to
    end for each of a million."""
    before = LeadEmail.objects.filter(until__isnull=False, lead__gone_at=None, email_key=OuterRef("email_key"))
    had_once = Exists(before.filter(lead__account=OuterRef("account")).exclude(lead=OuterRef("pk")))
    return Q(gone_at=None) & (_shared("phone") | _shared("email_key") | (~Q(email_key="") & Q(had_once)))


def _shared(field: str) -> Q:
    """Leads that have the same in this field as another of their account that is not deleted."""
    alike = Lead.objects.filter(account=OuterRef("account"), gone_at=None, **{field: OuterRef(field)})
    return ~Q(**{field: ""}) & Q(Exists(alike.exclude(pk=OuterRef("pk"))))


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
