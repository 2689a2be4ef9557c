"""One request Kartra made to one of our webhook endpoints, kept as the bytes it was."""

import datetime as dt
from typing import Any, Self

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import OuterRef, Q, Subquery
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from integrations.models.webhook_endpoint import WebhookEndpoint
from leads.models import Lead
from leads.models.remarks import RemarkField, vocabulary


class Channel(models.TextChoices):
    OUTBOUND = "outbound", _("event")
    IPN = "ipn", _("payment message")


class DeliveryStatus(models.TextChoices):
    WAITING = "waiting", _("to be applied")
    APPLIED = "applied", _("applied")
    RECORDED = "recorded", _("kept, of a kind we do not know")
    QUARANTINED = "quarantined", _("could not be read")
    REFUSED = "refused", _("refused: wrong secret, or too large")
    HELD = "held", _("held: about a new person, after many others today")
    DISCARDING = "discarding", _("being discarded")
    DISCARDED = "discarded", _("discarded: what it changed is undone")


class Secret(models.TextChoices):
    """What a payment message's secret key was, at a webhook endpoint that has one."""

    NONE = "", _("not asked for")
    RIGHT = "right", _("right")
    WRONG = "wrong", _("wrong")
    MISSING = "missing", _("not in the message")


@vocabulary
class DeliveryRemark(models.TextChoices):
    """What became of a message, and what it changed."""

    UNKNOWN_EVENT = "unknown_event", _("Kartra's event %(action)s is not one we know; it is kept.")
    NAMED_BY_ID = (
        "named_by_id",
        _("It names something only by the id %(id)s, which we do not know; we update the lead instead."),
    )
    NOT_APPLIED = "not_applied", _("It could not be applied (%(name)s).")
    TOO_LARGE = "too_large", _("Larger than 1 MB; only its first 4 KB are kept.")
    WRONG_SECRET = "wrong_secret", _("Its secret key is not the one of this address.")
    SECRET_LOST = (
        "secret_lost",
        _(
            "The secret key of its address cannot be opened without its encryption key. Apply it again when "
            "that is back."
        ),
    )
    NO_SECRET = "no_secret", _("It carries no secret key, and earlier messages of this kind did.")
    UNVOUCHED = (
        "unvouched",
        _("It carries no secret key; until Kartra confirms it the payment counts as reported only."),
    )
    NO_BUYER = "no_buyer", _("The payment message names no buyer.")
    MANY_NEW = (
        "many_new",
        _(
            "It is about a new person, and %(new)s others came to this address within a day. If Kartra sent "
            "it, apply it again; otherwise discard it."
        ),
    )
    # what it changed
    NEW = "new", _("new to us")
    OTHER_ADDRESS = "other_address", _("another email address; we update the lead before we change ours")
    SAID_DELETED = "said_deleted", _("reported as deleted; we check the lead before anything is sent")
    TAG_ON = "tag_on", _("tag %(name)s added")
    TAG_OFF = "tag_off", _("tag %(name)s removed")
    LIST_JOINED = "list_joined", _("joined list %(name)s")
    LIST_LEFT = "list_left", _("left list %(name)s")
    SEQUENCE_ENTERED = "sequence_entered", _("entered sequence %(name)s")
    SEQUENCE_LEFT = "sequence_left", _("left sequence %(name)s")
    ACCESS_GIVEN = "access_given", _("access given: %(name)s")
    ACCESS_TAKEN = "access_taken", _("access removed: %(name)s")
    BOOKING_MADE = "booking_made", _("booking made")
    BOOKING_OVER = "booking_over", _("booking over")
    BOOKING_CANCELLED = "booking_cancelled", _("booking cancelled")
    PAYMENT_NOTED = "payment_noted", _("payment noted")
    TRANSACTION = "transaction", _("transaction %(id)s")
    SUBSCRIPTION_CANCELLED = "subscription_cancelled", _("subscription %(id)s cancelled")


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def waiting(self) -> Self:
        return self.filter(status=DeliveryStatus.WAITING).order_by("pk")

    def held(self) -> Self:
        """Messages about people new to us that came in such a number that a person is to look first."""
        return self.filter(status=DeliveryStatus.HELD)

    def failed(self) -> Self:
        """Messages that could not be read or applied, or were refused, perhaps because the secret key here was mistyped."""
        return self.filter(status__in=[DeliveryStatus.QUARANTINED, DeliveryStatus.REFUSED], truncated=False)

    def with_same_before(self) -> Self:
        """Each with `same_before`: the latest earlier message of its webhook endpoint that has the same body, or None."""
        earlier = Delivery.objects.filter(
            digest=OuterRef("digest"), endpoint=OuterRef("endpoint"), channel=OuterRef("channel"), pk__lt=OuterRef("pk")
        )
        return self.annotate(same_before=Subquery(earlier.order_by("-pk").values("pk")[:1]))


