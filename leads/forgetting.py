"""People who asked to be forgotten: erased here, known again by a keyed hash alone, and left out at every entrance.

Nothing of them is deleted in Kartra, which has no command for it. The hashes are kept in a file under VAR_DIR too, so that
a restored backup forgets them again.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, ProtectedError, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from leads import clock, traces
from leads.models import Account, ChangeStatus, Forgotten, Lead, LeadChange, normal_email
from leads.passing import done_again

WORDS = gettext_noop("This person asked to be forgotten and is left out.")
"""Stored like this beside what was blanked, and known again by it; pages translate it."""


class LeftOut(ValueError):
    """This person asked to be forgotten. The text is a sentence that names nobody. Whoever catches it may `note` it: the
    transaction in which it was met is rolled back."""

    def __init__(self, account_id: int, digests: list[str]) -> None:
        super().__init__(_(WORDS))
        self._met = Forgotten.objects.filter(account=account_id, digest__in=digests)

    def note(self) -> None:
        """Count that this person was met again."""
        self._met.update(met=F("met") + 1)


class CannotForget(ValueError):
    """The person cannot be erased now. The text is a sentence for the person who asked."""


def _digest(account: Account | int, what: str) -> str:
    number = account if isinstance(account, int) else account.pk
    return hmac.new(settings.DIGEST_KEY.encode(), f"forgotten\0{number}\0{what}".encode(), hashlib.sha256).hexdigest()


def digests_of(account: Account | int, *, kartra_id: str = "", email: str = "") -> list[str]:
    """The keyed hashes of an id and an address."""
    found = [_digest(account, f"id:{kartra_id.strip()}")] if kartra_id and kartra_id.strip() else []
    key = normal_email(email)
    return [*found, _digest(account, f"email:{key}")] if key else found


def _asked(account: Account | int, *, kartra_id: str = "", email: str = "") -> list[str]:
    """The hashes by which somebody is known again: those of now, and that of an address as it was compared formerly."""
    formerly = (email or "").strip().casefold()[:320]
    found = digests_of(account, kartra_id=kartra_id, email=email)
    return found if formerly in ("", normal_email(email)) else [*found, _digest(account, f"email:{formerly}")]


def check(account: Account | int, *, kartra_id: str = "", email: str = "") -> None:
    """Raises LeftOut for the id or address of somebody who asked to be forgotten."""
    number = account if isinstance(account, int) else account.pk
    digests = _asked(number, kartra_id=kartra_id, email=email)
    if Forgotten.objects.filter(account=number, digest__in=digests).exists():
        raise LeftOut(number, digests)


def forgotten_among(account: Account, people: Mapping[int, tuple[str, str]], *, note: bool = True) -> set[int]:
    """Which of many, {key: (Kartra id, email)}, asked to be forgotten. One query, and one more to `note` that they were
    met again."""
    by_digest: dict[str, set[int]] = {}
    for key, (kartra_id, email) in people.items():
        for digest in _asked(account, kartra_id=kartra_id, email=email):
            by_digest.setdefault(digest, set()).add(key)
    known = Forgotten.objects.filter(account=account)
    if not known.exists():
        return set()
    met = list(known.filter(digest__in=by_digest).values_list("digest", flat=True))
    if note:
        known.filter(digest__in=met).update(met=F("met") + 1)
    return set().union(*(by_digest[digest] for digest in met)) if met else set()


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
            digest for email in addresses for digest in digests_of(account, kartra_id=lead.kartra_id or "", email=email)
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
        if digests.intersection(_asked(account, kartra_id=lead.kartra_id or "", email=lead.email)):
            with transaction.atomic():
                _erase(lead, addresses_of(lead))
            erased += 1
    return erased


def addresses_of(lead: Lead) -> set[str]:
    """The address that a lead has, and those it had."""
    return {lead.email, *lead.emails.values_list("email", flat=True)}


def _erase(lead: Lead, addresses: set[str]) -> None:
    """Delete the lead and every row about it, of whichever app: changes, calls, messages, money, timeline."""
    traces.blank(lead, addresses, WORDS)
    run_ids = traces.runs_of(lead)
    _delete(Lead.objects.filter(pk=lead.pk))
    traces.settle_runs(run_ids)


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
        return {line for line in _file(account).read_text().split() if len(line) == 64}
    except OSError:
        return set()
