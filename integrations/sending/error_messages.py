"""What the plain-Python client says of its troubles, in the reader's language."""

from django.utils.translation import gettext

from integrations.kartra.bodies import Unreadable
from integrations.kartra.errors import KartraError, advice
from integrations.kartra.words import filled


def message_of(problem: KartraError | Unreadable) -> str:
    """The text of the error. Kartra's own words stay as Kartra said them."""
    told = {name: gettext(value) if isinstance(value, str) else value for name, value in problem.told.items()}
    return filled(gettext(problem.words), told)


def remedy(code: str) -> str:
    """What to do about a refusal, in one sentence; empty when there is no code."""
    return gettext(advice(code)) if code else ""