class Delivery(models.Model):
    """What came: first stored, then applied. `reason` and `changed` are `DeliveryRemark`s; what it changed may be a field
    of the lead by its name too, and is empty if nothing.

    `body` is the bytes as they came; of one over 1 MB the first 4 KB (`truncated`); of a payment message whose secret key was found
    right without that. `headers` holds those of interest.
    `arrival` is made where it came, so that one that waited in a file of a web machine is stored once.
    `family` is what it tells of, e.g. "tag:VIP" (of a payment message its kind): a later message of the same knows better.
    `replays` has an entry for each time somebody asked to apply it again:
    {"asked_at": ISO time, "by": name, "at": ISO time, "status": …, "reason": …, "changed": […]}, the last four once done.
    `journal` is what it wrote, and how that was before, by which it can be taken back: `leads.mirror.Journal`. `discard` is the order
    by which it is, or was, taken back.
    Newer columns have defaults in the database too: while an upgrade is under way the old code goes on storing messages.
    """

    account_path = "endpoint__connection__account"

    endpoint = models.ForeignKey(
        WebhookEndpoint,
        on_delete=models.PROTECT,
        related_name="deliveries",
        verbose_name=_("webhook address"),
        db_index=False,
    )
    channel = models.CharField(_("channel"), max_length=12, choices=Channel)
    arrival = models.UUIDField(null=True, editable=False, unique=True)
    received_at = models.DateTimeField(_("received at"))
    body = models.BinaryField(_("body"))
    truncated = models.BooleanField(_("only its beginning is kept"), default=False)
    size = models.PositiveIntegerField(_("size"), help_text=_("Bytes, as announced or as read."))
    headers = models.JSONField(_("headers"), default=dict)
    old_address = models.BooleanField(_("came to the old address"), default=False, db_default=False)
    digest = models.CharField(
        _("digest"), max_length=64, help_text=_("SHA-256 of the body: equal bodies are marked, never dropped.")
    )
    status = models.CharField(_("status"), max_length=12, choices=DeliveryStatus, default=DeliveryStatus.WAITING)
    reason = RemarkField(_("reason"))
    action = models.CharField(_("action"), max_length=100, blank=True, default="")
    family = models.CharField(max_length=520, blank=True, default="", db_default="", editable=False)
    secret = models.CharField(_("secret key"), max_length=8, choices=Secret, blank=True, default="", db_default="")
    lead = models.ForeignKey(
        Lead,
        verbose_name=_("lead"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="deliveries",
        db_index=False,
    )
    changed = RemarkField(default=list)
    applied_at = models.DateTimeField(_("applied at"), null=True, blank=True)
    journal = models.JSONField(
        default=list,
        db_default=models.Value([], models.JSONField()),
        blank=True,
        editable=False,
        encoder=DjangoJSONEncoder,
    )
    discard = models.ForeignKey(
        "integrations.Discard",
        verbose_name=_("discarded by"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="deliveries",
        db_index=False,
    )
    replays = models.JSONField(
        _("applied again"), default=list, db_default=models.Value([], models.JSONField()), blank=True
    )

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("message from Kartra")
        verbose_name_plural = _("messages from Kartra")
        permissions = [("replay_delivery", _("Can apply messages from Kartra again"))]
        constraints = [
            models.CheckConstraint(
                name="integrations_delivery_applied_at",
                condition=Q(status=DeliveryStatus.WAITING, applied_at=None)
                | (~Q(status=DeliveryStatus.WAITING) & Q(applied_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="integrations_delivery_discarded_by_order",
                condition=~Q(status__in=[DeliveryStatus.DISCARDING, DeliveryStatus.DISCARDED])
                | Q(discard__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"], condition=Q(status=DeliveryStatus.WAITING), name="integrations_delivery_waiting"
            ),
            models.Index(fields=["endpoint", "action", "-received_at"], name="integrations_delivery_action"),
            models.Index(fields=["lead", "-id"], name="integrations_delivery_lead"),
            models.Index(fields=["discard"], condition=Q(discard__isnull=False), name="integrations_delivery_discard"),
            models.Index(fields=["lead", "family", "id"], condition=~Q(family=""), name="integrations_delivery_family"),
            models.Index(
                fields=["action", "id"],
                condition=Q(status__in=[DeliveryStatus.QUARANTINED, DeliveryStatus.REFUSED]),
                name="integrations_delivery_failed",
            ),
            models.Index(
                fields=["status", "id"],
                condition=Q(status__in=[DeliveryStatus.HELD, DeliveryStatus.DISCARDING]),
                name="integrations_delivery_held",
            ),
            models.Index(fields=["received_at"], name="integrations_delivery_recent"),
            models.Index(fields=["digest"], name="integrations_delivery_digest"),
        ]

    def __str__(self) -> str:
        return f"{self.action or self.get_channel_display()} {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("admin:integrations_delivery_change", args=[self.pk])

    @property
    def is_replay(self) -> bool:
        """Whether somebody asked to apply it again and that is still to be done, or is being done."""
        return bool(self.replays) and "status" not in self.replays[-1]

    def ask_again(self, at: dt.datetime, by: str) -> None:
        """Note that it is to be applied again. Saves nothing."""
        if not self.is_replay:
            self.replays = [*self.replays, {"asked_at": at.isoformat(), "by": by}]

    def note_replay(self, **became: Any) -> None:
        """Note what became of the replay that was asked for. Saves nothing."""
        self.replays = [*self.replays[:-1], {**self.replays[-1], **became}]
