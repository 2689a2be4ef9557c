"""A bulk action: what somebody is preparing (draft) and what was started (run)."""

import uuid
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy as _, ngettext

from leads.kind import get_kind
from leads.models.account import Account
from leads.models.recipe import RecipeVersion
from leads.models.remarks import RemarkField, sentence_of, vocabulary
from leads.models.times import StampField


class RunState(models.TextChoices):
    PREPARING = "preparing", _("preparing")
    RUNNING = "running", _("running")
    PAUSED = "paused", _("paused")
    CANCELLING = "cancelling", _("cancelling")
    FINISHED = "finished", _("finished")
    CANCELLED = "cancelled", _("cancelled")


ENDED = (RunState.FINISHED, RunState.CANCELLED)


@vocabulary
class RunRemark(models.TextChoices):
    """Why a bulk action was paused by itself."""

    REFUSED_IN_A_ROW = (
        "refused_in_a_row",
        _(
            "Kartra refused %(number)s leads in a row for the same reason: %(message)s (%(code)s). Fix this, "
            "then resume, or cancel."
        ),
    )


def creation_name(number: int) -> str:
    """What a bulk action that creates leads is called."""
    return ngettext("Create %(n)s lead", "Create %(n)s leads", number) % {"n": f"{number:,}"}


class BulkRunQuerySet(models.QuerySet["BulkRun"]):
    def ended(self) -> Self:
        return self.filter(state__in=ENDED)

    def under_way(self) -> Self:
        return self.exclude(state__in=ENDED)

    def to_be_mailed(self) -> Self:
        """Those that have ended and of which their author wanted a mail."""
        return self.filter(mail_wanted=True, mailed_at=None, ended_at__isnull=False)


