"""What the plain-Python client says of its troubles: as it is stored, and in the reader's language."""

from typing import Any

from django.utils.translation import gettext

from integrations.kartra.bodies import Unreadable
from integrations.kartra.errors import KartraError, advice
from integrations.kartra.words import Trouble
from leads.models.remarks import remark, sentence_of


def remark_of(problem: KartraError | Unreadable) -> dict[str, Any]:
    """Our own words of it; {} where Kartra said something."""
    if problem.trouble is None:
        return {}
    told = {name: remark(value) if isinstance(value, Trouble) else value for name, value in problem.told.items()}
    return remark(problem.trouble, **told)


def said_by(problem: KartraError) -> dict[str, Any]:
    """The error as rows keep it: Kartra's `message` as Kartra said it, or our `remark`."""
    return {"message": "" if problem.trouble else problem.message, "remark": remark_of(problem)}


def message_of(problem: KartraError | Unreadable) -> str:
    """The text of the error. Kartra's own words stay as Kartra said them."""
    return sentence_of(remark_of(problem)) or problem.message


def remedy(code: str) -> str:
    """What to do about a refusal, in one sentence; empty when there is no code."""
    return gettext(advice(code)) if code else ""
