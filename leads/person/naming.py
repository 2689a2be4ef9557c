"""By what a text names a person: the Kartra id, every address they had, first and last name together, telephone, street.

A first name alone, a nickname or a town is nobody's. What another lead of the account has too (a namesake, a household's
telephone) names nobody in particular, and `shared` says so.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet

from leads.models import Lead, normal_email
from leads.person.spellings import readings, readings_of_bytes
from leads.texts import comparable

Row = TypeVar("Row", bound=Model)

REMOVED = "[…]"
"""Stands in a text for what named the person."""

PLAIN_ID = 6
"""A number of fewer digits is an id only beside the word for one."""
FEWEST_DIGITS = 7
"""A telephone number of fewer digits is not looked for."""
FEWEST_LETTERS = 8
"""A street of fewer letters, or without a number, is not looked for."""

MOST_TELLING = 500
"""So many of a person's sales and messages are asked for telephones and streets, the latest."""

ESCAPED = r"[^\x01-\x7f]|\\|&|%"
"""A text, or JSON as the database holds it, in which letters may stand that Python has to look at."""
_BETWEEN = r"[\W_]{1,5}"
_ENDINGS = r"(?:csv|txt|tsv|xlsx?|zip|gz|json|pdf)\b"
"""Of files: one may be called after an address."""
_ID_WORD = r"(?<![a-z0-9_])(?:(?:lead|kartra|buyer)[_ \[]?)?id"
ID_KEYS = ("id", "lead", "lead_id", "buyer_id", "kartra_id", "q")
"""Under these alone a number in JSON may be the person's id: the number of a sale is somebody's else."""


