"""How an account's Kartra is reached (Connection), and the addresses Kartra posts to (Door)."""

import datetime as dt
import hashlib
import math
import secrets
import uuid
from typing import Any, Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Exists, OuterRef, Prefetch, Q
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from integrations.models.stop import SendingStop, StopCause
from integrations.secrets import EncryptedTextField, digest
from leads.models import Account
from leads.models.remarks import RemarkField
from leads.models.times import StampField


class Sending(models.TextChoices):
    """What the sending switch says of a connection."""

    LOOK_ONLY = "look_only", _("look-only: nothing is sent to Kartra")
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
            "Kartra allows 20 a second per app; 19.5 is the most that never goes over. 0: no limit (pretend Kartra only)."
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
        null=True, blank=True, help_text=_("When a person last allowed sending; empty: never, it is look-only.")
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
        null=True, blank=True, help_text=_("Nothing is read by itself until a person decides.")
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
            ("see_webhook_addresses", _("Can see the addresses for Kartra")),
            ("use_console", _("Can make any call to Kartra's API by hand")),
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
    def credentials_fingerprint(self) -> str:
        """Changes when any credential or the address changes; says nothing about them."""
        joined = "\0".join([self.app_id, self.api_key, self.api_password, self.api_url])
        return hashlib.sha256(joined.encode()).hexdigest()


class WebhookEndpointQuerySet(models.QuerySet["WebhookEndpoint"]):
    def standing(self) -> Self:
        return self.filter(retired_at=None)

    def open_with(self, token_digest: str) -> tuple[int, bool] | None:
        """The standing webhook endpoint that a token of this digest opens, and whether the token is its old one; None for no
        webhook endpoint."""
        found = self.standing().filter(Q(token_digest=token_digest) | Q(old_token_digest=token_digest))
        row = found.values_list("pk", "token_digest").first()
        return None if row is None else (row[0], row[1] != token_digest)


def new_token() -> str:
    """32 random bytes, URL-safe."""
    return secrets.token_urlsafe(32)


class WebhookEndpoint(models.Model):
    """An address for Kartra to post to. The token in it is the only proof of origin the outbound API has.

    A webhook endpoint that got a new token is open to the old one too, until that is retired.
    """

    account_path = "connection__account"

    key = models.UUIDField(default=uuid.uuid4, editable=False, unique=True)
    connection = models.ForeignKey(
        Connection, verbose_name=_("connection"), on_delete=models.PROTECT, related_name="endpoints"
    )
    name = models.CharField(_("name"), max_length=100, default="Kartra")
    token = EncryptedTextField(default=new_token, editable=False)
    token_digest = models.CharField(max_length=64, unique=True, editable=False)
    old_token = EncryptedTextField(null=True, blank=True, editable=False)
    old_token_digest = models.CharField(max_length=64, unique=True, null=True, blank=True, editable=False)
    rotated_at = models.DateTimeField(null=True, blank=True, editable=False)
    ipn_secret = EncryptedTextField(_("secret key of the IPN"), blank=True, default="")
    created_at = StampField(_("created at"), auto_now_add=True)
    retired_at = models.DateTimeField(_("retired at"), null=True, blank=True)

    objects = WebhookEndpointQuerySet.as_manager()

    class Meta:
        ordering = ["connection", "name"]
        verbose_name = _("address for Kartra")
        verbose_name_plural = _("addresses for Kartra")
        permissions = [("rotate_webhookendpoint", _("Can change and retire addresses for Kartra"))]
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "name"],
                condition=Q(retired_at=None),
                name="integrations_webhookendpoint_one_per_name",
            ),
            models.CheckConstraint(
                name="integrations_webhookendpoint_old_token_with_digest",
                condition=Q(old_token__isnull=True, old_token_digest__isnull=True)
                | Q(old_token__isnull=False, old_token_digest__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: object, **kwargs: object) -> None:
        self.token_digest = digest("door", self.token)
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    def get_absolute_url(self) -> str:
        return reverse("admin:integrations_webhookendpoint_change", args=[self.pk])

    def rotate(self, at: dt.datetime) -> bool:
        """Make a new token; the one so far stays valid as the old one. False while another old one is still valid: it has
        to be retired first, or messages to it would be lost unseen."""
        if self.old_token_digest is not None or self.retired_at is not None:
            return False
        self.old_token, self.old_token_digest = self.token, digest("door", self.token)
        self.token, self.rotated_at = new_token(), at
        self.save()
        return True

    def retire_old(self) -> bool:
        """Turn away what comes with the old token from now on. True if there was one."""
        had = self.old_token_digest is not None
        self.old_token = self.old_token_digest = None
        self.save()
        return had

    @property
    def outbound_url(self) -> str:
        """Where Kartra's outbound API is to post. Holds the token: show it to those who may."""
        return f"{settings.PUBLIC_URL.rstrip('/')}/webhooks/{self.token}/"

    @property
    def ipn_url(self) -> str:
        """Where Kartra's IPN is to post."""
        return f"{self.outbound_url}ipn/"

    @property
    def old_outbound_url(self) -> str:
        """The address before the last change; empty once it is retired."""
        return f"{settings.PUBLIC_URL.rstrip('/')}/webhooks/{self.old_token}/" if self.old_token else ""
