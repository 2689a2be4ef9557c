"""What happened to a lead: the timeline."""

import contextlib
import datetime as dt
from typing import Any, Self

from django.db import models
from django.db.models import Case, Count, F, Q, Value, When
from django.db.models.fields.json import KT
from django.db.models.functions import Concat, TruncDate
from django.utils.translation import gettext, gettext_lazy as _, gettext_noop, ngettext

from leads.kind import get_kind, kinds_by_activity, ties
from leads.models.account import Account
from leads.models.lead import Lead
from leads.models.remarks import sentence_of, vocabulary


class Source(models.TextChoices):
    """Who told us, or who did it."""

    STAFF = "staff", _("staff")
    PUSH = "push", _("sent by us, confirmed by Kartra")
    WEBHOOK = "webhook", _("message from Kartra")
    IPN = "ipn", _("payment message from Kartra")
    REFRESH = "refresh", _("update from Kartra")
    IMPORT = "import", _("import")


@vocabulary
class ActivityRemark(models.TextChoices):
    STEP = "step", _("step %(step)s, %(status)s")


ALONE = {
    "gone": gettext_noop("deleted in Kartra"),
    "back": gettext_noop("back in Kartra"),
    "address_moved": gettext_noop("no longer at the address we know"),
}
WORDS: dict[str, Any] = {
    "membership_granted": _("membership granted"),
    "membership_revoked": _("membership revoked"),
    "calendar_completed": _("calendar completed"),
    "decided": _("decided"),
    "not_gone": _("not gone"),
    "amount_reported": _("another amount reported, not confirmed"),
    "payment_without_id": _("payment or plan that Kartra listed without its number"),
    "payment_sale": _("paid"),
    "payment_rebill": _("paid again"),
    "payment_refund": _("refunded"),
    "payment_partial_refund": _("refunded in part"),
    "payment_chargeback": _("charged back by the bank"),
    "payment_failed": _("payment failed"),
    "payment_cancellation": _("plan cancelled"),
    "changed_in_kartra": _("changed in Kartra"),
    "buy_product": _("product bought"),
    "refund_product": _("product refunded"),
    "partial_refund_product": _("part of a product refunded"),
    "cancel_subscription": _("subscription cancelled"),
    "sequence_completion": _("sequence completed"),
    "filled_form": _("form filled in"),
    "reaches_score": _("score reached"),
    "survey_complete": _("survey completed"),
    "kartra_page_visit": _("Kartra page visited"),
    "click_page_split_test_link": _("split-test link clicked"),
    "video_play": _("video started"),
    "video_complete": _("video watched to its end"),
    "affiliate_signup": _("signed up as an affiliate"),
    "jv_signup": _("signed up as a JV partner"),
}
"""What happened besides what a kind of change leaves behind, in words. Kartra's events that nobody documented are called by their
names."""

TOLD = (
    "tag",
    "list",
    "sequence",
    "calendar",
    "class",
    "membership",
    "level",
    "points",
    "step",
    "expires_in_days",
    "starts_at",
)
"""The order in which details are told; a database may keep them in another."""


class ActivityQuerySet(models.QuerySet["Activity"]):
    def without_us(self) -> Self:
        """What changed in Kartra without a change of ours, found by a read or an export or told by a message. `what` is the
        field, or the thing: "city", "tag VIP"."""
        named = [When(kind="changed_in_kartra", then=KT("details__field"))]
        named += [
            When(kind__in=kinds, then=Concat(Value(f"{noun} "), KT(f"details__{noun}")))
            for noun, kinds in ties().items()
        ]
        named += [When(kind=kind, then=Value(words)) for kind, words in ALONE.items()]
        kinds = ["changed_in_kartra", *ALONE, *(kind for pair in ties().values() for kind in pair)]
        told = self.filter(kind__in=kinds, change=None).exclude(source__in=[Source.PUSH, Source.STAFF])
        return told.annotate(what=Case(*named, default=F("kind"), output_field=models.CharField()))

    def by_field_and_day(self, since: dt.datetime) -> Any:
        """Of `without_us`: [{"day", "what", "changes", "leads"}], the last day first, the most on top."""
        days = self.filter(at__gte=since).annotate(day=TruncDate("at")).order_by().values("day", "what")
        counted = days.annotate(changes=Count("pk"), leads=Count("lead", distinct=True))
        return counted.order_by("-day", "-changes", "what")


