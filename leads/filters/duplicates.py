"""Likely second profiles: other leads of the account that may be the same person. A guess, never acted upon by itself.

Of one lead it is asked when its page is opened; of all of an account they are searched for now and then, and kept."""

import datetime as dt
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from leads.filters.base import Unreadable
from leads.models import Account, Lead, LeadEmail, SecondProfile, SecondProfileSearch

SHOWN = 10
APART = dt.timedelta(minutes=1)
APART_BY_COST = 200
BATCH = 2000


def has_one() -> Q:
    """Leads, not deleted, that the last search of their account found (`search`). Raises Unreadable while an account was never
    searched: to leave such leads out would leave out nobody."""
    if Account.objects.filter(second_profile_search=None).exists():
        raise Unreadable("second")
    return Q(gone_at=None) & Q(Exists(SecondProfile.objects.filter(lead=OuterRef("pk"))))


def due_for_search(at: dt.datetime) -> list[int]:
    """The accounts that are to be searched again, by primary key: each takes at most a two-hundredth of the time."""
    fresh = [
        search.account_id
        for search in SecondProfileSearch.objects.all()
        if search.at > at - max(APART, APART_BY_COST * dt.timedelta(seconds=search.took_s))
    ]
    return list(Account.objects.exclude(pk__in=fresh).order_by("pk").values_list("pk", flat=True))


def search_soon(account_id: int) -> None:
    """Many leads came at once: the account is searched again as soon as its last search is APART ago, whatever that one took."""
    SecondProfileSearch.objects.filter(account=account_id).update(took_s=0)


def search(account: Account | int, at: dt.datetime) -> None:
    """Find the leads of the account that share the phone or the address with another, or have an address that another had once,
    and keep which they are. Only what became different is written, in short transactions."""
    account_id = account if isinstance(account, int) else account.pk
    began = time.monotonic()
    known = SecondProfile.objects.filter(lead__account=account_id).order_by("lead")
    gone, new = differences(known.values_list("lead", flat=True).iterator(), _sharing(account_id).iterator())
    for first in range(0, len(gone), BATCH):
        SecondProfile.objects.filter(pk__in=gone[first : first + BATCH]).delete()
    for first in range(0, len(new), BATCH):
        with transaction.atomic():  # one that is erased or folded into another meanwhile is none
            there = Lead.objects.filter(pk__in=new[first : first + BATCH]).order_by("pk").select_for_update(no_key=True)
            rows = [SecondProfile(lead_id=pk) for pk in there.values_list("pk", flat=True)]
            SecondProfile.objects.bulk_create(rows, ignore_conflicts=True)
    told = {"at": at, "took_s": time.monotonic() - began}
    SecondProfileSearch.objects.update_or_create(account_id=account_id, defaults=told)


def _sharing(account_id: int) -> QuerySet[Any, int]:
    """Each way is a query of its own over the groups that share: as alternatives of one they would be asked for each lead."""
    leads = Lead.objects.filter(account=account_id, gone_at=None).order_by()

    def shared(field: str) -> QuerySet[Any, Any]:
        groups = leads.exclude(**{field: ""}).values(field).annotate(n=Count("pk")).filter(n__gt=1)
        return leads.filter(**{f"{field}__in": groups.values(field)})

    once = LeadEmail.objects.filter(until__isnull=False, lead__account=account_id, lead__gone_at=None)
    others = once.filter(email_key=OuterRef("email_key")).exclude(lead=OuterRef("pk"))
    had_once = leads.exclude(email_key="").filter(email_key__in=once.values("email_key")).filter(Exists(others))
    ways = [each.values_list("pk", flat=True) for each in (shared("phone"), shared("email_key"), had_once)]
    return ways[0].union(*ways[1:]).order_by("pk")


def differences(known: Iterator[int], found: Iterator[int]) -> tuple[list[int], list[int]]:
    """What stands in only one of two rising sequences: (of the first, of the second)."""
    gone: list[int] = []
    new: list[int] = []
    one, other = next(known, None), next(found, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one < other):
            gone.append(one)  # type: ignore[arg-type]
            one = next(known, None)
        elif one is None or other < one:
            new.append(other)
            other = next(found, None)
        else:
            one, other = next(known, None), next(found, None)
    return gone, new


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
