"""What was seen of a try, in codes with the words that people read. Evidence is a list of these, each as a remark with the time."""

import datetime as dt
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from integrations.kartra.words import Trouble
from leads.models.remarks import remark, vocabulary

vocabulary(Trouble)


@vocabulary
class Seen(models.TextChoices):
    # what Kartra answered or told
    ANSWER = "answer", _("Kartra's answer")
    CALL_REFUSED = "call_refused", _("Kartra refused the call")
    NO_ANSWER = "no_answer", _("no answer to rely on")
    EVENT_CAME = "event_came", _("Kartra's event came")
    RESTORED = "restored", _("This database was restored or copied.")
    # what a read proves
    DONE = "shown_done", _("checked: done")
    NOT_DONE = "shown_not_done", _("checked: not done")
    NOT_SEEN_DONE = "not_seen_done", _("checked: not shown as done")
    NOT_SEEN_YET = "not_seen_yet", _("checked: not shown yet")
    NOT_SHOWN = "not_shown", _("the check does not show it")
    NO_WITNESS = "no_witness", _("the safety field shows this call, a second witness is missing")
    NO_RECEIPT = "no_receipt", _("it looks done, but the safety field does not show this call")
    NOT_BEGUN = "not_begun", _("the safety field does not show this call, so nothing of it was begun")
    OVERTAKEN = "overtaken", _("overtaken by a later change of the same call")
    FOREIGN = "foreign", _("a message tells of a change in Kartra that is not ours")
    LEFT_LIST = "left_list", _("this person has left the list")
    PROVES_NOTHING = "proves_nothing", _("it is as before and as wanted, so the read proves nothing")
    NEITHER = "neither", _("it is neither as before nor as any of our changes makes it")
    BEFORE_UNKNOWN = "before_unknown", _("nobody knows how it was before")
    HALF_DONE = "half_done", _("the call was done as far as this change")
    SENT_ONCE_MORE = "sent_once_more", _("Kartra refuses a second try of what was done")
    SEVERAL = "several", _("several bookings of the class stand")
    NO_MESSAGE = "no_message", _("no message of Kartra shows it")
    NO_SUCH_FIELD = "no_such_field", _("Kartra has no such field")
    FIELD_CHANGED = "field_changed", _("a field holds neither what it held before nor what we sent")
    WAS_THERE = "was_there", _("the lead was there already, and the call was refused as a whole")
    LEAD_DELETED = "lead_deleted", _("the lead is deleted")
    NO_SUCH_LEAD = "no_such_lead", _("no such lead")
    NO_LEAD_YET = "no_lead_yet", _("Kartra has no such lead yet")
    # what is told with it
    NOT_TOLD = "not_told", _("not stated")
    NOT_IN_IT = "not_in_it", _("not in it")
    THERE = "there", _("there")
    NOT_THERE = "not_there", _("not there")
    FIELD_MISSING = "field_missing", _("the field is missing")


def sighting(at: dt.datetime, what: Seen, /, **more: Any) -> dict[str, Any]:
    """A piece of evidence."""
    return {"at": at.isoformat(), **remark(what, **more)}
