"""A watched segment: who is in it, kept as rows; who came in, and what was done about it. Written by `leads.watching` alone."""

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext, gettext_lazy as _

from leads.models.changed import Mark
from leads.models.lead import Lead
from leads.models.recipe import Recipe
from leads.models.remarks import RemarkField, sentence_of, vocabulary
from leads.models.run import BulkRun
from leads.models.segment import Segment
from leads.models.times import StampField


class WatchState(models.TextChoices):
    ON = "on", _("on")
    PAUSED = "paused", _("paused")


@vocabulary
class WatchRemark(models.TextChoices):
    """Why a watch paused."""

    BY_PERSON = "watch_by_person", _("Paused by %(person)s.")
    NO_OWNER = "watch_no_owner", _("Nobody answers for it any more. Somebody else has to take it over.")
    NO_RECIPE = "watch_no_recipe", _("Its recipe was deleted. Choose another one, or none.")
    OWNER_AWAY = "watch_owner_away", _("%(person)s does not work here any more. Somebody else has to take it over.")
    OWNER_MAY_NOT = (
        "watch_owner_may_not",
        _("%(person)s may not start this recipe in this account. Somebody who may has to take it over."),
    )
    REFUSED = "watch_refused", _("The recipe could not be started: %(why)s")
    UNREADABLE = (
        "watch_unreadable",
        _("The filter of the segment cannot be read, so nobody can be seen to enter. Save the segment again."),
    )
    LOOP = (
        "watch_loop",
        _("These recipes feed each other: %(chain)s. The same leads would go round for ever. Change one of them."),
    )
    ROUNDS = (
        "watch_rounds",
        _(
            "The same lead came in again within a day, by what recipes had done: %(chain)s. All of these are paused "
            "before they go round once more."
        ),
    )
    ANSWERED = (
        "watch_answered",
        _(
            "Kartra seems to answer this recipe: after “%(step)s” the opposite happened to %(number)s of %(all)s leads "
            "within a day. Look at the automations in Kartra, then resume."
        ),
    )


class Watch(models.Model):
    """Tells when leads enter a segment, and may start a recipe for them, once per person.

    `changed_seq` and `changed_xid` are the mark up to which the changes of leads were looked at; `whole_at` is when every lead of
    the account was last looked at, null until all who are in it were filled in without a word. `described` is a digest of the
    conditions that were looked for: with other ones who is in it is filled in anew. `untold`: how many entered and were told to
    nobody yet. `starts`: a recipe is to be started, also where it was deleted since. `daily_ceiling`: the most leads a day that it is
    started for; null: any number.
    """

    account_path = "segment__account"

    segment = models.OneToOneField(Segment, on_delete=models.CASCADE, related_name="watch")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    by_notice = models.BooleanField(_("a line on the owner's home page"), default=True)
    by_mail = models.BooleanField(_("a mail to the owner"), default=False)
    by_alert = models.BooleanField(_("a post to ALERT_URL"), default=False)
    recipe = models.ForeignKey(
        Recipe, verbose_name=_("recipe"), on_delete=models.SET_NULL, null=True, blank=True, related_name="watches"
    )
    starts = models.BooleanField(default=False, db_default=False)
    daily_ceiling = models.PositiveIntegerField(_("at most so many leads a day"), null=True, blank=True)
    state = models.CharField(_("state"), max_length=8, choices=WatchState, default=WatchState.ON)
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_remark = RemarkField()
    pause_told_at = models.DateTimeField(null=True, blank=True)
    changed_seq = models.BigIntegerField(default=0)
    changed_xid = models.BigIntegerField(default=0)
    described = models.CharField(max_length=64, blank=True, default="")
    looked_at = models.DateTimeField(null=True, blank=True)
    whole_at = models.DateTimeField(null=True, blank=True)
    untold = models.PositiveIntegerField(default=0)
    told_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True, help_text=_("When the owner last looked who entered."))
    created_at = StampField(_("created at"), auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        verbose_name = _("watched segment")
        verbose_name_plural = _("watched segments")
        default_permissions = ("add", "change")
        constraints = [
            models.CheckConstraint(
                name="leads_watch_paused_at_iff_paused",
                condition=Q(state=WatchState.PAUSED, paused_at__isnull=False)
                | (~Q(state=WatchState.PAUSED) & Q(paused_at=None)),
            ),
            models.CheckConstraint(condition=Q(starts=True) | Q(recipe=None), name="leads_watch_starts_its_recipe"),
            models.CheckConstraint(
                condition=Q(daily_ceiling=None) | Q(daily_ceiling__gte=1), name="leads_watch_ceiling_above_none"
            ),
        ]

    def __str__(self) -> str:
        return gettext("when somebody enters %(segment)s") % {"segment": self.segment}

    @property
    def mark(self) -> Mark:
        return Mark(self.changed_seq, self.changed_xid)

    @property
    def is_on(self) -> bool:
        return self.state == WatchState.ON

    @property
    def why_paused(self) -> str:
        return sentence_of(self.paused_remark)


class SegmentMember(models.Model):
    """A lead that is in a watched segment, as the last look found it; `since`: when a look found it there first."""

    account_path = "segment__account"

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="members", db_index=False)
    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="+")
    since = models.DateTimeField()

    class Meta:
        verbose_name = _("member of a watched segment")
        verbose_name_plural = _("members of watched segments")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["segment", "lead"], name="leads_segmentmember_once")]

    def __str__(self) -> str:
        return str(self.lead_id)


class WatchEntryQuerySet(models.QuerySet["WatchEntry"]):
    def entered_since(self, at: Any) -> Self:
        return self.filter(at__gte=at)


class WatchEntry(models.Model):
    """A lead that entered a watched segment, once for each lead and watch: so a recipe is started once per person.

    `waits`: the recipe is still to be started for it; then `run` and `acted_at` say when it was. `times` is how often it entered,
    `again_at` when it last did so after the first time.
    """

    account_path = "watch__segment__account"

    watch = models.ForeignKey(Watch, on_delete=models.CASCADE, related_name="entries", db_index=False)
    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField()
    times = models.PositiveIntegerField(default=1, db_default=1)
    again_at = models.DateTimeField(null=True, blank=True)
    waits = models.BooleanField(default=False, db_default=False)
    run = models.ForeignKey(BulkRun, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    acted_at = models.DateTimeField(null=True, blank=True)

    objects = WatchEntryQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-pk"]
        verbose_name = _("entry into a watched segment")
        verbose_name_plural = _("entries into watched segments")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["watch", "lead"], name="leads_watchentry_once"),
            models.CheckConstraint(
                condition=Q(waits=False) | Q(run=None, acted_at=None), name="leads_watchentry_waits_or_acted"
            ),
        ]
        indexes = [
            models.Index(fields=["watch", "id"], condition=Q(waits=True), name="leads_watchentry_waiting"),
            models.Index(fields=["watch", "-at"], name="leads_watchentry_at"),
            models.Index(
                fields=["watch", "acted_at"], condition=Q(acted_at__isnull=False), name="leads_watchentry_acted"
            ),
        ]

    def __str__(self) -> str:
        return str(self.lead_id)
