"""The addresses that Kartra posts to."""

import datetime as dt
import secrets
import uuid
from collections.abc import Sequence
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from integrations.models.connection import Connection
from integrations.secrets import EncryptedTextField, LostSecret
from leads.models.digests import LENGTH, newest
from leads.models.times import StampField


class WebhookEndpointQuerySet(models.QuerySet["WebhookEndpoint"]):
    def standing(self) -> Self:
        return self.filter(retired_at=None)

    def open_with(self, asked: Sequence[str]) -> tuple[int, bool] | None:
        """The standing webhook endpoint that a token of these digests opens, and whether the token is its old one; None for no
        webhook endpoint. The first digest, which is of the newest key, is kept from now on."""
        found = self.standing().filter(Q(token_digest__in=asked) | Q(old_token_digest__in=asked))
        row = found.values_list("pk", "token_digest", "old_token_digest").first()
        if row is None:
            return None
        is_old = row[1] not in asked
        if asked[0] not in row:
            self.filter(pk=row[0]).update(**{"old_token_digest" if is_old else "token_digest": asked[0]})
        return row[0], is_old


def new_token() -> str:
    """32 random bytes, URL-safe."""
    return secrets.token_urlsafe(32)


class WebhookEndpoint(models.Model):
    """An webhook address to post to. The token in it is the only proof of origin the outbound API has.

    A webhook endpoint that got a new token is open to the old one too, until that is retired.
    """

    account_path = "connection__account"

    key = models.UUIDField(default=uuid.uuid4, editable=False, unique=True)
    connection = models.ForeignKey(
        Connection, verbose_name=_("connection"), on_delete=models.PROTECT, related_name="endpoints"
    )
    name = models.CharField(_("name"), max_length=100, default="Kartra")
    token = EncryptedTextField(default=new_token, editable=False)
    token_digest = models.CharField(max_length=LENGTH, unique=True, editable=False)
    old_token = EncryptedTextField(null=True, blank=True, editable=False)
    old_token_digest = models.CharField(max_length=LENGTH, unique=True, null=True, blank=True, editable=False)
    rotated_at = models.DateTimeField(null=True, blank=True, editable=False)
    ipn_secret = EncryptedTextField(_("secret key of the IPN"), blank=True, default="")
    created_at = StampField(_("created at"), auto_now_add=True)
    retired_at = models.DateTimeField(_("retired at"), null=True, blank=True)

    objects = WebhookEndpointQuerySet.as_manager()

    class Meta:
        ordering = ["connection", "name"]
        verbose_name = _("webhook address")
        verbose_name_plural = _("webhook addresses")
        permissions = [("rotate_webhookendpoint", _("Can change and retire webhook addresses"))]
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
        if not isinstance(self.token, LostSecret):
            self.token_digest = newest("door", self.token)
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    def get_absolute_url(self) -> str:
        return reverse("admin:integrations_webhookendpoint_change", args=[self.pk])

    def rotate(self, at: dt.datetime) -> bool:
        """Make a new token; the one so far stays valid as the old one. False while another old one is still valid: it has
        to be retired first, or messages to it would be lost unseen."""
        if self.old_token_digest is not None or self.retired_at is not None:
            return False
        self.old_token, self.old_token_digest = self.token, self.token_digest
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
        return _address(self.token)

    @property
    def ipn_url(self) -> str:
        """Where Kartra's IPN is to post."""
        return f"{self.outbound_url}ipn/" if self.outbound_url else ""

    @property
    def old_outbound_url(self) -> str:
        """The address before the last change; empty once it is retired."""
        return _address(self.old_token or "")


def _address(token: str) -> str:
    """Empty where there is no token, or none that can be opened."""
    return f"{settings.PUBLIC_URL.rstrip('/')}/webhooks/{token}/" if token else ""
