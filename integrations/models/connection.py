"""How an account's Kartra is reached."""

import hashlib
import math
import uuid
from typing import Any, Self

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Exists, OuterRef, Prefetch, Q
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from integrations.models.stop import SendingStop, StopCause
from integrations.secrets import EncryptedTextField, LostSecret
from leads.models import Account
from leads.models.remarks import RemarkField
from leads.models.times import StampField


class Sending(models.TextChoices):
    """What the sending switch says of a connection."""

    LOOK_ONLY = "look_only", _("read-only: nothing is sent to Kartra")
    ON = "on", _("on")
    STOPPED = "stopped", _("stopped")


class ConnectionQuerySet(models.QuerySet["Connection"]):
    def sending(self) -> Self:
        """Those that may send: a person let them, and no stop of all sending stands."""
        stops = SendingStop.objects.standing().of_everything().filter(connection=OuterRef("pk"))
        return self.filter(~Exists(stops), switched_on_at__isnull=False)

    def stopped_by(self, cause: StopCause) -> Self:
        """Those on which all sending is stopped for this cause."""
        stops = SendingStop.objects.standing().of_everything().filter(connection=OuterRef("pk"))
        return self.filter(Exists(stops.filter(stopped_by=cause)))

    def with_stops(self) -> Self:
        """With their `standing_stops`, in one query for all."""
        stops = SendingStop.objects.standing().select_related("began_by")
        return self.prefetch_related(Prefetch("stops", stops, to_attr="standing_stops"))


class Connection(models.Model):
    """How we reach one Kartra account. One to one with the account; its name is the account's.

    Whether it sends follows from `switched_on_at` and the standing stops. Those are read once, when first asked for, like a
    field: `refresh_from_db` forgets them.
    """

    account_path = "account"

    account = models.OneToOneField(
        Account, verbose_name=_("account"), on_delete=models.PROTECT, related_name="connection"
    )
    app_id = models.CharField(_("app id"), max_length=200)
    api_key = EncryptedTextField()
    api_password = EncryptedTextField()
    api_url = models.CharField(_("API address"), max_length=500)
    calls_per_second = models.FloatField(
        _("calls per second"),
        default=19.5,
        validators=[MinValueValidator(0), MaxValueValidator(19.5)],
        help_text=_(
            "Kartra allows 20 a second per app; 19.5 is the most that never goes over. 0: no limit (Kartra "
            "sandbox only)."
        ),
    )
    test_mode = models.BooleanField(_("test mode"), default=False, help_text=_("The app is in Kartra's test mode."))
    get_lead_by_id = models.BooleanField(null=True, blank=True, help_text=_("Whether get_lead takes an id; learnt."))
    receipt_field = models.CharField(
        _("safety field"),
        max_length=64,
        blank=True,
        default="",
        help_text=_("The custom field in Kartra that calls write their receipt into; empty: none."),
    )
    counter_key = models.UUIDField(default=uuid.uuid4, editable=False)
    calls_made = models.PositiveBigIntegerField(
        default=0,
        editable=False,
        help_text=_("Calls that wrote; kept outside the database too, to tell a restored one."),
    )

    switched_on_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When a person last allowed sending; empty: never, it is read-only.")
    )
    hold_until = models.DateTimeField(null=True, blank=True, help_text=_("Back-off: nothing is sent before."))
    failures = models.PositiveIntegerField(default=0, help_text=_("Calls in a row that got no answer."))
    probe_at = models.DateTimeField(null=True, blank=True, help_text=_("When an outage is next tried."))
    checked_at = models.DateTimeField(_("checked at"), null=True, blank=True)
    check_result = RemarkField()
    catalogue_read_at = models.DateTimeField(null=True, blank=True)
    catalogue_doubt = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        blank=True,
        help_text=_(
            "So many of each that an answer did not show at once that a person is asked whether they are gone."
        ),
    )
    catalogue_due = models.BooleanField(default=False, help_text=_("Kartra refused a name that our catalogue has."))
    reads_stopped_at = models.DateTimeField(
        null=True, blank=True, help_text=_("No updates from Kartra until a person decides.")
    )
    reads_stopped_why = RemarkField()
    created_at = StampField(_("created at"), auto_now_add=True)

    objects = ConnectionQuerySet.as_manager()

    class Meta:
        ordering = ["account__name"]
        verbose_name = _("connection")
        verbose_name_plural = _("connections")
        permissions = [
            ("switch_sending", _("Can switch sending on and off")),
            ("see_webhook_addresses", _("Can see the webhook addresses")),
            ("use_console", _("Can make any call to Kartra's API by hand")),
            ("write_raw_call", _("Can make calls that write as they stand")),
            ("create_customfield", _("Can create custom fields in Kartra")),
        ]
        constraints = [
            models.CheckConstraint(
                name="integrations_connection_pace", condition=Q(calls_per_second__gte=0, calls_per_second__lte=19.5)
            ),
        ]

    def __str__(self) -> str:
        return self.account.name

    def get_absolute_url(self) -> str:
        return reverse("admin:integrations_connection_change", args=[self.pk])

    @property
    def name(self) -> str:
        return self.account.name

    @property
    def rate(self) -> float:
        """Calls a second; infinite where there is no limit."""
        return self.calls_per_second or math.inf

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        self.__dict__.pop("standing_stops", None)
        super().refresh_from_db(*args, **kwargs)

    @cached_property
    def standing_stops(self) -> list[SendingStop]:
        """The stop of all sending, if there is one, and those of single commands."""
        return list(self.stops.standing().select_related("began_by"))

    @property
    def sending(self) -> Sending:
        if self.standing_stop is not None:
            return Sending.STOPPED
        return Sending.LOOK_ONLY if self.switched_on_at is None else Sending.ON

    @property
    def sends(self) -> bool:
        return self.sending == Sending.ON

    @property
    def standing_stop(self) -> SendingStop | None:
        """The stop of all sending; None where there is none."""
        return next((stop for stop in self.standing_stops if not stop.command), None)

    @property
    def stopped_by(self) -> StopCause | None:
        return None if self.standing_stop is None else StopCause(self.standing_stop.stopped_by)

    @property
    def refused_commands(self) -> list[str]:
        """The commands that Kartra does not allow this app, sorted."""
        return sorted(stop.command for stop in self.standing_stops if stop.command)

    @property
    def secrets_lost(self) -> bool:
        """The key with which the API key and password were stored is not there."""
        return any(isinstance(secret, LostSecret) for secret in (self.api_key, self.api_password))

    @property
    def credentials_fingerprint(self) -> str:
        """Changes when any credential or the address changes; says nothing about them."""
        joined = "\0".join([self.app_id, self.api_key, self.api_password, self.api_url])
        return hashlib.sha256(joined.encode()).hexdigest()
