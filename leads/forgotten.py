"""The question "is this one to stay out?": people who asked to be forgotten are known again by a keyed hash alone.

The work of forgetting is in `leads.erasure`.
"""

import hashlib
import hmac
from collections.abc import Mapping

from django.conf import settings
from django.db.models import F

from leads.models import Account, Forgotten, RowRemark, normal_email
from leads.models.remarks import remark, sentence_of

REMARK = remark(RowRemark.FORGOTTEN)
"""Stands beside what was blanked, which is known again by it."""


class LeftOut(ValueError):
    """This person asked to be forgotten. The text is a sentence that names nobody. Whoever catches it may `note` it: the
    transaction in which it was met is rolled back."""

    def __init__(self, account_id: int, digests: list[str]) -> None:
        super().__init__(sentence_of(REMARK))
        self._met = Forgotten.objects.filter(account=account_id, digest__in=digests)

    def note(self) -> None:
        """Count that this person was met again."""
        self._met.update(met=F("met") + 1)


def keyed_hash(account: Account | int, what: str) -> str:
    """All that is kept of somebody who asked to be forgotten."""
    number = account if isinstance(account, int) else account.pk
    return hmac.new(settings.DIGEST_KEY.encode(), f"forgotten\0{number}\0{what}".encode(), hashlib.sha256).hexdigest()


def digests_of(account: Account | int, *, kartra_id: str = "", email: str = "") -> list[str]:
    """The keyed hashes of an id and an address."""
    found = [keyed_hash(account, f"id:{kartra_id.strip()}")] if kartra_id and kartra_id.strip() else []
    key = normal_email(email)
    return [*found, keyed_hash(account, f"email:{key}")] if key else found


def asked_digests(account: Account | int, *, kartra_id: str = "", email: str = "") -> list[str]:
    """The hashes by which somebody is known again: those of now, and that of an address as it was compared formerly."""
    formerly = (email or "").strip().casefold()[:320]
    found = digests_of(account, kartra_id=kartra_id, email=email)
    return found if formerly in ("", normal_email(email)) else [*found, keyed_hash(account, f"email:{formerly}")]


def check(account: Account | int, *, kartra_id: str = "", email: str = "") -> None:
    """Raises LeftOut for the id or address of somebody who asked to be forgotten."""
    number = account if isinstance(account, int) else account.pk
    digests = asked_digests(number, kartra_id=kartra_id, email=email)
    if Forgotten.objects.filter(account=number, digest__in=digests).exists():
        raise LeftOut(number, digests)


def forgotten_among(account: Account, people: Mapping[int, tuple[str, str]], *, note: bool = True) -> set[int]:
    """Which of many, {key: (Kartra id, email)}, asked to be forgotten. One query, and one more to `note` that they were
    met again."""
    by_digest: dict[str, set[int]] = {}
    for key, (kartra_id, email) in people.items():
        for digest in asked_digests(account, kartra_id=kartra_id, email=email):
            by_digest.setdefault(digest, set()).add(key)
    known = Forgotten.objects.filter(account=account)
    if not known.exists():
        return set()
    met = list(known.filter(digest__in=by_digest).values_list("digest", flat=True))
    if note:
        known.filter(digest__in=met).update(met=F("met") + 1)
    return set().union(*(by_digest[digest] for digest in met)) if met else set()
