"""Files that Kartra exported, on their way into our copy: how far each is, what it brought, which rows were bad."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy as _

from leads.models.account import Account
from leads.models.remarks import RemarkField, sentence_of, vocabulary
from leads.models.times import StampField


class ImportKind(models.TextChoices):
    LEADS = "leads", _("leads")
    TRANSACTIONS = "transactions", _("transactions")


class ImportState(models.TextChoices):
    """The life of an import: new (columns are being matched) → checking → checked → loading → finished."""

    NEW = "new", _("columns to be matched")
    CHECKING = "checking", _("being checked")
    CHECKED = "checked", _("checked, not imported yet")
    LOADING = "loading", _("importing")
    FINISHED = "finished", _("finished")
    CANCELLED = "cancelled", _("cancelled")
    STOPPED = "stopped", _("stopped")


GOING = (ImportState.CHECKING, ImportState.LOADING)
IMPORT_ENDED = (ImportState.FINISHED, ImportState.CANCELLED, ImportState.STOPPED)


@vocabulary
class ImportRemark(models.TextChoices):
    """Why an import was stopped."""

    FOREIGN_IDS = (
        "foreign_ids",
        _(
            "“%(header)s” is probably not Kartra's id: by line %(line)s %(differ)s rows name other people than their "
            "addresses, and %(agree)s agree. Import the file again without that column."
        ),
    )
    BROKE_OFF = "import_broke_off", _("It stopped at line %(line)s because of an error of ours (%(name)s).")


class ImportQuerySet(models.QuerySet["Import"]):
    def going(self) -> Self:
        """Those that a worker has to go on with: under way, and their file is here."""
        return self.filter(state__in=GOING, kept=True)


class Import(models.Model):
    """One file to load into one account's mirror, and how far that is.

    `position` and `line` say where in the file the next row begins; they, the counts and the rows written are saved in
    one transaction, so that an interrupted import goes on exactly where it was. `mapping` is {what it is: header},
    `counts` {"created": 3, …}. `kept`: the file's bytes are in `ImportChunk`; else a command reads the file itself.
    """

    account_path = "account"

    account = models.ForeignKey(Account, verbose_name=_("account"), on_delete=models.PROTECT, related_name="imports")
    kind = models.CharField(_("kind"), max_length=16, choices=ImportKind)
    file_name = models.CharField(_("file"), max_length=255)
    size = models.PositiveBigIntegerField()
    digest = models.CharField(max_length=64, editable=False, help_text=_("SHA-256 of the file."))
    kept = models.BooleanField(default=False, editable=False)
    encoding = models.CharField(max_length=16)
    delimiter = models.CharField(max_length=1)
    headers = models.JSONField()
    data_start = models.PositiveBigIntegerField(help_text=_("Where the first row after the header begins."))
    data_line = models.PositiveIntegerField()
    mapping = models.JSONField(default=dict, blank=True)
    day_first = models.BooleanField(null=True, blank=True, help_text=_("What 03/04/2026 means. Null: detected."))

    state = models.CharField(_("state"), max_length=12, choices=ImportState, default=ImportState.NEW)
    why = RemarkField(help_text=_("Why it was stopped."))
    position = models.PositiveBigIntegerField()
    line = models.PositiveIntegerField()
    rows = models.PositiveIntegerField(_("rows"), default=0)
    rejected = models.PositiveIntegerField(_("bad rows"), default=0)
    counts = models.JSONField(default=dict, blank=True)
    expected = models.JSONField(default=dict, blank=True, help_text=_("The counts of the check."))
    options = models.JSONField(default=dict, blank=True, help_text=_("How we read its cells, and what its ids are."))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("created by"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    created_at = StampField(_("created at"), auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = ImportQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        constraints = [
            models.CheckConstraint(
                name="leads_import_ended_at_iff_ended",
                condition=Q(state__in=IMPORT_ENDED, ended_at__isnull=False)
                | (~Q(state__in=IMPORT_ENDED) & Q(ended_at=None)),
            ),
            models.CheckConstraint(
                name="leads_import_position_in_file",
                condition=Q(position__gte=models.F("data_start"), position__lte=models.F("size")),
            ),
            models.CheckConstraint(name="leads_import_rejected_are_rows", condition=Q(rejected__lte=models.F("rows"))),
        ]
        indexes = [
            models.Index(fields=["state"], condition=Q(state__in=GOING), name="leads_import_going"),
            models.Index(fields=["account", "digest"], name="leads_import_digest"),
        ]

    def __str__(self) -> str:
        return self.file_name

    def get_absolute_url(self) -> str:
        return reverse("admin:leads_import_change", args=[self.pk])

    @property
    def why_stopped(self) -> str:
        return sentence_of(self.why)

    @property
    def is_going(self) -> bool:
        return self.state in GOING

    @property
    def has_ended(self) -> bool:
        return self.state in IMPORT_ENDED

    @property
    def percent(self) -> int:
        """How much of the file has been read."""
        total = self.size - self.data_start
        return 100 if total <= 0 else (self.position - self.data_start) * 100 // total


class ImportChunk(models.Model):
    """A piece of an uploaded file, compressed. Removed when the import has ended."""

    account_path = "file__account"

    file = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="chunks", db_index=False)
    number = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        verbose_name = _("piece of a file")
        verbose_name_plural = _("pieces of files")
        constraints = [models.UniqueConstraint(fields=["file", "number"], name="leads_importchunk_once")]

    def __str__(self) -> str:
        return f"piece {self.number} of import {self.file_id}"


class ImportReject(models.Model):
    """A bad row: where it stands in the file, why it was not loaded, and its cells as they came."""

    account_path = "file__account"

    file = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="rejects", db_index=False)
    line = models.PositiveIntegerField()
    reason = RemarkField()
    cells = models.JSONField()

    class Meta:
        ordering = ["pk"]
        verbose_name = _("bad row")
        verbose_name_plural = _("bad rows")
        constraints = [models.UniqueConstraint(fields=["file", "line"], name="leads_importreject_once")]

    def __str__(self) -> str:
        return gettext("line %(line)s: %(reason)s") % {"line": self.line, "reason": self.words}

    @property
    def words(self) -> str:
        """The reason as a sentence."""
        text = sentence_of(self.reason)
        return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '…')) else '.'}"


class ImportSeen(models.Model):
    """A digest of a lead or transaction that the file named, to tell a second row of it. Removed when the import has ended."""

    account_path = "file__account"

    file = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.BigIntegerField()

    class Meta:
        verbose_name = _("row of a file")
        verbose_name_plural = _("rows of files")
        constraints = [models.UniqueConstraint(fields=["file", "key"], name="leads_importseen_once")]

    def __str__(self) -> str:
        return str(self.key)


class ColumnMapping(models.Model):
    """What a column of this account's exports was said to be, so that the next file is matched by itself.

    `header` is trimmed and without case; an empty `target` means that the column is left out.
    """

    account_path = "account"

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="column_mappings")
    kind = models.CharField(max_length=16, choices=ImportKind)
    header = models.CharField(max_length=255)
    target = models.CharField(max_length=520, blank=True, default="")

    class Meta:
        verbose_name = _("column mapping")
        verbose_name_plural = _("column mappings")
        constraints = [
            models.UniqueConstraint(fields=["account", "kind", "header"], name="leads_columnmapping_one_per_header")
        ]

    def __str__(self) -> str:
        return f"{self.header}: {self.target or 'left out'}"
