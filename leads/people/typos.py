"""Whether the domain of an address is probably a slip of one that many have: a hint for a person, who alone may change it.

Plain Python.
"""

from collections.abc import Collection, Mapping

COMMON = frozenset(
    (
        *(
            "aol.com",
            "comcast.net",
            "example.com",
            "example.net",
            "example.org",
            "fastmail.com",
            "gmail.com",
            "gmx.com",
        ),
        *(
            "gmx.de",
            "gmx.net",
            "googlemail.com",
            "hotmail.co.uk",
            "hotmail.com",
            "hotmail.de",
            "hotmail.fr",
            "icloud.com",
        ),
        *(
            "laposte.net",
            "libero.it",
            "live.com",
            "mac.com",
            "mail.com",
            "mail.ru",
            "msn.com",
            "naver.com",
            "orange.fr",
        ),
        *(
            "outlook.com",
            "outlook.de",
            "proton.me",
            "protonmail.com",
            "t-online.de",
            "web.de",
            "yahoo.co.uk",
            "yahoo.com",
        ),
        *("yahoo.de", "yahoo.fr", "yandex.com", "yandex.ru", "ymail.com"),
    )
)
"""Domains under which very many people have their mail."""
FEWEST_LETTERS = 6
"""A shorter domain is a letter away from too many others."""
OFTEN = 5
"""A domain that so many people of a list have is no slip, and may be what another one meant."""
KEPT = 100


def meant_domain(email: str, often: Mapping[str, int]) -> str:
    """The domain that was probably meant, "" where nothing speaks for a slip. `often`: how many of a list have which."""
    domain = email.rpartition("@")[2].lower()
    if len(domain) < FEWEST_LETTERS or domain in COMMON or often.get(domain, 0) >= OFTEN:
        return ""
    many = {each for each, number in often.items() if number >= OFTEN and len(each) >= FEWEST_LETTERS}
    found = sorted(each for each in {*COMMON, *many} if _is_one_slip(domain, each))
    best = [each for each in found if often.get(each)] or found
    return max(best, key=lambda each: (often.get(each, 0), each in COMMON), default="")


def _is_one_slip(one: str, other: str) -> bool:
    """Whether a letter is missing, too many or another, or two neighbours have changed places."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    begin = 0
    while begin < min(len(one), len(other)) and one[begin] == other[begin]:
        begin += 1
    rest, left = one[begin:], other[begin:]
    if len(rest) == len(left):
        return rest[1:] == left[1:] or (len(rest) > 1 and rest[:2] == left[1::-1] and rest[2:] == left[2:])
    return rest[1:] == left if len(rest) > len(left) else rest == left[1:]


def counted(before: Mapping[str, int], emails: Collection[str]) -> dict[str, int]:
    """How many have which domain, with these too; only the most frequent are kept."""
    found = dict(before)
    for email in emails:
        domain = email.rpartition("@")[2].lower()
        found[domain] = found.get(domain, 0) + 1
    return dict(sorted(found.items(), key=lambda each: -each[1])[:KEPT])
