"""The question "is this one to stay out?": people who asked to be forgotten are known again by a keyed hash alone.

The work of forgetting is in `leads.erasure`.
"""

from collections.abc import Mapping

from django.db.models import F

from leads.models import Account, Forgotten, RowRemark, normal_email
from leads.models.digests import digests, newest
from leads.models.remarks import remark, sentence_of

PURPOSE = "forgotten"

REMARK = remark(RowRemark.FORGOTTEN)
"""Stands beside what was blanked, which is known again by it."""


class LeftOut(ValueError):
    """This person asked to be forgotten. The text is a sentence that names nobody. Whoever catches it may `note` it: the
    transaction in which it was met is rolled back."""

    def __init__(self, account_id: int, asked: Mapping[str, str]) -> None:
        super().__init__(sentence_of(REMARK))
        self._account_id, self._asked = account_id, asked

    def note(self) -> None:
        """Count that this person was met again."""
        _met(self._account_id, self._asked)


def kept_of(account: Account | int, *, kartra_id: str = "", email: str = "") -> list[str]:
    """All that is kept of somebody who asked to be forgotten: keyed digests of the id and the address."""
    return [newest(PURPOSE, text) for text in _texts(account, kartra_id, normal_email(email))]


def asked_digests(account: Account | int, *, kartra_id: str = "", email: str = "") -> dict[str, str]:
    """The digests by which somebody is known again, by every key, and of an address also as it was compared formerly; with each
    the one that is kept now."""
    formerly = (email or "").strip().casefold()[:320]
    texts = {*_texts(account, kartra_id, normal_email(email)), *_texts(account, "", formerly)}
    return {each: own[0] for text in texts for own in [digests(PURPOSE, text)] for each in own}


def _texts(account: Account | int, kartra_id: str, address: str) -> list[str]:
    number = account if isinstance(account, int) else account.pk
    told = {"id": (kartra_id or "").strip(), "email": address}
    return [f"{number}\0{what}:{value}" for what, value in told.items() if value]


def check(account: Account | int, *, kartra_id: str = "", email: str = "") -> None:
    """Raises LeftOut for the id or address of somebody who asked to be forgotten."""
    number = account if isinstance(account, int) else account.pk
    asked = asked_digests(number, kartra_id=kartra_id, email=email)
    if Forgotten.objects.filter(account=number, digest__in=asked).exists():
        raise LeftOut(number, asked)


def forgotten_among(account: Account, people: Mapping[int, tuple[str, str]], *, note: bool = True) -> set[int]:
    """Which of many, {key: (Kartra id, email)}, asked to be forgotten. One query, and one more to `note` that they were
    met again."""
    known = Forgotten.objects.filter(account=account)
    if not known.exists():
        return set()
    by_digest: dict[str, set[int]] = {}
    asked: dict[str, str] = {}
    for key, (kartra_id, email) in people.items():
        own = asked_digests(account, kartra_id=kartra_id, email=email)
        asked |= own
        for digest in own:
            by_digest.setdefault(digest, set()).add(key)
    met = list(known.filter(digest__in=by_digest).values_list("digest", flat=True))
    if note and met:
        _met(account.pk, {digest: asked[digest] for digest in met})
    return set().union(*(by_digest[digest] for digest in met)) if met else set()


def _met(account_id: int, asked: Mapping[str, str]) -> None:
    """Count that these were met again, and move each to the newest key, now that its text is at hand."""
    rows = Forgotten.objects.filter(account=account_id)
    met = rows.filter(digest__in=asked)
    met.update(met=F("met") + 1)
    for row in met:
        if (kept := asked[row.digest]) != row.digest:
            if rows.filter(digest=kept).exists():
                row.delete()
            else:
                rows.filter(pk=row.pk).update(digest=kept)
