"""What happened to a lead: the timeline."""

import contextlib
import datetime as dt
from typing import Any, Self

from django.db import models
from django.db.models import Case, Count, F, Value, When
from django.db.models.fields.json import KT
from django.db.models.functions import Concat, TruncDate

from leads.models.account import Account
from leads.models.lead import Lead


class Source(models.TextChoices):
    """Who told us, or who did it."""

    STAFF = "staff", "staff"
    PUSH = "push", "sent by us, confirmed by Kartra"
    WEBHOOK = "webhook", "message from Kartra"
    IPN = "ipn", "payment message from Kartra"
    REFRESH = "refresh", "read from Kartra"
    IMPORT = "import", "import"


TIES = {
    "tag": ("tag_assigned", "tag_removed"),
    "list": ("list_joined", "list_left"),
    "sequence": ("sequence_entered", "sequence_left"),
}
"""What the timeline calls the coming and going of a tie that a message told."""
ALONE = {"gone": "deleted in Kartra", "back": "back in Kartra", "address_moved": "no longer at the address we know"}

TOLD = (
    "tag", "list", "sequence", "calendar", "class", "membership", "level", "points", "step", "expires_in_days", "starts_at",
)  # fmt: skip
"""The order in which details are told; a database may keep them in another."""


class ActivityQuerySet(models.QuerySet["Activity"]):
    def without_us(self) -> Self:
        """What changed in Kartra without a change of ours, found by a read or an export or told by a message. `what` is the
        field, or the thing: "city", "tag VIP"."""
        named = [When(kind="changed_in_kartra", then=KT("details__field"))]
        named += [
            When(kind__in=kinds, then=Concat(Value(f"{noun} "), KT(f"details__{noun}"))) for noun, kinds in TIES.items()
        ]
        named += [When(kind=kind, then=Value(words)) for kind, words in ALONE.items()]
        kinds = ["changed_in_kartra", *ALONE, *(kind for pair in TIES.values() for kind in pair)]
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
    `cause` names the row behind it, e.g. "delivery 12" or "call 5"; `change` is the wish behind it, if there was one.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="activities")
    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="activities")
    kind = models.CharField(max_length=64)
    between_from = models.DateTimeField(null=True, blank=True)
    at = models.DateTimeField()
    source = models.CharField(max_length=12, choices=Source)
    details = models.JSONField(default=dict, blank=True)
    cause = models.CharField(max_length=64, blank=True, default="")
    change = models.ForeignKey(
        "leads.LeadChange", on_delete=models.SET_NULL, null=True, blank=True, related_name="activities"
    )

    objects = ActivityQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-pk"]
        verbose_name_plural = "activity"
        indexes = [
            models.Index(fields=["lead", "-at"], name="leads_activity_lead"),
            models.Index(fields=["account", "kind", "-at"], name="leads_activity_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of lead {self.lead_id}"

    @property
    def label(self) -> str:
        """What happened, as a phrase: "tag assigned: VIP", "city: Bend → Salem"."""
        details = self.details if isinstance(self.details, dict) else {}
        if "field" in details:
            name = str(details["field"]).removeprefix("custom.").replace("_", " ")
            return f"{name}: {shown(details.get('was'))} → {shown(details.get('is'))}"
        ordered = sorted(details.items(), key=lambda item: (TOLD.index(item[0]) if item[0] in TOLD else -1, item[0]))
        told = ", ".join(filter(None, (self._detail(name, value) for name, value in ordered)))
        kind = ALONE.get(self.kind, self.kind.replace("_", " "))
        return f"{kind}: {told}" if told else kind

    def _detail(self, name: str, value: Any) -> str:
        """One detail in words; nothing for what is empty or no plain value."""
        if value == "" or not isinstance(value, str | int | float):
            return ""
        if name == "expires_in_days":
            return f"to expire after {value} day{'' if value == 1 else 's'}"
        if name == "step":
            return f"at step {value}"
        if name == "starts_at":
            with contextlib.suppress(ValueError, OverflowError):
                return self.account.time_of_kartra(dt.datetime.fromisoformat(str(value)))
        return str(value)

    @property
    def was(self) -> str:
        """Of a change in Kartra: what it was before."""
        if self.kind in COMING_AND_GOING:
            return shown(self.kind not in COMING)
        return shown(self.details.get("was"))

    @property
    def is_now(self) -> str:
        """Of a change in Kartra: what it is now."""
        if self.kind in COMING_AND_GOING:
            return shown(self.kind in COMING)
        return shown(self.details.get("is"))


COMING = frozenset(pair[0] for pair in TIES.values())
COMING_AND_GOING = frozenset(kind for pair in TIES.values() for kind in pair)


def shown(value: Any) -> str:
    """A value of the timeline for people: yes and no, the texts of chosen options, a dash for none."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        value = ", ".join(str(each[-1]) if isinstance(each, list) and each else str(each) for each in value)
    return "—" if value is None or value == "" else str(value)
