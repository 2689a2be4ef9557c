"""The words people see for states, and for what was seen of a change. Pages, mails and commands take them from here.

Rows keep codes and values (`leads.models.remarks`); here they are told to people.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_lazy as _

from leads.models import Activity, ActivityRemark, ChangeStatus, RunState
from leads.models.remarks import remark, sentence_of, words_of_code

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
    ChangeStatus.REJECTED: _("failed"),
    ChangeStatus.SKIPPED: _("no change needed"),
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


NAMES: dict[str, Any] = {
    "score": _("score"),
    "sequence": _("sequence"),
    "receipt": _("the safety field"),
    "meanwhile": _("meanwhile"),
    "state": _("state"),
    "code": _("code"),
    "message": _("message"),
    "kind": _("kind"),
    "late": _("late"),
    "delivery": _("message from Kartra"),
    "read_at": _("checked at"),
    "transactions": _("transactions"),
    "ever_on_list": _("was on the list before"),
    "step": _("step"),
    "status": _("status"),
}


STATES: dict[str, Any] = {
    "done": _("done"),
    "refused": _("refused"),
    "missing": _("missing"),
    "never": _("never on it"),
    "on": _("on it"),
    "left": _("left it"),
}
"""What an action was, and how a list is to a lead."""

FOR_THE_JUDGE = ("after", "with_receipt", "repeats")
"""Kept with the evidence for the next look, in the judge's own terms."""


def at_second(text: str) -> str:
    """A moment as evidence keeps it (ISO), in the reader's zone: "28 Nov 2026 09:12:05"."""
    return date_format(timezone.localtime(dt.datetime.fromisoformat(text)), "j M Y H:i:s")


def what_was_seen(entry: Mapping[str, Any]) -> str:
    """The text of one piece of evidence; empty where it has none."""
    return words_of_code(entry.get("what", ""))


def told(entries: Mapping[str, Any], but: Collection[str] = ()) -> str:
    """ "score: 17, state: done": all but these names."""
    names = [name for name in entries if name not in but]
    return ", ".join(f"{NAMES.get(name, name.replace('_', ' '))}: {_value(name, entries[name])}" for name in names)


def also_seen(entry: Mapping[str, Any]) -> str:
    """What one piece of evidence holds besides its text and its times."""
    return told(
        {name: value for name, value in entry.items() if value}, but=("at", "what", "read_at", "kind", *FOR_THE_JUDGE)
    )


def known_before(entries: Mapping[str, Any]) -> str:
    """What was known of the thing before a change was sent: "yes, checked at: 28 Nov 2026 09:12:05". Empty where nothing was."""
    if entries.get("new"):
        return gettext("the lead did not exist yet")
    if "state" not in entries:
        return told(entries)
    state = entries["state"]
    shown = _value("state", state) if state is not None else gettext("not in it")
    return ", ".join([str(shown), told({"read_at": entries["read_at"]})] if entries.get("read_at") else [str(shown)])


def _value(name: str, value: Any) -> Any:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if name == "read_at":
        return at_second(value)
    if name == "meanwhile":
        return "; ".join(row.label for row in Activity.objects.filter(pk__in=value).order_by("at", "pk"))
    if isinstance(value, dict) and "what" in value:
        return sentence_of(value)
    if isinstance(value, dict):
        return told(value) or gettext("nothing")
    if name in ("state", "sequence") and isinstance(value, list):
        return sentence_of(remark(ActivityRemark.STEP, step=value[0], status=value[1]))
    return STATES.get(value, value) if isinstance(value, str) and name == "state" else value
