"""The words people see for the states of the code. Pages, messages and commands take them from here."""

from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from leads.models import ChangeStatus, RunState

NEW_CONTACTS = _("Kartra may not mail new contacts until they consent, and they count in your plan.")
"""Said wherever leads are about to be made in Kartra: those that the API makes never count as having agreed."""

OWN_IMPORT = _(
    "Kartra's own import asks how they agreed and gives all of them tags, lists and sequences; people at Kartra review "
    "it within about two business days."
)
"""The way out of it, as Kartra's help on importing describes it."""

STATUS_WORDS: dict[str, Any] = {
    ChangeStatus.WAITING: _("queued"),
    ChangeStatus.SENDING: _("sending"),
    ChangeStatus.UNKNOWN: _("checking with Kartra"),
    ChangeStatus.UNDECIDED: _("needs your decision"),
    ChangeStatus.ACCEPTED: _("done"),
    ChangeStatus.REJECTED: _("refused by Kartra"),
    ChangeStatus.SKIPPED: _("nothing to do"),
    ChangeStatus.CANCELLED: _("cancelled"),
    ChangeStatus.SUPERSEDED: _("overtaken by a later change"),
}

RUN_WORDS: dict[str, Any] = {
    RunState.PREPARING: _("preparing"),
    RunState.RUNNING: _("running"),
    RunState.PAUSED: _("paused"),
    RunState.CANCELLING: _("cancelling"),
    RunState.FINISHED: _("finished"),
    RunState.CANCELLED: _("cancelled"),
}


def overtaken_words(change: Any) -> str:
    """Which later change overtook a superseded one: "overtaken by a later change (bulk action 31, Kim Okafor)"."""
    words = str(STATUS_WORDS[ChangeStatus.SUPERSEDED])
    later = change.superseded_by
    if later is None:
        return words
    told = [gettext("bulk action %(run)s") % {"run": later.run_id}] if later.run_id else []
    told += [str(later.requested_by)] if later.requested_by else []
    return f"{words} ({', '.join(told)})" if told else words
