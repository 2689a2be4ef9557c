"""Currencies as files write them: ISO codes and signs, by Babel's tables (Unicode's CLDR)."""

from collections import defaultdict
from functools import cache

from babel import Locale
from babel.core import get_global
from babel.localedata import locale_identifiers
from babel.numbers import get_territory_currencies

from leads.models import Account, Transaction


@cache
def codes() -> frozenset[str]:
    """The ISO codes of every currency there is or was."""
    return frozenset(str(code) for code in get_global("all_currencies"))


@cache
def _signs() -> dict[str, frozenset[str]]:
    """{sign: the currencies that are written so somewhere today}. A dot behind a sign makes no difference."""
    found: dict[str, set[str]] = defaultdict(set)
    today: set[str] = set()
    locales = [Locale.parse(each) for each in locale_identifiers()]
    for locale in locales:
        own = get_territory_currencies(locale.territory) if locale.territory else []
        today.update(own)
        for code in own:
            found[_plain(locale.currency_symbols.get(code, code))].add(code)
    for locale in locales:
        if not locale.territory and not locale.script:
            for code, sign in locale.currency_symbols.items():
                if code in today:
                    found[_plain(sign)].add(code)
    return {sign: frozenset(meant) for sign, meant in found.items() if sign}


def meanings(text: str) -> frozenset[str]:
    """The currencies that a code or sign may mean; none where nobody writes it."""
    plain = _plain(text)
    if plain.upper() in codes() and len(plain) == 3:
        return frozenset({plain.upper()})
    for part in plain.split():  # "USD $"
        if part.upper() in codes():
            return frozenset({part.upper()})
    return _signs().get(plain, frozenset())


def of_account(account: Account) -> str:
    """The one currency of the transactions that our copy has of this account; "" where there are none or several."""
    named = Transaction.objects.filter(account=account).exclude(currency="").order_by()
    found = list(named.values_list("currency", flat=True).distinct()[:2])
    return found[0] if len(found) == 1 and found[0] in codes() else ""


def _plain(text: str) -> str:
    return text.strip().removesuffix(".").strip("\u200e\u200f\u00a0 ")
