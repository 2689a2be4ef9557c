"""How an account's Kartra is reached (Connection), and the addresses Kartra posts to (Door)."""

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

from integrations.secrets import EncryptedTextField, digest
from leads.models import Account


class Sending(models.TextChoices):
    """The sending switch."""

    LOOK_ONLY = "look_only", "look-only: nothing is sent to Kartra"
    ON = "on", "on"
    STOPPED = "stopped", "stopped"


class StoppedBy(models.TextChoices):
    NOBODY = "", ""
    PERSON = "person", "a person"
    CREDENTIALS = "credentials", "Kartra refused our keys"
    OUTAGE = "outage", "Kartra did not answer"
    RESTORED = "restored", "this database was restored or copied"
    COMMAND = "command", "Kartra does not allow the command"


class Connection(models.Model):
    """How we reach one Kartra account. One to one with the account; its name is the account's."""

    account = models.OneToOneField(Account, on_delete=models.PROTECT, related_name="connection")
    app_id = models.CharField(max_length=200)
    api_key = EncryptedTextField()
    api_password = EncryptedTextField()
    api_url = models.CharField("API address", max_length=500)
    calls_per_second = models.FloatField(
        default=19.5,
        validators=[MinValueValidator(0), MaxValueValidator(19.5)],
        help_text="Kartra allows 20 a second per app; 19.5 is the most that never goes over. 0: no limit (pretend Kartra only).",
    )
    test_mode = models.BooleanField(default=False, help_text="The app is in Kartra's test mode.")
    get_lead_by_id = models.BooleanField(null=True, blank=True, help_text="Whether get_lead takes an id; learnt.")
    receipt_field = models.CharField(
        "safety field",
        max_length=64,
        blank=True,
        default="",
        help_text="The custom field in Kartra that calls write their receipt into; empty: none.",
    )
    counter_key = models.UUIDField(default=uuid.uuid4, editable=False)
    calls_made = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="Calls that wrote; kept outside the database too, to tell a restored one."
    )

    sending = models.CharField(max_length=12, choices=Sending, default=Sending.LOOK_ONLY)
    sending_since = models.DateTimeField(null=True, blank=True)
    sending_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    sending_why = models.TextField(blank=True, default="")
    stopped_by = models.CharField(max_length=12, choices=StoppedBy, blank=True, default="")

    hold_until = models.DateTimeField(null=True, blank=True, help_text="Back-off: nothing is sent before.")
    failures = models.PositiveIntegerField(default=0, help_text="Calls in a row that got no answer.")
    probe_at = models.DateTimeField(null=True, blank=True, help_text="When an outage is next tried.")
    checked_at = models.DateTimeField(null=True, blank=True)
    check_result = models.TextField(blank=True, default="")
    catalogue_read_at = models.DateTimeField(null=True, blank=True)
    catalogue_due = models.BooleanField(default=False, help_text="Kartra refused a name that our catalogue has.")
    reads_stopped_at = models.DateTimeField(
        null=True, blank=True, help_text="Nothing is read by itself until a person decides."
    )
    reads_stopped_why = models.TextField(blank=True, default="")
    refused_commands = models.JSONField(
        default=dict, blank=True, help_text='Commands this app may not use: {"assign_tag": {"since": …, "words": …}}.'
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["account__name"]
        permissions = [
            ("switch_sending", "Can switch sending on and off"),
            ("see_webhook_addresses", "Can see the addresses for Kartra"),
            ("use_console", "Can make any call to Kartra's API by hand"),
            ("create_customfield", "Can create custom fields in Kartra"),
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


class DoorQuerySet(models.QuerySet["Door"]):
    def open_with(self, token: str) -> "Door | None":
        """The door that this token opens, or None."""
        return self.filter(token_digest=digest("door", token), retired_at=None).first()

    def standing(self) -> Self:
        return self.filter(retired_at=None)


def new_token() -> str:
    """32 random bytes, URL-safe."""
    return secrets.token_urlsafe(32)


class Door(models.Model):
    """An address for Kartra to post to. The token in it is the only proof of origin the outbound API has."""

    key = models.UUIDField(default=uuid.uuid4, editable=False, unique=True)
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="doors")
    name = models.CharField(max_length=100, default="Kartra")
    token = EncryptedTextField(default=new_token, editable=False)
    token_digest = models.CharField(max_length=64, unique=True, editable=False)
    ipn_secret = EncryptedTextField("secret key of the IPN", blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    objects = DoorQuerySet.as_manager()

    class Meta:
        ordering = ["connection", "name"]
        verbose_name = "address for Kartra"
        verbose_name_plural = "addresses for Kartra"
        constraints = [models.UniqueConstraint(fields=["connection", "name"], name="integrations_door_one_per_name")]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: object, **kwargs: object) -> None:
        self.token_digest = digest("door", self.token)
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    @property
    def outbound_url(self) -> str:
        """Where Kartra's outbound API is to post. Holds the token: show it to those who may."""
        return f"{settings.PUBLIC_URL.rstrip('/')}/webhooks/{self.token}/"

    @property
    def ipn_url(self) -> str:
        """Where Kartra's IPN is to post."""
        return f"{self.outbound_url}ipn/"
