"""What may become of a change, in codes: its states, which of them are open, and why one is skipped or undecided."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class ChangeStatus(models.TextChoices):
    WAITING = "waiting", _("queued")
    SENDING = "sending", _("sending")
    UNKNOWN = "unknown", _("checking with Kartra")
    UNDECIDED = "undecided", _("needs your decision")
    ACCEPTED = "accepted", _("done")
    REJECTED = "rejected", _("failed")
    SKIPPED = "skipped", _("no change needed")
    CANCELLED = "cancelled", _("cancelled")
    SUPERSEDED = "superseded", _("overtaken by a later change")


OPEN = (ChangeStatus.WAITING, ChangeStatus.SENDING, ChangeStatus.UNKNOWN, ChangeStatus.UNDECIDED)
"""An earlier change of the family holds back later ones in whatever open state it is."""


class Reason(models.TextChoices):
    """Why a change is skipped or undecided."""

    NONE = "", ""
    ALREADY_SO = "already_so", _("no change needed")
    GONE = "gone", _("deleted in Kartra")
    LEFT_OUT = "left_out", _("left out")
    ABSENT = "absent", _("not in Kartra")
    OUTCOME = "outcome", _("nobody knows whether it was done")
    CONFLICT = "conflict", _("changed meanwhile")
    UNLISTED_CODE = "unlisted_code", _("Kartra answered with a code that is not documented")
    FIREWALL = "firewall", _("sent twice and not done")
    REPEATED = "repeated", _("sent more than once, and not done each time")