class BulkRun(models.Model):
    """One bulk action: a frozen set of changes of one account, with a name, an author and a reason.

    Its counts are not stored: they are counted over its changes by status, so they can never disagree with them. Of changes that
    are deleted when they are old their number stays.
    """

    account_path = "account"

    account = models.ForeignKey(Account, verbose_name=_("account"), on_delete=models.PROTECT, related_name="runs")
    name = models.CharField(_("name"), max_length=200)
    kind = models.CharField(_("kind"), max_length=32)
    parameters = models.JSONField(default=dict, blank=True)
    mixed = models.BooleanField(
        default=False, db_default=False, help_text=_("Its changes may differ from its own parameters: tried again.")
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("created by"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    why = models.TextField(_("reason"), blank=True, default="")
    expected = models.PositiveIntegerField(default=0, help_text=_("How many the preview said would change."))
    state = models.CharField(_("state"), max_length=12, choices=RunState, default=RunState.PREPARING)
    created_at = StampField(_("created at"), auto_now_add=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_why = models.TextField(blank=True, default="", help_text=_("What the person said who paused it."))
    paused_remark = RemarkField(help_text=_("Why it was paused by itself."))
    refusals = models.PositiveSmallIntegerField(default=0, help_text=_("Equal refusals in a row."))
    refused_code = models.CharField(max_length=16, blank=True, default="", help_text=_("Kartra's code of these."))
    cancelled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    undoes = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="undone_by",
        help_text=_("What this undoes."),
    )
    recipe_version = models.ForeignKey(
        RecipeVersion,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        help_text=_("The recipe by which it was made."),
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    past_counts = models.JSONField(
        default=dict,
        blank=True,
        help_text=_("Of its changes that were deleted because they were old, how many were in each status."),
    )
    mail_wanted = models.BooleanField(default=False, help_text=_("Its author wants a mail when it has ended."))
    mailed_at = models.DateTimeField(null=True, blank=True)
    told_at = models.DateTimeField(null=True, blank=True, help_text=_("When its author got the mail that it ended."))

    objects = BulkRunQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("bulk action")
        verbose_name_plural = _("bulk actions")
        permissions = [
            ("steer_bulkrun", _("Can cancel, pause and resume bulk actions")),
            ("approve_bulkrun", _("Can start bulk actions that others ask for")),
        ]
        constraints = [
            models.CheckConstraint(
                name="leads_bulkrun_ended_at_iff_ended",
                condition=Q(state__in=ENDED, ended_at__isnull=False) | (~Q(state__in=ENDED) & Q(ended_at=None)),
            ),
            models.CheckConstraint(
                name="leads_bulkrun_paused_at_iff_paused",
                condition=Q(state=RunState.PAUSED, paused_at__isnull=False)
                | (~Q(state=RunState.PAUSED) & Q(paused_at=None)),
            ),
        ]
        indexes = [
            models.Index(fields=["account", "state"], condition=~Q(state__in=ENDED), name="leads_bulkrun_under_way"),
            models.Index(
                fields=["ended_at"], condition=Q(mail_wanted=True, mailed_at=None), name="leads_bulkrun_to_be_mailed"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("admin:leads_bulkrun_change", args=[self.pk])

    def counts(self) -> dict[str, int]:
        """How many of its changes are in each status, every status named; those that were deleted since among them."""
        counts = self.changes.counts()
        return {status: number + self.past_counts.get(status, 0) for status, number in counts.items()}

    def partner(self) -> "BulkRun | None":
        """Of a bulk action that was tried on a few first: the trial; of the trial: the one over the others."""
        draft = RunDraft.objects.filter(Q(run=self) | Q(tried=self), run__isnull=False, tried__isnull=False)
        found = draft.select_related("run", "tried").first()
        return None if found is None else (found.tried if found.run_id == self.pk else found.run)

    @property
    def why_paused(self) -> str:
        return sentence_of(self.paused_remark) or self.paused_why

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED


class RunDraftQuerySet(models.QuerySet["RunDraft"]):
    def asked_for(self) -> Self:
        """Those that wait for a colleague's yes or no."""
        return self.filter(asked_at__isnull=False, refused_at=None, started_at=None)


class RunDraft(models.Model):
    """A selection somebody means to change: the leads and the kinds, until confirmed.

    `selection` is a `leads.filters.Selection` as JSON; or {"people": [[line, parameters], …], "file": …, "bad": …} for
    people who are to be created, each with parameters of their own. `listed` is the query of the leads list on which they
    were chosen: to go back to it and to say what is to be known of its filter, never to tell who is meant. `more` are the
    kinds besides the first. `parameters` is empty until a preview was asked for, then {"clean": …, "form": …}; of people
    with their number; with `leads` once a colleague was asked: how many they were.
    `tried` is the run over the first few. `started_at` is set once, by the click that starts the run.
    `asked_at`: too large for its author, so a colleague is asked to start it.
    """

    account_path = "account"

    key = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = StampField(auto_now_add=True)
    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("Whose leads they are, once that was seen."),
    )
    kind = models.CharField(max_length=32)
    more = models.JSONField(default=list, blank=True)
    selection = models.JSONField()
    recipe_version = models.ForeignKey(
        RecipeVersion,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        help_text=_("The recipe from which it was begun."),
    )
    listed = models.TextField(blank=True, default="")
    parameters = models.JSONField(default=dict, blank=True)
    creates_from = models.ForeignKey(
        "leads.PeopleList",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("The list whose people are created first where Kartra has none of them."),
    )
    tried = models.ForeignKey(BulkRun, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    asked_at = models.DateTimeField(null=True, blank=True)
    refused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    refused_at = models.DateTimeField(null=True, blank=True)
    refused_why = models.TextField(blank=True, default="")
    started_at = models.DateTimeField(null=True, blank=True)
    run = models.ForeignKey(BulkRun, on_delete=models.CASCADE, null=True, blank=True, related_name="drafts")

    objects = RunDraftQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        verbose_name = _("draft of a bulk action")
        verbose_name_plural = _("drafts of bulk actions")
        indexes = [
            models.Index(
                fields=["asked_at"], condition=Q(asked_at__isnull=False, started_at=None), name="leads_rundraft_asked"
            )
        ]

    def __str__(self) -> str:
        return gettext("draft: %(kind)s") % {"kind": get_kind(self.kind).label}

    def get_absolute_url(self) -> str:
        return reverse("admin:leads_bulkrun_prepare", args=[self.key])

    @property
    def kinds(self) -> list[str]:
        """The names of all its kinds, in their order."""
        return [self.kind, *self.more]

    @property
    def words(self) -> str:
        """What it is to do, in words; once it was previewed."""
        if "people" in self.parameters:
            return creation_name(self.parameters["people"])
        if "clean" not in self.parameters:
            return get_kind(self.kind).label
        words = get_kind("several" if self.more else self.kind).sentence(self.parameters["clean"])
        return words[:1].upper() + words[1:]
