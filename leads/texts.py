"""Texts as they are compared: one normaliser of addresses for every entrance, and names with what cannot be seen in them shown.

Plain Python: everything else may use it.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

MAX_KEY = 320
"""So many characters of an address are compared; one that is longer is none."""

_SPACE = re.compile(r"\s")


def without_invisible(text: str) -> str:
    """Composed (NFC), and without the characters that have no shape of their own: zero-width ones, soft hyphens, marks of
    direction and byte order (Unicode's category Cf)."""
    if text.isascii():
        return text
    visible = "".join(each for each in text if unicodedata.category(each) != "Cf")
    return unicodedata.normalize("NFC", visible)


def comparable(text: str) -> str:
    """A text in which an address may stand, in the form that addresses are compared in."""
    if text.isascii():
        return text.lower()  # nearly all of them
    return unicodedata.normalize("NFC", without_invisible(text).lower())


def clean_email(email: str | None) -> str:
    """An address as it is kept: trimmed and without invisible characters; capitals stay."""
    return without_invisible(email or "").strip()


def normal_email(email: str | None) -> str:
    """The form in which addresses are compared; of one too long to be real, its beginning."""
    return comparable(email or "").strip()[:MAX_KEY]


def lookalikes(email: str | None) -> dict[str, str]:
    """The characters of an address that stand for others (full-width letters, ligatures), so that two addresses would look
    alike, with the `plain` one; {} where it holds none."""
    clean = clean_email(email)
    if clean.isascii():
        return {}
    plain = unicodedata.normalize("NFKC", clean)
    if plain == clean:
        return {}
    odd = [each for each in dict.fromkeys(clean) if unicodedata.normalize("NFKC", each) != each]
    shown = ", ".join(f"{each} (U+{ord(each):04X})" for each in odd[:5])
    return {"email": clean[:80], "odd": shown, "plain": plain[:80]}


def same_name(one: str, other: str) -> bool:
    """Whether two names of tags, lists and the like are one: the same letters, however they are composed."""
    return one == other or unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)


def forms_of(name: str) -> set[str]:
    """The ways in which the letters of a name may be composed."""
    return {name} if name.isascii() else {name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))}


def loose_name(name: str) -> str:
    """A name without what cannot be seen: no invisible characters, no white space at its ends, one space for several."""
    return " ".join(without_invisible(name).split())


def visible(text: str) -> str:
    """A name with what cannot be seen in it shown: “Trail␠”, “VIP[U+200B]”."""
    inner = text.strip(" ")
    before, after = len(text) - len(text.lstrip(" ")), len(text) - len(text.rstrip(" "))
    shown = "".join(_shown(each) for each in inner) if not (inner.isascii() and inner.isprintable()) else inner
    shown = re.sub(r"  +", lambda spaces: "␠" * len(spaces[0]), shown)
    return f"{'␠' * before}{shown}{'␠' * after}" if inner else "␠" * len(text)


def _shown(character: str) -> str:
    odd = unicodedata.category(character) in ("Cf", "Cc") or (_SPACE.match(character) and character != " ")
    return f"[U+{ord(character):04X}]" if odd else character


class KnownNames:
    """Names of which a file may mean one, found by its letters however many they are."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = frozenset(names)
        self._same: dict[str, list[str]] = defaultdict(list)
        self._alike: dict[str, list[str]] = defaultdict(list)
        for name in self.names:
            self._same[unicodedata.normalize("NFC", name)].append(name)
            self._alike[loose_name(name)].append(name)

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def closest(self, name: str) -> str:
        """The known name that is meant by this one: itself, else the only one of the same letters, else the only one that differs
        in what cannot be seen alone; the name itself where there is none."""
        if name in self.names:
            return name
        alike = self._same.get(unicodedata.normalize("NFC", name)) or self._alike.get(loose_name(name), [])
        return alike[0] if len(alike) == 1 else name
