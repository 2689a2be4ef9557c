"""Erases a person who asked to be forgotten. Whether somebody did is asked of `leads.forgotten`.

Nothing of them is deleted in Kartra, which has no command for it. The hashes are kept in a file under VAR_DIR too, so that
a restored backup forgets them again.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import ProtectedError, QuerySet
from django.utils.translation import gettext as _

from leads import clock
from leads.erasure import scrub
from leads.forgotten import asked_digests, kept_of
from leads.lock_conflicts import done_again
from leads.models import Account, ChangeStatus, Forgotten, Lead, LeadChange


class CannotForget(ValueError):
    """The person cannot be erased now. The text is a sentence for the person who asked."""


@done_again
def forget(lead: Lead) -> None:
    """Erase a lead and all that is known of it. Raises CannotForget while a change of it is on its way, and where somebody
    else has just erased it."""
    account = lead.account
    with transaction.atomic():
        held = Lead.objects.select_for_update().filter(pk=lead.pk).first()
        if held is None:
            raise CannotForget(_("This lead is not in our copy any more."))
        lead = held
        on_its_way = [ChangeStatus.SENDING, ChangeStatus.UNKNOWN]
        if LeadChange.objects.filter(lead=lead, status__in=on_its_way).exists():
            raise CannotForget(_("A change of this lead is on its way to Kartra. Try again when it has ended."))
        addresses = addresses_of(lead)
        digests = {
            digest for email in addresses for digest in kept_of(account, kartra_id=lead.kartra_id or "", email=email)
        }
        _erase(lead, addresses)
        _remember(account, digests)
    _keep_outside(account, digests)


def apply_again(account: Account) -> int:
    """After a restored backup: forget again whoever was forgotten since it was made. How many leads were erased."""
    kept = _kept_outside(account)
    _remember(account, kept)
    digests = kept | set(Forgotten.objects.filter(account=account).values_list("digest", flat=True))
    erased = 0
    if not digests:
        return 0
    for lead in Lead.objects.filter(account=account).only("pk", "kartra_id", "email", "account_id").iterator():
        if digests.intersection(asked_digests(account, kartra_id=lead.kartra_id or "", email=lead.email)):
            with transaction.atomic():
                _erase(lead, addresses_of(lead))
            erased += 1
    return erased


def addresses_of(lead: Lead) -> set[str]:
    """The address that a lead has, and those it had."""
    return {lead.email, *lead.emails.values_list("email", flat=True)}


def _erase(lead: Lead, addresses: set[str]) -> None:
    """Delete the lead and every row about it, of whichever app: changes, calls, messages, money, timeline."""
    scrub.blank(lead, addresses)
    run_ids = scrub.runs_of(lead)
    _delete(Lead.objects.filter(pk=lead.pk))
    scrub.settle_runs(run_ids)


def _delete(rows: QuerySet[Any]) -> None:
    """Delete the rows, and first those that protect them."""
    while True:
        try:
            rows.delete()
            return
        except ProtectedError as problem:
            for row in problem.protected_objects:
                _delete(type(row)._default_manager.filter(pk=row.pk))


def _remember(account: Account, digests: Iterable[str]) -> None:
    at = clock.now()
    Forgotten.objects.bulk_create(
        [Forgotten(account=account, digest=digest, at=at) for digest in sorted(digests)], ignore_conflicts=True
    )


def _file(account: Account) -> Path:
    return Path(settings.VAR_DIR) / "forgotten" / f"{account.pk}.txt"


def _keep_outside(account: Account, digests: Iterable[str]) -> None:
    path = _file(account)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        file.writelines(f"{digest}\n" for digest in sorted(digests))


def _kept_outside(account: Account) -> set[str]:
    try:
        return {line for line in _file(account).read_text().split() if ":" in line}
    except OSError:
        return set()