@dataclass(frozen=True)
class Person:
    """What somebody is known by. All texts are as they are compared."""

    account_id: int
    lead_id: int
    kartra_id: str = ""
    addresses: frozenset[str] = frozenset()
    names: frozenset[tuple[str, str]] = frozenset()
    phones: frozenset[str] = frozenset()
    streets: frozenset[str] = frozenset()
    shared: tuple[str, ...] = field(default=(), compare=False)
    """What is not looked for because other leads of the account have it too: "name", "phone", "street"."""

    def is_in(self, value: Any) -> bool:
        """Whether a text, or a text anywhere in JSON, names the person in whatever spelling."""
        return any(self._named(reading) for text in texts_in(value) for reading in readings(text))

    def is_in_bytes(self, body: bytes) -> bool:
        """The same of bytes of whatever kind. Of a message the name may also stand apart, first and last in fields of their
        own."""
        return any(self._named(reading) or self._named_apart(reading) for reading in readings_of_bytes(body))

    def is_in_cells(self, cells: Collection[str]) -> bool:
        """The same of a row of a file, in which first and last name are often cells of their own."""
        plain = {comparable(str(cell)).strip() for cell in cells}
        return any(first in plain and last in plain for first, last in self.names) or self.is_in(list(cells))

    def without(self, text: str) -> str:
        """The text with `REMOVED` where it names the person; nothing of it where only an escaped spelling does."""
        cut = self._in_plain_text.sub(REMOVED, text) if self._in_plain_text is not None else text
        return "" if self.is_in(cut) else cut

    def without_in(self, value: Any) -> Any:
        """As `without`, of every text in JSON; a key that names the person goes with its value."""
        if isinstance(value, dict):
            return {
                key: self.without_in(inner) if isinstance(inner, dict | list) or self.is_in({key: inner}) else inner
                for key, inner in value.items()
                if not self.is_in(key)
            }
        if isinstance(value, list | tuple):
            return [self.without_in(inner) for inner in value]
        return self.without(value) if isinstance(value, str) else value

    def may_be_in(self, rows: QuerySet[Row], *fields: str) -> QuerySet[Row]:
        """Rows to be looked at: those in which one of the fields holds a piece of what the person is known by, or letters
        that may be escaped."""
        found = Q()
        for name in fields:
            found |= Q(**{f"{name}__iregex": self._suspect})
        return rows.filter(found)

    def may_be_in_text(self, text: str) -> bool:
        """The same of one text; it takes a fraction of the time of `is_in`."""
        return self._suspect_pattern.search(text) is not None

    def _named(self, reading: str) -> bool:
        if self._pieces and "" not in self._pieces and self._piece.search(reading) is None:
            return False
        return any(pattern.search(reading) is not None for pattern in self._patterns)

    def _named_apart(self, reading: str) -> bool:
        return any(_is_word(first, reading) and _is_word(last, reading) for first, last in self.names)

    @cached_property
    def _patterns(self) -> list["re.Pattern[str]"]:
        return [re.compile(pattern) for pattern in self.sources()]

    @cached_property
    def _in_plain_text(self) -> "re.Pattern[str] | None":
        return re.compile("|".join(self.sources()), re.IGNORECASE) if self.sources() else None

    def sources(self) -> list[str]:
        """One regular expression for each thing that the person is known by."""
        found = []
        if self.addresses:
            found.append(rf"(?<![\w.+-])(?:{_either(self.addresses, re.escape)})(?![\w-]|\.(?!{_ENDINGS})\w)")
        if self.kartra_id:
            found.append(rf"{_ID_WORD}[\"'\]\s:=]{{1,6}}0{{0,9}}{re.escape(self.kartra_id)}(?!\w)")
        if len(self.kartra_id) >= PLAIN_ID:
            found.append(rf"(?<![\w.]){re.escape(self.kartra_id)}(?!\w|\.\d)")
        if self.names:
            found.append(rf"(?<!\w)(?:{_either(self.names, _name_source)})(?!\w)")
        if self.phones:
            found.append(rf"(?<!\d)(?:{_either(self.phones, _phone_source)})(?!\d)")
        if self.streets:
            found.append(rf"(?<!\w)(?:{_either(self.streets, _street_source)})(?!\w)")
        return found

    @cached_property
    def _suspect_pattern(self) -> "re.Pattern[str]":
        return re.compile(self._suspect, re.IGNORECASE)

    @cached_property
    def _suspect(self) -> str:
        """A piece of what the person is known by, or what may be escaped; databases read it too."""
        return "|".join([*sorted(self._pieces - {""}), ESCAPED])

    @cached_property
    def _piece(self) -> "re.Pattern[str]":
        return re.compile("|".join(sorted(self._pieces)))

    @cached_property
    def _pieces(self) -> frozenset[str]:
        """One piece of each, of letters that no spelling of ours takes apart; empty of what has none."""
        texts = [address.partition("@")[0] for address in self.addresses] + [last for _first, last in self.names]
        pieces = {re.escape(_longest(text)) for text in [*texts, *self.streets]}
        pieces |= {"[^0-9]{0,3}".join(digits) for digits in self.phones}
        return frozenset({*pieces, *([re.escape(self.kartra_id)] if self.kartra_id else ())})


def person_of(lead: Lead, more: Iterable["KnownBy"] = ()) -> Person:
    """The person behind a lead. `more`: what messages told of them besides."""
    given = [KnownBy(lead.phone, lead.address), *more]
    for raw in lead.transactions.order_by("-pk").values_list("raw", flat=True)[:MOST_TELLING]:
        given += told_in(raw)
    given += [KnownBy(phone=f"{lead.phone_country_code} {lead.phone}")] if lead.phone else []
    shared = _shared(lead)
    name = (comparable(lead.first_name).strip(), comparable(lead.last_name).strip())
    return Person(
        account_id=lead.account_id,
        lead_id=lead.pk,
        kartra_id=(lead.kartra_id or "").strip(),
        addresses=frozenset(
            {normal_email(each) for each in (lead.email, *lead.emails.values_list("email", flat=True))} - {""}
        ),
        names=frozenset([name] if all(name) and "name" not in shared else []),
        phones=frozenset(() if "phone" in shared else (p for each in given if len(p := each.digits) >= FEWEST_DIGITS)),
        streets=frozenset(() if "street" in shared else (s for each in given if (s := each.street_words))),
        shared=shared,
    )


