"""When a recipe, or what a bulk action was prepared to do, is to be done: once or again and again, and what became of each time."""

from typing import Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from leads.models.account import Account
from leads.models.people_list import PeopleList
from leads.models.recipe import Recipe
from leads.models.remarks import RemarkField, sentence_of, vocabulary
from leads.models.run import BulkRun
from leads.models.times import StampField


class Period(models.TextChoices):
    ONCE = "once", _("once")
    DAILY = "daily", _("every day")
    WEEKLY = "weekly", _("every week")
    MONTHLY = "monthly", _("every month")


class ScheduleState(models.TextChoices):
    ON = "on", _("on")
    PAUSED = "paused", _("paused")
    HELD = "held", _("waits for an answer")
    OVER = "over", _("over")


class Weekday(models.IntegerChoices):
    MONDAY = 0, _("Monday")
    TUESDAY = 1, _("Tuesday")
    WEDNESDAY = 2, _("Wednesday")
    THURSDAY = 3, _("Thursday")
    FRIDAY = 4, _("Friday")
    SATURDAY = 5, _("Saturday")
    SUNDAY = 6, _("Sunday")


class ScheduleQuerySet(models.QuerySet["Schedule"]):
    def due(self, at: object) -> Self:
        """Those of which a time has come. One that is held is among them: the time passes, and is written down."""
        return self.filter(state__in=[ScheduleState.ON, ScheduleState.HELD], next_at__lte=at)


