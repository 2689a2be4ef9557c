"""What a person asked for about themselves: to see all that is held of them, or to be forgotten. Written by `leads.erasure.requests`."""

import datetime as dt

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy as _

from leads.models.account import Account
from leads.models.digests import LENGTH
from leads.models.lead import Lead
from leads.models.remarks import RemarkField, sentence_of, vocabulary


class RequestKind(models.TextChoices):
    EXPORT = "export", _("to see what is held")
    ERASURE = "erasure", _("to be forgotten")


@vocabulary
class ErasureRemark(models.TextChoices):
    """What is said of an erasure besides its numbers."""

    # what could not be known
    BACKUPS = "left_backups", _("Backups, and logs of the machines, hold the person until they are deleted themselves.")
    FILES = (
        "left_files",
        _(
            "Files that left this tool: exports, files imported from the command line, and their bad rows "
            "where somebody moved them."
        ),
    )
    SPELLINGS = (
        "left_spellings",
        _(
            "Looked for were the Kartra id, every address we knew, first and last name together, telephone and "
            "street, also in "
            "percent signs, JSON escapes and HTML, in messages in base64 too. Not looked for: a first name or "
            "nickname alone, "
            "what is encrypted, pictures, and messages about other leads."
        ),
    )
    SHARED_NAME = (
        "left_shared_name",
        _("Another lead of the account has the same name, so texts that hold the name alone were left."),
    )
    SHARED_PHONE = "left_shared_phone", _("Another lead has the same telephone, so texts that hold it alone were left.")
    SHARED_STREET = "left_shared_street", _("Another lead has the same street, so texts that hold it alone were left.")
    OTHERS_WAITING = (
        "left_others_waiting",
        _("Changes of other leads that are still to be sent and name the person: %(number)s. Cancel or let them go."),
    )
    ELSEWHERE = (
        "left_elsewhere",
        _("The same address stands in our copy at other places that were not asked for: %(number)s."),
    )
    # what only Kartra can do
    IN_KARTRA = "left_in_kartra", _("The lead in Kartra: its API deletes none. Delete it there.")
    KARTRAS_COPIES = (
        "left_kartras_copies",
        _("Kartra's own logs, mails and backups, and what payment services hold: ask Kartra."),
    )
    OTHERS_IN_KARTRA = (
        "left_others_in_kartra",
        _(
            "Notes and custom fields of other leads that name the person: %(number)s. They are emptied here; "
            "the next read brings "
            "them again until they are changed in Kartra."
        ),
    )
    CALLED_AFTER = (
        "left_called_after",
        _("Tags, lists and the like that are called after the person: %(number)s. Only in Kartra can they be renamed."),
    )


COULD_NOT_KNOW = frozenset(
    code.value
    for code in ErasureRemark
    if code
    not in (
        ErasureRemark.IN_KARTRA,
        ErasureRemark.KARTRAS_COPIES,
        ErasureRemark.OTHERS_IN_KARTRA,
        ErasureRemark.CALLED_AFTER,
    )
)
"""The others only Kartra can do something about."""


class DataSubjectRequest(models.Model):
    """One request of a person about their own data: who asked us to do it, until when, and what came of it.

    `lead` is whose it is while our copy has the lead; afterwards `digest` is all that says whose it was: a keyed hash of the
    Kartra id, or of the address where there is none. Nothing else here tells of the person. `counts` is what was exported or
    removed, {table: rows}. `asked_by` empty: from the command line.
    """

    account_path = "account"

    kind = models.CharField(_("what"), max_length=8, choices=RequestKind)
    account = models.ForeignKey(
        Account, verbose_name=_("account"), on_delete=models.PROTECT, related_name="subject_requests"
    )
    lead = models.ForeignKey(
        Lead, verbose_name=_("lead"), on_delete=models.SET_NULL, null=True, blank=True, related_name="subject_requests"
    )
    digest = models.CharField(max_length=LENGTH, blank=True, default="", editable=False)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("entered by"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    asked_at = models.DateTimeField(_("asked"))
    due_at = models.DateTimeField(_("due"))
    done_at = models.DateTimeField(_("done"), null=True, blank=True)
    counts = models.JSONField(_("rows"), default=dict, blank=True)
    remarks = RemarkField(default=list, help_text=_("What is left, and whose it is to remove it."))

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("request of a person")
        verbose_name_plural = _("requests of people")
        default_permissions = ("view",)
        permissions = [("export_person", _("Can export all data of a person"))]
        constraints = [
            models.CheckConstraint(
                name="leads_datasubjectrequest_done_after_asked",
                condition=Q(done_at=None) | Q(done_at__gte=F("asked_at")),
            ),
            models.CheckConstraint(
                name="leads_datasubjectrequest_due_after_asked", condition=Q(due_at__gte=F("asked_at"))
            ),
            models.CheckConstraint(name="leads_datasubjectrequest_of_somebody", condition=~Q(digest="")),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(done_at=None), name="leads_datasubjectrequest_open"),
        ]

    def __str__(self) -> str:
        return gettext("request %(number)s: %(what)s") % {"number": self.pk, "what": self.get_kind_display()}

    def get_absolute_url(self) -> str:
        return reverse("admin:leads_datasubjectrequest_change", args=[self.pk])

    @property
    def could_not_know(self) -> list[str]:
        """What we could not check, in sentences."""
        return [sentence_of(each) for each in self.remarks if each["what"] in COULD_NOT_KNOW]

    @property
    def only_kartra(self) -> list[str]:
        """What only Kartra can do, in sentences."""
        return [sentence_of(each) for each in self.remarks if each["what"] not in COULD_NOT_KNOW]

    def is_late(self, at: dt.datetime) -> bool:
        return self.done_at is None and self.due_at < at