@dataclass(frozen=True)
class KnownBy:
    """A telephone or a street of the person, as it was told somewhere."""

    phone: str = ""
    street: str = ""

    @property
    def digits(self) -> str:
        return re.sub(r"\D", "", self.phone).lstrip("0")

    @property
    def street_words(self) -> str:
        """The words of the street; nothing where they are too few to be anybody's."""
        words = re.findall(r"[^\W_]+", comparable(self.street))
        whole = " ".join(words)
        is_one = len(whole) >= FEWEST_LETTERS and any(map(str.isdigit, whole)) and any(map(str.isalpha, whole))
        return whole if is_one else ""


_TELLING = re.compile(r"(phone)|(?:street|address)(?!es)", re.IGNORECASE)


def told_in(value: Any) -> Iterator[KnownBy]:
    """Telephones and streets that JSON or a form tells, by the names of its fields."""
    ahead = [value]
    while ahead:
        each = ahead.pop()
        if isinstance(each, list | tuple):
            ahead += each
        elif isinstance(each, Mapping):
            for key, inner in each.items():
                told = _TELLING.search(str(key))
                if not isinstance(inner, str):
                    ahead.append(inner)
                elif told is not None and "@" not in inner:
                    yield KnownBy(phone=inner) if told[1] else KnownBy(street=inner)


def _shared(lead: Lead) -> tuple[str, ...]:
    """What other leads of the account have too, those of the same address aside: they are the same person."""
    others = Lead.objects.filter(account=lead.account_id).exclude(pk=lead.pk)
    if lead.email_key:
        others = others.exclude(email_key=lead.email_key)
    asked = {
        "name": Q(first_name__iexact=lead.first_name.strip(), last_name__iexact=lead.last_name.strip()),
        "phone": Q(phone=lead.phone),
        "street": Q(address__iexact=lead.address),
    }
    has = {
        "name": lead.first_name.strip() and lead.last_name.strip(),
        "phone": lead.phone.strip(),
        "street": lead.address.strip(),
    }
    return tuple(what for what, condition in asked.items() if has[what] and others.filter(condition).exists())


def texts_in(value: Any) -> Iterator[str]:
    """Every text in JSON, keys too; what stands under a key with the key before it."""
    ahead = [value]
    while ahead:
        each = ahead.pop()
        if isinstance(each, dict):
            for key, inner in each.items():
                if isinstance(inner, dict | list | tuple):
                    ahead += [key, inner]
                elif not str(inner).isdigit():
                    ahead.append(f"{key}: {inner}")
                else:  # a point before it: it may be a telephone, but no id
                    ahead.append(f"id: {inner}" if str(key).lower() in ID_KEYS else f"{key}: .{inner}")
        elif isinstance(each, list | tuple):
            ahead += each
        elif isinstance(each, str):
            yield each


def _either(texts: Iterable[Any], source: Callable[[Any], str]) -> str:
    return "|".join(source(text) for text in sorted(texts))


def _name_source(name: tuple[str, str]) -> str:
    first, last = (_words_source(part) for part in name)
    between = _BETWEEN if "".join(name).isascii() else r"[\W_]{0,5}"  # some scripts write names in one
    return rf"{first}{between}(?:[^\W_]{{1,20}}{_BETWEEN})?{last}|{last}{between}{first}"


def _words_source(text: str) -> str:
    return _BETWEEN.join(re.escape(word) for word in re.findall(r"[^\W_]+", text)) or re.escape(text)


def _phone_source(digits: str) -> str:
    return r"(?:00|0)?" + r"[\s().\-/+]{0,3}".join(digits)


def _street_source(words: str) -> str:
    return _BETWEEN.join(re.escape(word) for word in words.split())


def _is_word(word: str, reading: str) -> bool:
    return re.search(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", reading) is not None


def _longest(text: str) -> str:
    return max(re.findall(r"[a-z0-9]+", text), key=len, default="")
