"""Searching leads: every word in the address, name, phone or company, or the Kartra id as a whole; a phone number by its digits,
however it is written; several addresses and nothing else find those people."""

import functools
import operator
from typing import Any, TypeVar

from django.db.models import F, Func, Model, Q, QuerySet, TextField, Value
from django.db.models.functions import Replace

from leads.filters.base import Unreadable
from leads.models import Lead
from leads.texts import forms_of, normal_email, without_invisible

Rows = TypeVar("Rows", bound=Model)

SEARCHED = ("email", "first_name", "last_name", "phone", "company")


class AsOneText(Func):
    """The searched fields as one text, a space between them: a word holds none, so it lies within one field.

    The index that PostgreSQL searches by is of this very expression in capitals (migration 0002), so both change together.
    """

    template = "(%(expressions)s)"
    arg_joiner = " || ' ' || "
    output_field: Any = TextField()


PHONE_SIGNS = " ()-./+"
"""What people write between the digits of a phone number."""
FEWEST_DIGITS, MOST_DIGITS = 6, 9
"""Of fewer digits no phone number is searched; of more the last ones, as the first may say the country in several ways."""


def phone_digits() -> Any:
    """A lead's phone without the signs between its digits. The index that PostgreSQL searches by is of this very expression
    (migration 0004), so both change together."""
    plain: Any = F("phone")
    for sign in PHONE_SIGNS:
        plain = Replace(plain, Value(sign), Value(""), output_field=TextField())
    return plain


MOST_WORDS = 50
"""So many different words can be searched for at once; nobody is found by more."""
MOST_ADDRESSES = 2000


def words_of(text: str) -> list[str]:
    """The words of a search, each once."""
    return list(dict.fromkeys(without_invisible(text.replace("\x00", " ")).split()))


def search(leads: QuerySet[Lead], text: str) -> QuerySet[Lead]:
    """Leads in whose address, name, phone or company every word occurs, or whose Kartra id it is; more words than can be
    searched for find nobody."""
    try:
        return searchable(leads).filter(searched(text)) if words_of(text) else leads
    except Unreadable:
        return leads.none()


def searchable(leads: QuerySet[Lead]) -> QuerySet[Lead]:
    """The leads with what `searched` looks at."""
    return leads.alias(searched=AsOneText(*SEARCHED), phone_digits=phone_digits())


def searched(text: str) -> Q:
    """As `search`, as a condition on `searchable` leads; without a word everybody fits. Raises Unreadable."""
    words = words_of(text)
    addresses = [word.strip(",;<>") for word in words]
    if len(words) > 1 and all("@" in word for word in addresses):
        if len(words) > MOST_ADDRESSES:
            raise Unreadable("search")
        return Q(email_key__in={normal_email(word) for word in addresses})
    if len(words) > MOST_WORDS:
        raise Unreadable("search")
    found = Q(pk__isnull=False) if not words else Q()
    for word in words:
        forms = functools.reduce(operator.or_, (Q(searched__icontains=form) for form in sorted(forms_of(word))))
        whole = Q(email_key=normal_email(word)) if "@" in word else Q(kartra_id=word)
        found &= whole | forms
    digits = _digits(text)
    return found | Q(phone_digits__contains=digits) if digits else found


def _digits(text: str) -> str:
    """The digits of a text that can only be a phone number, else ""."""
    plain = "".join(sign for sign in text if sign not in PHONE_SIGNS)
    is_phone = plain.isascii() and plain.isdigit() and len(plain) >= FEWEST_DIGITS
    return plain[-MOST_DIGITS:] if is_phone else ""


FEW = 500
"""So many leads are named one by one where something of theirs is looked for; of more the search itself is asked again."""


def of_leads(rows: QuerySet[Rows], text: str) -> QuerySet[Rows] | None:
    """The rows about the leads that a search finds, of whatever table has a `lead`; None where it finds no lead."""
    leads = search(Lead.objects.all(), text)
    found = list(leads.order_by().values_list("pk", flat=True)[: FEW + 1])
    if not found:
        return None
    return rows.filter(lead__in=found if len(found) <= FEW else leads.order_by().values("pk"))
