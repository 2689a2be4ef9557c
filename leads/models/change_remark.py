"""What we say of a change, of its try in a call, and of the call, in codes with the words that people read."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from leads.models.remarks import vocabulary


@vocabulary
class ChangeRemark(models.TextChoices):
    # by people
    CANCELLED = "cancelled", _("Cancelled.")
    CANCELLED_BY = "cancelled_by", _("Cancelled by %(person)s.")
    HAPPENED = "happened", _("Somebody confirmed that it happened.")
    ASKED_AGAIN = "asked_again", _("Somebody asked to send it again.")
    GIVEN_UP = "given_up", _("Somebody gave it up.")
    KEPT_THEIRS = "kept_theirs", _("Somebody kept the value in Kartra.")
    NOT_SENT_EITHER = "not_sent_either", _("Not sent either: %(change)s.")
    # before it is sent
    ABSENT = "absent", _("Kartra has no lead of this address.")
    FIELD_IS_NOW = "field_is_now", _("%(field)s is now %(value)s in Kartra")
    EMPTY = "empty", _("empty")
    NOT_SENT = "not_sent", _("Not sent.")
    NEVER_SENT = "never_sent", _("Never sent.")
    UNREAD = "unread", _("We could not check with Kartra before sending. It was not sent.")
    # without an answer to rely on
    NOT_RECORDED = "not_recorded", _("Sent, but the answer was never recorded.")
    WORKER_ENDED = "worker_ended", _("The worker that made this call ended before it recorded the answer.")
    SENT_BEFORE_RESTORE = "sent_before_restore", _("It may have been sent before this database was restored.")
    SENT_AFTER_SAVE = "sent_after_save", _("It may have been sent after this database was saved.")
    NOT_MENTIONED = "not_mentioned", _("Kartra's answer does not mention this action.")
    OTHER_REFUSED = "other_refused", _("Kartra refused another action of the same call.")
    # what was seen afterwards
    SEEN_DONE = "seen_done", _("Checked: done.")
    SEEN_NOT_DONE = "seen_not_done", _("Checked: not done. Sent again.")
    RECEIPT_AND_DONE = (
        "receipt_and_done",
        _("The safety field in Kartra shows this call, and so does what it was to do."),
    )
    MESSAGE_SHOWS = "message_shows", _("Kartra's own message shows it done.")
    DONE_BEFORE = "done_before", _("Kartra says that it was done before (%(message)s).")
    LATER_DONE = "later_done", _("A later change of the same thing is done.")
    LATER_COUNTS = "later_counts", _("A later change of the same thing counts.")
    CHANGED_BY_OTHERS = "changed_by_others", _("Somebody changed the same thing in Kartra meanwhile.")
    HAS_LEFT = "has_left", _("Kartra shows that this person has left the list. It is not sent again by itself.")
    SEVERAL_BOOKINGS = (
        "several_bookings",
        _("This person has several bookings of the class; a second try could cancel another one."),
    )
    NOT_FOUND = "not_found", _("Kartra finds no lead of this address")
    FIELD_GONE = "field_gone", _("Kartra has no custom field %(fields)s any more, so it was not set.")
    FIELD_IGNORED = (
        "field_ignored",
        _("Kartra said that it was done, but has no custom field %(fields)s any more, so it was not set."),
    )
    OLD_VALUE = (
        "old_value",
        _("Kartra said that it was done, and shows the old value of %(fields)s. Look at the field in Kartra."),
    )
    OTHERS_SET = "others_set", _("Its other fields were set.")
    # of a lead that was to be created
    HAD_LEAD = "had_lead", _("Kartra had this lead already; it is the one in our copy now.")
    HAD_LEFT = "had_left", _("Kartra had this lead already, and it has left this list itself.")
    HAD_SO = "had_so", _("Kartra had this lead already, and so.")
    HAD_IN_SEQUENCE = (
        "had_in_sequence",
        _("Kartra had this lead already, and in this sequence at step %(step)s (%(status)s)."),
    )
    ACTIVE = "active", _("active")


@vocabulary
class Answer(models.TextChoices):
    """What a person answers about a change that nobody can know about, or about a conflict."""

    HAPPENED = "it_happened", _("it happened")
    AGAIN = "send_again", _("it did not: send it again")
    GIVE_UP = "give_up", _("give it up")
    KEEP_THEIRS = "keep_theirs", _("keep theirs")
    SEND_OURS = "send_ours", _("send ours")
