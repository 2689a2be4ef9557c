"""The way of a call made by hand: read its fields, see what it means, ask whether the person may, and make it."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from integrations.console import meaning, raw, wishes
from integrations.console.form import CannotCall, Form, Pair, read_form
from integrations.kartra.errors import KartraError
from integrations.models import Connection
from integrations.sending import calls, switch
from leads import access
from leads.access import Author
from leads.models import ChangeStatus, LeadChange

RAW = "integrations.write_raw_call"
OWN_PERMISSION = {"create_custom_field": "integrations.create_customfield"}
"""Writes that are no change of a lead and have a permission of their own."""


@dataclass(frozen=True)
class Answer:
    """What Kartra answered, and the changes that were recorded for the call, each with what became of it, in words."""

    text: str
    lines: Sequence[tuple[str, LeadChange]] = ()

    @property
    def trouble(self) -> str:
        """What is not done, as one text; empty where all is."""
        done = (ChangeStatus.ACCEPTED, ChangeStatus.SKIPPED, ChangeStatus.SUPERSEDED)
        return " ".join(f"{words.rstrip('.')}." for words, change in self.lines if change.status not in done)


def call(connection: Connection, pairs: Sequence[Pair], *, made_by: Author = None, send_here: bool = False) -> Answer:
    """Make the call. Raises CannotCall, and then nothing was recorded or sent; KartraError.

    1. What PHP would read in the fields decides what it is.
    2. A read is made at once.
    3. A write that our kinds of change say is recorded as these changes, and waited for.
    4. Any other write takes a permission of its own, and never moves money.

    `send_here`: changes are sent from this process too. Credentials are added here, and hidden should an answer hold them.
    """
    form = read_form(pairs)
    try:
        access.check_account(made_by, connection.account)
    except access.NotAllowed as problem:
        raise CannotCall(str(problem)) from None
    if not form.actions and form.get_lead is None and not form.others:
        raise CannotCall(_("The call says nothing to do. Give it a command, as in actions[0][cmd]."))
    if meaning.only_reads(form):
        return Answer(raw.read(connection, form, made_by))
    try:
        wanted = meaning.wishes_of(form)
    except meaning.NotOurs as unknown:
        _check_raw(form, unknown.what, made_by)
        _check_sending(connection)
        return Answer(raw.write(connection, form, made_by))
    wishes.check_permissions(made_by, wanted)
    _check_sending(connection)
    recorded = wishes.record(connection, form, wanted, made_by)
    settled = wishes.wait_for(connection, recorded, send_here=send_here)
    return Answer(raw.without_keys(connection, wishes.answers_to(settled)), wishes.lines_of(settled))


def _check_sending(connection: Connection) -> None:
    if not connection.sends:
        raise CannotCall(switch.why_not_sending(connection) or _("Sending is switched off."))


def _check_raw(form: Form, what: str, by: Author) -> None:
    """CannotCall unless this write that is no change of ours may be made as it is written."""
    if meaning.moves_money(form):
        words = _(
            "This call may move money, and %(what)s is not understood here. Do it on the page of the sale instead."
        )
        raise CannotCall(words % {"what": what})
    needed = {OWN_PERMISSION.get(command, RAW) for command in form.commands} or {RAW}
    if form.lead or form.others:
        needed = {RAW}
    user = access.user_of(by)
    if user is not None and not user.has_perms(needed):
        words = _(
            "%(what)s is not known here as something that only reads, nor as a change of ours. To make such a call you need the "
            "permission “%(permission)s”."
        )
        name = (
            _("Can create custom fields in Kartra")
            if RAW not in needed
            else _("Can make calls that write as they stand")
        )
        raise CannotCall(words % {"what": what, "permission": name})


def words_of(error: KartraError) -> str:
    """What went wrong, for a person."""
    return calls.in_words(error)
