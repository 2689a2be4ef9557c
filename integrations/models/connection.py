"""How an account's Kartra is reached (Connection), and the addresses Kartra posts to (Door)."""

import datetime as dt
import hashlib
import math
import secrets
import uuid
from typing import Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from integrations.secrets import EncryptedTextField, digest
from leads.models import Account
from leads.models.remarks import RemarkField
from leads.models.times import StampField


class Sending(models.TextChoices):
    """The sending switch."""

    LOOK_ONLY = "look_only", _("look-only: nothing is sent to Kartra")
    ON = "on", _("on")
    STOPPED = "stopped", _("stopped")


class StopCause(models.TextChoices):
    NOBODY = "", ""
    PERSON = "person", _("a person")
    CREDENTIALS = "credentials", _("Kartra refused our keys")
    OUTAGE = "outage", _("Kartra did not answer")
    RESTORED = "restored", _("this database was restored or copied")
    COMMAND = "command", _("Kartra does not allow the command")


class Connection(models.Model):
    """How we reach one Kartra account. One to one with the account; its name is the account's."""

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

    sending = models.CharField(_("sending"), max_length=12, choices=Sending, default=Sending.LOOK_ONLY)
    sending_since = models.DateTimeField(null=True, blank=True)
    sending_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    sending_why = models.TextField(blank=True, default="")
    stopped_by = models.CharField(max_length=12, choices=StopCause, blank=True, default="")

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
    refused_commands = models.JSONField(
        default=dict,
        blank=True,
        help_text=_('Commands this app may not use: {"assign_tag": {"since": …, "words": …}}.'),
    )
    created_at = StampField(_("created at"), auto_now_add=True)

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
                name="integrations_connection_stopped_says_by_whom",
                condition=(Q(sending=Sending.STOPPED) & ~Q(stopped_by=""))
                | (~Q(sending=Sending.STOPPED) & Q(stopped_by="")),
            ),
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

    @property
    def sends(self) -> bool:
        return self.sending == Sending.ON

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
