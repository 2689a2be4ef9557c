"""A list of people that somebody pasted or uploaded: what each of its rows says, and whom of our copy it means."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from leads.models.account import Account
from leads.models.lead import Lead
from leads.models.remarks import RemarkField, sentence_of, vocabulary
from leads.models.times import StampField


class PeopleListState(models.TextChoices):
    """The life of a list: reading → looking up (whom we do not know, in Kartra) → ready."""

    READING = "reading", _("being read")
    LOOKING_UP = "looking_up", _("looking in Kartra")
    READY = "ready", _("ready")
    STOPPED = "stopped", _("stopped")


class PersonState(models.TextChoices):
    """Whom a row means. Only known and found people are leads of our copy that a bulk action may be about."""

    TO_LOOK_UP = "to_look_up", _("not looked for in Kartra yet")
    KNOWN = "known", _("known")
    FOUND = "found", _("found in Kartra")
    NOT_IN_KARTRA = "not_in_kartra", _("not in Kartra")
    GONE = "gone", _("deleted in Kartra")
    FORGOTTEN = "forgotten", _("asked to be forgotten")
    REPEATED = "repeated", _("repeated in the list")
    UNREADABLE = "unreadable", _("not readable")


MEANT = (PersonState.KNOWN, PersonState.FOUND)
"""Rows whose lead is a member of the list."""
ONE_PERSON = (PersonState.TO_LOOK_UP, PersonState.NOT_IN_KARTRA, PersonState.GONE, *MEANT)
"""Rows that stand for somebody; no two of them have one address."""
NOBODY_YET = (PersonState.TO_LOOK_UP, PersonState.NOT_IN_KARTRA)
"""Rows that have an address and no lead."""


@vocabulary
class PeopleListRemark(models.TextChoices):
    """Why a list was stopped."""

    TOO_MANY = "people_too_many", _("It holds more than %(most)s rows. Take fewer people at a time.")
    UNREADABLE_FILE = "people_file", "%(why)s"
    BROKE_OFF = "people_broke_off", _("It stopped at line %(line)s because of an error of ours (%(name)s).")


class PeopleListQuerySet(models.QuerySet["PeopleList"]):
    def going(self) -> Self:
        """Those that a worker has to go on with."""
        return self.filter(state__in=[PeopleListState.READING, PeopleListState.LOOKING_UP])


class PeopleList(models.Model):
    """People of one account who were pasted or uploaded, under a name. Never mirror rows: nobody of it is a lead by that.

    `position` and `line` say where in the text the next row begins; they and the rows written are saved in one transaction,
    so that reading goes on exactly where it was. `headers` are the columns, none where the text is addresses alone;
    `mapping` is {field of a lead: header}. `notes` is what was noticed on the way: {"agree": n, "differ": n} of a column of
    ids, {"domains": {domain: rows}} of the addresses, {"named": true} where names stand beside them.
    """

    account_path = "account"

    account = models.ForeignKey(
        Account, verbose_name=_("account"), on_delete=models.PROTECT, related_name="people_lists"
    )
    name = models.CharField(_("name"), max_length=200)
    file_name = models.CharField(_("file"), max_length=255, blank=True, default="", help_text=_("Empty: pasted."))
    size = models.PositiveBigIntegerField()
    encoding = models.CharField(max_length=16)
    delimiter = models.CharField(max_length=1, blank=True, default="")
    headers = models.JSONField(default=list, blank=True)
    mapping = models.JSONField(default=dict, blank=True)
    state = models.CharField(_("state"), max_length=12, choices=PeopleListState, default=PeopleListState.READING)
    why = RemarkField(help_text=_("Why it was stopped."))
    data_start = models.PositiveBigIntegerField(help_text=_("Where the first row begins."))
    position = models.PositiveBigIntegerField()
    line = models.PositiveIntegerField()
    rows_read = models.PositiveIntegerField(_("rows"), default=0)
    notes = models.JSONField(default=dict, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("created by"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    created_at = StampField(_("created at"), auto_now_add=True)
    used_at = models.DateTimeField(_("last used"), help_text=_("When a bulk action was last prepared with it."))

    objects = PeopleListQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("list of people")
        verbose_name_plural = _("lists of people")
        constraints = [
            models.UniqueConstraint("account", Lower("name"), name="leads_peoplelist_one_per_name"),
            models.CheckConstraint(condition=~Q(name=""), name="leads_peoplelist_named"),
            models.CheckConstraint(
                name="leads_peoplelist_position_in_file",
                condition=Q(position__gte=models.F("data_start"), position__lte=models.F("size")),
            ),
        ]
        indexes = [
            models.Index(
                fields=["state"],
                condition=Q(state__in=[PeopleListState.READING, PeopleListState.LOOKING_UP]),
                name="leads_peoplelist_going",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("admin:leads_peoplelist_change", args=[self.pk])

    @property
    def why_stopped(self) -> str:
        return sentence_of(self.why)

    @property
    def is_going(self) -> bool:
        return self.state in (PeopleListState.READING, PeopleListState.LOOKING_UP)

    @property
    def percent_read(self) -> int:
        """How much of the text has been read."""
        total = self.size - self.data_start
        return 100 if total <= 0 else (self.position - self.data_start) * 100 // total


class PeopleListChunk(models.Model):
    """A piece of the text of a list, compressed. Removed when it has been read."""

    account_path = "file__account"

    file = models.ForeignKey(PeopleList, on_delete=models.CASCADE, related_name="chunks", db_index=False)
    number = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        verbose_name = _("piece of a list of people")
        verbose_name_plural = _("pieces of lists of people")
        constraints = [models.UniqueConstraint(fields=["file", "number"], name="leads_peoplelistchunk_once")]

    def __str__(self) -> str:
        return f"piece {self.number} of list {self.file_id}"


class PeopleListRow(models.Model):
    """One person of a list. `number` counts the people, `line` the lines of the text, of which one may name several.

    `values` is {header: cell} of its other columns. Of somebody who asked to be forgotten the place alone stays.
    """

    account_path = "people_list__account"

    people_list = models.ForeignKey(PeopleList, on_delete=models.CASCADE, related_name="people", db_index=False)
    number = models.PositiveIntegerField()
    line = models.PositiveIntegerField()
    written = models.TextField(blank=True, default="", help_text=_("As it stands there."))
    email = models.TextField(blank=True, default="")
    email_key = models.CharField(max_length=320, blank=True, default="")
    kartra_id = models.CharField(max_length=32, blank=True, default="")
    values = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=16, choices=PersonState)
    reason = RemarkField(help_text=_("Why it cannot be read."))
    lead = models.ForeignKey(Lead, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    tries = models.PositiveSmallIntegerField(default=0, help_text=_("How often Kartra was asked without an answer."))

    class Meta:
        ordering = ["number"]
        verbose_name = _("person of a list")
        verbose_name_plural = _("people of lists")
        constraints = [
            models.UniqueConstraint(fields=["people_list", "number"], name="leads_peoplelistrow_once"),
            models.UniqueConstraint(
                fields=["people_list", "email_key"],
                condition=Q(state__in=ONE_PERSON) & ~Q(email_key=""),
                name="leads_peoplelistrow_one_per_email",
            ),
            models.CheckConstraint(
                name="leads_peoplelistrow_meant_has_lead",
                condition=~Q(state__in=MEANT) | Q(lead__isnull=False),
            ),
            models.CheckConstraint(
                name="leads_peoplelistrow_nobody_yet",
                condition=~Q(state__in=NOBODY_YET) | (Q(lead=None) & ~Q(email_key="")),
            ),
            models.CheckConstraint(
                name="leads_peoplelistrow_forgotten_is_empty",
                condition=~Q(state=PersonState.FORGOTTEN)
                | Q(written="", email="", email_key="", kartra_id="", lead=None),
            ),
        ]
        indexes = [
            models.Index(fields=["people_list", "state", "number"], name="leads_peoplelistrow_state"),
            models.Index(fields=["email_key"], name="leads_peoplelistrow_email"),
        ]

    def __str__(self) -> str:
        return self.email or self.kartra_id or f"row {self.number}"

    @property
    def words(self) -> str:
        """Why it cannot be read, as a sentence."""
        text = sentence_of(self.reason)
        return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '…')) else '.'}" if text else ""
