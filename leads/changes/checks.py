"""Whether a wish may be recorded: what the person may ask for, and what the kind takes. Records nothing itself."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.text import capfirst
from django.utils.translation import gettext as _, ngettext

from leads import access, kinds
from leads.access import Author
from leads.changes.members import members_of
from leads.models import OPEN, Account, Lead, LeadChange, normal_email


class CannotRecord(ValueError):
    """The wish cannot be recorded. The text is a sentence for the person who asked."""


def check_person(
    by: Author,
    account: Account,
    size: int,
    kind: kinds.ChangeKind | None = None,
    clean: Mapping[str, Any] | None = None,
) -> None:
    """Whether this is within what the person may ask for alone."""
    try:
        access.check_account(by, account)
        access.check_run(by, size)
        if kind is not None and clean is not None and kind.refund_amounts is not None:
            access.check_refund(by, *kind.refund_amounts(account, clean))
    except access.NotAllowed as problem:
        raise CannotRecord(str(problem)) from None


def why_not(account: Account, leads: QuerySet[Lead], kind: kinds.ChangeKind, clean: Mapping[str, Any]) -> str:
    """Why a run cannot be recorded of these leads, whoever asks; empty if it can."""
    members = members_of(account, leads)
    try:
        check_members(members, kind, clean, members.count())
    except CannotRecord as problem:
        return str(problem)
    return ""


def check_members(leads: QuerySet[Lead], kind: kinds.ChangeKind, clean: Mapping[str, Any], size: int) -> None:
    for part, parameters in kind.parts(clean):
        _check_part(leads, part, parameters, size)


def _check_part(leads: QuerySet[Lead], kind: kinds.ChangeKind, clean: Mapping[str, Any], size: int) -> None:
    most = kind.max_leads(clean)
    if most is not None and size > most:
        words = ngettext(
            "%(kind)s: %(size)s leads at once is too many; at most %(most)s is allowed.",
            "%(kind)s: %(size)s leads at once is too many; at most %(most)s are allowed.",
            most,
        )
        told = words % {"kind": kind.label, "size": f"{size:,}", "most": f"{most:,}"}
        raise CannotRecord(f"{told} {kind.max_leads_words}".strip())
    each = Lead.objects.filter(pk=OuterRef("pk"))
    fitting = kind.applicable_q(each, clean)  # the same for a kind that can be meant for everybody
    if fitting is not each and leads.filter(~Exists(fitting)).exists():
        raise CannotRecord(kind.not_applicable_words)
    if kind.edits and clean.get("email"):
        _check_address(leads, clean["email"])
    if kind.exclusive:
        account = leads.values("account")[:1]
        open_ones = LeadChange.objects.filter(account__in=account, family=kind.family(clean), status__in=OPEN)
        other = open_ones.first()
        if other is not None:
            raise CannotRecord(
                _("“%(change)s” has not ended yet. Wait for it, or decide about it first.")
                % {"change": capfirst(str(other))}
            )


def _check_address(leads: QuerySet[Lead], email: str) -> None:
    """No two leads of an account share an address; Kartra would refuse it."""
    others = Lead.objects.filter(account__in=leads.values("account"), email_key=normal_email(email), gone_at=None)
    other = others.filter(~Exists(leads.filter(pk=OuterRef("pk")))).exclude(kartra_id=None).first()
    if other is not None:
        raise CannotRecord(
            _("%(email)s is the address of another lead: %(lead)s (%(id)s in Kartra). Change that one first.")
            % {"email": email, "lead": other, "id": other.kartra_id}
        )
