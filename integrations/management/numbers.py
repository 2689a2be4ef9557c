"""How commands print a number with its noun."""


def plural(number: int, noun: str) -> str:
    """ "1 lead", "1,200 leads"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
