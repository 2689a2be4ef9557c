"""What a lead is joined to: tags, lists, sequences, calendars, memberships, with whence we know it."""

from django.db import models
from django.utils.translation import gettext, gettext_lazy as _

from leads.models.activity import Source
from leads.models.catalogue import CalendarClass, MailingList, MembershipLevel, Sequence, Tag
from leads.models.lead import Lead


class Joined(models.Model):
    """A lead's tie to a thing of its account: known since when, told by whom, and by which change of ours, if any.

    `activity` is the line of the timeline that says how it came to this state; a tie that a read or an import found has none.

    Of a tie that a read found, `after` is when the lead was read before, without it; null: it was there at first sight.
    """

    account_path = "lead__account"

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="%(class)ss")
    since = models.DateTimeField(help_text=_("When it became known to us in this state."))
    source = models.CharField(max_length=12, choices=Source)
    change = models.ForeignKey(
        "leads.LeadChange", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    activity = models.ForeignKey(
        "leads.Activity", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    after = models.DateTimeField(null=True, blank=True, help_text=_("The check before, when the lead did not have it."))

    class Meta:
        abstract = True
        indexes = [
            models.Index(fields=["activity"], condition=models.Q(activity__isnull=False), name="leads_%(class)s_line"),
            models.Index(fields=["change"], condition=models.Q(change__isnull=False), name="leads_%(class)s_by"),
        ]


class LeadTag(Joined):
    """The lead has the tag. Taking the tag off deletes the row; the timeline keeps that it was there."""

    tag = models.ForeignKey(Tag, on_delete=models.PROTECT, related_name="lead_tags", db_index=False)

    class Meta(Joined.Meta):
        verbose_name = _("tag of a lead")
        verbose_name_plural = _("tags of leads")
        constraints = [models.UniqueConstraint(fields=["tag", "lead"], name="leads_leadtag_once")]

    def __str__(self) -> str:
        return str(self.tag)


class ListSubscription(Joined):
    """The lead is, or was, on the list: Kartra keeps the entry of those who left, inactive."""

    mailing_list = models.ForeignKey(
        MailingList, on_delete=models.PROTECT, related_name="subscriptions", verbose_name=_("list"), db_index=False
    )
    active = models.BooleanField(default=True)

    class Meta(Joined.Meta):
        verbose_name = _("list subscription")
        verbose_name_plural = _("list subscriptions")
        constraints = [models.UniqueConstraint(fields=["mailing_list", "lead"], name="leads_listsubscription_once")]
        indexes = [
            *Joined.Meta.indexes,
            models.Index(fields=["mailing_list", "active", "lead"], name="leads_listsub_active"),
        ]

    def __str__(self) -> str:
        return f"{self.mailing_list}" if self.active else gettext("%(list)s (left)") % {"list": self.mailing_list}


class SequenceEnrollment(Joined):
    """The lead is, or was, in the sequence. `step` and `status` are Kartra's own words ("active", "unsubscribed", …)."""

    sequence = models.ForeignKey(Sequence, on_delete=models.PROTECT, related_name="enrollments", db_index=False)
    step = models.CharField(max_length=32, blank=True, default="")
    status = models.CharField(max_length=32, blank=True, default="")

    class Meta(Joined.Meta):
        verbose_name = _("sequence enrollment")
        verbose_name_plural = _("sequence enrollments")
        constraints = [models.UniqueConstraint(fields=["sequence", "lead"], name="leads_sequenceenrollment_once")]

    def __str__(self) -> str:
        words = gettext("%(sequence)s, step %(step)s") if self.step else "%(sequence)s"
        return words % {"sequence": self.sequence, "step": self.step}


class CalendarEnrollment(Joined):
    """A booking: one class of one calendar at one time. `starts_at` is UTC; null when Kartra did not tell it.

    Known by Kartra's id of it, and until a message brings that by class and start.
    """

    calendar_class = models.ForeignKey(CalendarClass, on_delete=models.PROTECT, related_name="enrollments")
    starts_at = models.DateTimeField(null=True, blank=True)
    duration_min = models.PositiveIntegerField(null=True, blank=True)
    status = models.CharField(max_length=32, blank=True, default="")
    booking_id = models.CharField(_("Kartra's booking id"), max_length=32, blank=True, default="")

    class Meta(Joined.Meta):
        verbose_name = _("calendar enrollment")
        verbose_name_plural = _("calendar enrollments")
        constraints = [
            models.UniqueConstraint(
                fields=["lead", "booking_id"],
                condition=~models.Q(booking_id=""),
                name="leads_calendarenrollment_one_per_booking",
            ),
            models.UniqueConstraint(
                fields=["lead", "calendar_class", "starts_at"],
                condition=models.Q(booking_id="", starts_at__isnull=False),
                name="leads_calendarenrollment_one_per_start",
            ),
            models.UniqueConstraint(
                fields=["lead", "calendar_class"],
                condition=models.Q(booking_id="", starts_at=None),
                name="leads_calendarenrollment_one_without_start",
            ),
        ]

    def __str__(self) -> str:
        return str(self.calendar_class)


class MembershipGrant(Joined):
    """The lead has, or had, access to a level of a membership."""

    level = models.ForeignKey(MembershipLevel, on_delete=models.PROTECT, related_name="grants", db_index=False)
    active = models.BooleanField(default=True)

    class Meta(Joined.Meta):
        verbose_name = _("membership grant")
        verbose_name_plural = _("membership grants")
        constraints = [models.UniqueConstraint(fields=["level", "lead"], name="leads_membershipgrant_once")]

    def __str__(self) -> str:
        return str(self.level)
