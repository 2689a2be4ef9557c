"""Erases a person who asked to be forgotten. Whether somebody did is asked of `leads.forgotten`.

Nothing of them is deleted in Kartra, which has no command for it. The hashes are kept in a file under VAR_DIR too, so that
a restored backup forgets them again.
"""

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, ProtectedError, Q, QuerySet
from django.utils.translation import gettext as _

from leads import clock
from leads.access import Author
from leads.erasure import people_lists, scrub, texts
from leads.forgotten import asked_digests, kept_of
from leads.lock_conflicts import done_again
from leads.models import (
    Account,
    ChangeStatus,
    DataSubjectRequest,
    ErasureRemark,
    Forgotten,
    Lead,
    LeadChange,
    LeadEmail,
    RequestKind,
)
from leads.models.remarks import Remark, remark
from leads.person import parts, requests
from leads.person.naming import Person, person_of

SHARED = {
    "name": ErasureRemark.SHARED_NAME,
    "phone": ErasureRemark.SHARED_PHONE,
    "street": ErasureRemark.SHARED_STREET,
}


class CannotForget(ValueError):
    """The person cannot be erased now. The text is a sentence for the person who asked."""


def forget(lead: Lead, *, by: Author = None, asked_on: dt.date | None = None) -> DataSubjectRequest:
    """Erase a lead and all that is known of it, of whichever app; what was asked for and what came of it. Raises CannotForget
    while a change of it is on its way, and where somebody else has just erased it; then the request stands open."""
    if not Lead.objects.filter(pk=lead.pk).exists():
        raise CannotForget(_("This lead is not in our copy any more."))
    request = requests.begin(RequestKind.ERASURE, lead, by=by, asked_on=asked_on)
    others = elsewhere(lead).count()
    _forget(lead, request, others, by)
    return request


@done_again
def _forget(lead: Lead, request: DataSubjectRequest, others: int, by: Author) -> None:
    account = lead.account
    with transaction.atomic():
        held = Lead.objects.select_for_update().filter(pk=lead.pk).first()
        if held is None:
            raise CannotForget(_("This lead is not in our copy any more."))
        lead = held
        on_its_way = [ChangeStatus.SENDING, ChangeStatus.UNKNOWN]
        if LeadChange.objects.filter(lead=lead, status__in=on_its_way).exists():
            raise CannotForget(_("A change of this lead is on its way to Kartra. Try again when it has ended."))
        person = _person(lead)
        digests = {
            digest
            for email in person.addresses or {""}
            for digest in kept_of(account, kartra_id=lead.kartra_id or "", email=email)
        }
        counts = _erase(lead, person)
        _remember(account, digests)
        requests.finish(request, counts, _remarks(person, counts, others), by=by)
    _keep_outside(account, digests)


def elsewhere(lead: Lead) -> QuerySet[Lead]:
    """Other leads, of whichever account, that have or had one of the addresses: the same person, as far as we can tell."""
    keys = [lead.email_key, *lead.emails.values_list("email_key", flat=True)]
    had = LeadEmail.objects.filter(lead=OuterRef("pk"), email_key__in=set(keys) - {""})
    found = Q(email_key__in=set(keys) - {""}) | Q(Exists(had))
    return Lead.objects.filter(found).exclude(pk=lead.pk).select_related("account").order_by("account__name", "pk")


def apply_again(account: Account) -> int:
    """After a restored backup: forget again whoever was forgotten since it was made. How many leads were erased."""
    kept = _kept_outside(account)
    _remember(account, kept)
    digests = kept | set(Forgotten.objects.filter(account=account).values_list("digest", flat=True))
    erased = 0
    if not digests:
        return 0
    people_lists.blank_forgotten(account)
    for lead in Lead.objects.filter(account=account).only("pk", "kartra_id", "email", "account_id").iterator():
        if digests.intersection(asked_digests(account, kartra_id=lead.kartra_id or "", email=lead.email)):
            with transaction.atomic():
                _erase(lead, _person(lead))
            erased += 1
    return erased


def _person(lead: Lead) -> Person:
    return person_of(lead, parts.known_by(lead))


def _erase(lead: Lead, person: Person) -> parts.Counts:
    """Delete the lead and every row about it, of whichever app: changes, calls, messages, money, timeline. How many rows were
    removed or emptied, by table."""
    counts = scrub.blank(lead, person)
    run_ids = scrub.runs_of(lead)
    requests.release(lead, clock.now())
    _delete(Lead.objects.filter(pk=lead.pk), counts)
    scrub.settle_runs(run_ids)
    return counts


def _delete(rows: QuerySet[Any], counts: parts.Counts) -> None:
    """Delete the rows, and first those that protect them."""
    while True:
        try:
            _number, by_table = rows.delete()
        except ProtectedError as problem:
            for row in problem.protected_objects:
                _delete(type(row)._default_manager.filter(pk=row.pk), counts)
        else:
            counts.update({table.lower(): number for table, number in by_table.items()})
            return


def _remarks(person: Person, counts: parts.Counts, others: int) -> list[Remark]:
    """What we could not check, and what only Kartra can do."""
    found: list[Remark] = [remark(SHARED[what]) for what in person.shared]
    numbers = {
        ErasureRemark.OTHERS_WAITING: texts.waiting(person),
        ErasureRemark.ELSEWHERE: others,
        ErasureRemark.OTHERS_IN_KARTRA: counts[texts.OTHERS_LEADS],
        ErasureRemark.CALLED_AFTER: texts.names_in_kartra(person),
    }
    found += [remark(code, number=number) for code, number in numbers.items() if number]
    found += [remark(ErasureRemark.SPELLINGS), remark(ErasureRemark.FILES), remark(ErasureRemark.BACKUPS)]
    return [*found, remark(ErasureRemark.IN_KARTRA), remark(ErasureRemark.KARTRAS_COPIES)]


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