class Activity(models.Model):
    """Something that happened to a lead: at `at`, or somewhere between `between_from` and `at`.

    `details` holds what the kind needs to be told in a sentence, e.g. {"tag": "VIP"} or {"field": …, "was": …, "is": …}.
    Its cause is the change of ours that did it, else the call, message or import that told it. A message may tell of a change
    that is on its way, and then both stand; the call that carried a change is reached by the change's attempts. Causes may be
    deleted when they are old; `source` stays.
    """

    account_path = "account"

    account = models.ForeignKey(
        Account, verbose_name=_("account"), on_delete=models.PROTECT, related_name="activities", db_index=False
    )
    lead = models.ForeignKey(
        Lead, verbose_name=_("lead"), on_delete=models.CASCADE, related_name="activities", db_index=False
    )
    kind = models.CharField(_("kind"), max_length=64)
    between_from = models.DateTimeField(_("between from"), null=True, blank=True)
    at = models.DateTimeField(_("at"))
    source = models.CharField(_("source"), max_length=12, choices=Source)
    details = models.JSONField(_("details"), default=dict, blank=True)
    change = models.ForeignKey(
        "leads.LeadChange",
        verbose_name=_("change"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="activities",
        db_index=False,
    )
    call = models.ForeignKey(
        "integrations.ApiCall",
        verbose_name=_("call to Kartra"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="activities",
        db_index=False,
    )
    delivery = models.ForeignKey(
        "integrations.Delivery",
        verbose_name=_("message from Kartra"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="activities",
        db_index=False,
    )
    import_job = models.ForeignKey(
        "leads.Import",
        verbose_name=_("import"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="activities",
        db_index=False,
    )

    objects = ActivityQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-pk"]
        verbose_name = _("activity")
        verbose_name_plural = _("activity")
        indexes = [
            models.Index(fields=["-at", "-id"], name="leads_activity_at"),
            models.Index(fields=["lead", "-at"], name="leads_activity_lead"),
            models.Index(fields=["account", "kind", "-at"], name="leads_activity_kind"),
            models.Index(fields=["change"], condition=Q(change__isnull=False), name="leads_activity_change"),
            models.Index(fields=["call"], condition=Q(call__isnull=False), name="leads_activity_call"),
            models.Index(fields=["delivery"], condition=Q(delivery__isnull=False), name="leads_activity_delivery"),
            models.Index(fields=["import_job"], condition=Q(import_job__isnull=False), name="leads_activity_import"),
        ]
        constraints = [
            models.CheckConstraint(
                name="leads_activity_one_cause",
                condition=Q(call=None, import_job=None)
                | Q(change=None, delivery=None, import_job=None)
                | Q(change=None, call=None, delivery=None),
            )
        ]

    def __str__(self) -> str:
        return gettext("%(what)s of lead %(lead)s") % {"what": self.happened, "lead": self.lead_id}

    @property
    def label(self) -> str:
        """What happened, as a phrase: "tag assigned: VIP", "city: Bend → Salem"."""
        details = self.details if isinstance(self.details, dict) else {}
        if "field" in details:
            name = field_words(str(details["field"]).removeprefix("custom."))
            return f"{name}: {self.was} → {self.is_now}"
        ordered = sorted(details.items(), key=lambda item: (TOLD.index(item[0]) if item[0] in TOLD else -1, item[0]))
        told = ", ".join(filter(None, (self._detail(name, value) for name, value in ordered)))
        return f"{self.happened}: {told}" if told else self.happened

    @property
    def happened(self) -> str:
        """What happened, without its details."""
        return happened(self.kind)

    def _detail(self, name: str, value: Any) -> str:
        """One detail in words; nothing for what is empty or no plain value."""
        if self.kind == "decided" and isinstance(value, list):
            return "; ".join(get_kind(each["kind"]).sentence(each["parameters"]) for each in value)
        if self.kind == "decided" and isinstance(value, dict):
            return sentence_of(value)
        if value == "" or not isinstance(value, str | int | float):
            return ""
        if name == "currency":
            return ""  # stands behind the amount
        if name == "transaction_full_amount":
            return f"{value} {self.details.get('currency', '')}".strip()
        if name == "transaction_id":
            return gettext("transaction %(id)s") % {"id": value}
        if name == "expires_in_days":
            days = ngettext("to expire after %(days)s day", "to expire after %(days)s days", int(value))
            return days % {"days": value}
        if name == "step":
            return gettext("at step %(step)s") % {"step": value}
        if name == "starts_at":
            with contextlib.suppress(ValueError, OverflowError):
                return self.account.time_of_kartra(dt.datetime.fromisoformat(str(value)))
        return str(value)

    @property
    def was(self) -> str:
        """Of a change in Kartra: what it was before."""
        if (coming := _is_coming(self.kind)) is not None:
            return shown(not coming)
        return shown(self.details.get("was"))

    @property
    def is_now(self) -> str:
        """Of a change in Kartra: what it is now."""
        if (coming := _is_coming(self.kind)) is not None:
            return shown(coming)
        return shown(self.details.get("is"))


def _is_coming(kind: str) -> bool | None:
    """Whether a tie came (True) or went; None of whatever else happened."""
    change = kinds_by_activity().get(kind)
    return None if change is None else change.tie


def happened(kind: str) -> str:
    """What a kind of activity is called; of an event that we have no words for, Kartra's name."""
    return gettext(ALONE[kind]) if kind in ALONE else str(all_words().get(kind, kind.replace("_", " ")))


def all_words() -> dict[str, Any]:
    """What each kind of activity is called, those that a kind of change leaves behind first."""
    return {**{code: kind.activity_words for code, kind in kinds_by_activity().items()}, **WORDS}


def field_words(what: str) -> str:
    """What a difference is about: a field's name, or the thing, "tag VIP"."""
    fields = {field.name: field for field in Lead._meta.concrete_fields}
    if what in fields:
        return str(fields[what].verbose_name)
    noun, _space, name = what.partition(" ")
    return THINGS[noun] % {"name": name} if name and noun in THINGS else what.replace("_", " ")


THINGS: dict[str, Any] = {
    "tag": _("tag %(name)s"),
    "list": _("list %(name)s"),
    "sequence": _("sequence %(name)s"),
    "membership": _("membership %(name)s"),
}


def shown(value: Any) -> str:
    """A value of the timeline for people: yes and no, the texts of chosen options, a step, a dash for none."""
    if isinstance(value, dict):
        return sentence_of(value)
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, list):
        value = ", ".join(str(each[-1]) if isinstance(each, list) and each else str(each) for each in value)
    return "—" if value is None or value == "" else str(value)