class Schedule(models.Model):
    """On which leads something is done, and when. It acts with the rights that its owner has at the time.

    `recipe` as it is then, or `steps` of its own, [[name of the kind, its parameters], …]. `selection` is a
    `leads.filters.Selection` as JSON, resolved at the time. `at` is the hour on the clocks of `zone`; `day` a day of the month, of a
    shorter month the last. `largest_difference`: in percent, by how much the number of leads may differ from that of the last time
    (`last_members`). `next_at` is the next time; empty where there is none.
    """

    account_path = "account"

    account = models.ForeignKey(Account, verbose_name=_("account"), on_delete=models.CASCADE, related_name="schedules")
    name = models.CharField(_("name"), max_length=200)
    recipe = models.ForeignKey(
        Recipe, verbose_name=_("recipe"), on_delete=models.PROTECT, null=True, blank=True, related_name="schedules"
    )
    seen_version = models.PositiveIntegerField(
        null=True, blank=True, help_text=_("The version of the recipe that its owner has seen.")
    )
    steps = models.JSONField(null=True, blank=True)
    choices = models.JSONField(
        default=dict, blank=True, help_text=_('What was ticked: {"force": …, "include_left": …}.')
    )
    selection = models.JSONField()
    people_list = models.ForeignKey(
        PeopleList,
        verbose_name=_("list of people"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="schedules",
        help_text=_("On whose people it is, if they come from a list."),
    )
    creates_missing = models.BooleanField(
        default=False, help_text=_("Those of the list whom Kartra does not have are created first.")
    )
    why = models.TextField(_("reason"), blank=True, default="")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    zone = models.CharField(_("time zone"), max_length=64)
    at = models.TimeField(_("time"))
    period = models.CharField(_("how often"), max_length=8, choices=Period)
    on = models.DateField(_("day"), null=True, blank=True, help_text=_("Of one that happens once."))
    weekday = models.PositiveSmallIntegerField(_("weekday"), choices=Weekday, null=True, blank=True)
    day = models.PositiveSmallIntegerField(
        _("day of the month"), null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(31)]
    )
    only_new = models.BooleanField(_("only leads that it has not changed before"), default=True)
    largest_difference = models.PositiveIntegerField(_("largest difference in percent"), default=30)
    grace_minutes = models.PositiveIntegerField(_("may start late by, in minutes"), default=360)
    state = models.CharField(_("state"), max_length=8, choices=ScheduleState, default=ScheduleState.ON)
    next_at = models.DateTimeField(_("next"), null=True, blank=True)
    last_members = models.PositiveIntegerField(null=True, blank=True)
    created_at = StampField(_("created at"), auto_now_add=True)

    objects = ScheduleQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="leads_schedule_named"),
            models.CheckConstraint(
                condition=Q(recipe__isnull=False, steps__isnull=True) | Q(recipe=None, steps__isnull=False),
                name="leads_schedule_recipe_or_steps",
            ),
            models.CheckConstraint(
                condition=Q(period=Period.ONCE, on__isnull=False, weekday=None, day=None)
                | Q(period=Period.DAILY, on=None, weekday=None, day=None)
                | Q(period=Period.WEEKLY, on=None, weekday__isnull=False, weekday__lte=6, day=None)
                | Q(period=Period.MONTHLY, on=None, weekday=None, day__isnull=False, day__gte=1, day__lte=31),
                name="leads_schedule_says_which_days",
            ),
            models.CheckConstraint(
                condition=Q(state=ScheduleState.ON, next_at__isnull=False)
                | Q(state__in=[ScheduleState.PAUSED, ScheduleState.OVER], next_at=None)
                | Q(state=ScheduleState.HELD),
                name="leads_schedule_next_at_iff_on",
            ),
        ]
        indexes = [
            models.Index(fields=["next_at"], condition=Q(next_at__isnull=False), name="leads_schedule_next_at"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("admin:leads_schedule_change", args=[self.pk])


class OccurrenceState(models.TextChoices):
    DUE = "due", _("due")
    STARTED = "started", _("started")
    HELD = "held", _("holds")
    MISSED = "missed", _("missed")
    SKIPPED = "skipped", _("left out")
    NOTHING = "nothing", _("nothing to do")


@vocabulary
class ScheduleRemark(models.TextChoices):
    """Why a time of a schedule holds, waits, or passed without a bulk action."""

    NO_OWNER = "schedule_no_owner", _("It has no owner any more. Take it over, or release it once.")
    MAY_NOT = (
        "schedule_may_not",
        _("%(person)s may not do this any more. Somebody who may can release it or take it over."),
    )
    TOO_MANY = "schedule_too_many", _("%(person)s may not start this alone: %(words)s")
    DIFFERS = "schedule_differs", _("%(percent)s %% %(which)s than the last time: %(now)s leads, was %(was)s.")
    MORE = "schedule_more", _("more")
    FEWER = "schedule_fewer", _("fewer")
    RECIPE_CHANGED = "schedule_recipe_changed", _("The recipe %(recipe)s was changed by %(person)s.")
    REFUSED = "schedule_refused", _("This cannot be started. %(words)s")
    NOT_SENDING = "schedule_not_sending", _("Nothing is sent to Kartra: %(words)s")
    NOT_READING = (
        "schedule_not_reading",
        _("Reading from Kartra is stopped, and %(number)s of its leads are not up to date."),
    )
    READING = "schedule_reading", _("%(number)s of its leads are being updated from Kartra first.")
    STALE = "schedule_stale", _("%(number)s of its leads could not be updated from Kartra in time.")
    NO_LIST = "schedule_no_list", _("The list of people that it is on was deleted.")
    LATE = "schedule_late", _("Nothing was running at that time, and it was too late afterwards.")
    LATER_CAME = "schedule_later_came", _("Nothing was running at that time. The next time came before.")
    HELD_BEFORE = "schedule_held_before", _("An earlier time was still waiting for an answer.")
    PAUSED = "schedule_paused", _("It was paused then.")
    BY_PERSON = "schedule_by_person", _("Left out by %(person)s.")
    NOBODY = "schedule_nobody", _("No lead needs it.")


class OccurrenceQuerySet(models.QuerySet["Occurrence"]):
    def held(self) -> Self:
        """Those that wait for a person."""
        return self.filter(state=OccurrenceState.HELD)


class Occurrence(models.Model):
    """One time of a schedule, written down when it comes, or before, to be skipped.

    `members` is how many leads were selected then, whether or not it had changed them before. `claimed_at`: a worker looks at it
    since then; it is also the worker's fence. `remark` says why it is not started.
    """

    account_path = "schedule__account"

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="occurrences")
    due_at = models.DateTimeField(_("due"))
    state = models.CharField(_("state"), max_length=8, choices=OccurrenceState, default=OccurrenceState.DUE)
    claimed_at = models.DateTimeField(null=True, blank=True)
    members = models.PositiveIntegerField(null=True, blank=True)
    run = models.OneToOneField(BulkRun, on_delete=models.SET_NULL, null=True, blank=True, related_name="occurrence")
    remark = RemarkField()
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = OccurrenceQuerySet.as_manager()

    class Meta:
        ordering = ["-due_at", "-pk"]
        verbose_name = _("time of a schedule")
        verbose_name_plural = _("times of schedules")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["schedule", "due_at"], name="leads_occurrence_one_per_time"),
            models.UniqueConstraint(
                fields=["schedule"], condition=Q(state=OccurrenceState.HELD), name="leads_occurrence_one_holds"
            ),
            models.CheckConstraint(
                condition=Q(run=None) | Q(state=OccurrenceState.STARTED), name="leads_occurrence_run_is_started"
            ),
        ]
        indexes = [
            models.Index(
                fields=["state"],
                condition=Q(state__in=[OccurrenceState.DUE, OccurrenceState.HELD]),
                name="leads_occurrence_open",
            ),
            models.Index(fields=["due_at"], name="leads_occurrence_due_at"),
        ]

    def __str__(self) -> str:
        return f"{self.schedule}: {self.due_at:%Y-%m-%d %H:%M}"

    @property
    def why(self) -> str:
        return sentence_of(self.remark)
