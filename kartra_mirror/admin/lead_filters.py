"""Filters of the leads list."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest

from kartra_mirror.admin.unfold_adapter import DropdownFilter
from leads.models import (
    Account,
    ChangeStatus,
    Lead,
    LeadChange,
    LeadTag,
    ListSubscription,
    MailingList,
    Sequence,
    SequenceEnrollment,
    Tag,
)

WISHES = (
    (ChangeStatus.WAITING, "queued"),
    (ChangeStatus.SENDING, "sending"),
    (ChangeStatus.UNKNOWN, "checking"),
    (ChangeStatus.UNDECIDED, "needs your decision"),
)


class _ThingFilter(DropdownFilter):
    """Leads that have a thing of the catalogue, chosen by name. `ties` joins leads to it by its column `key`."""

    model: type[Any]
    ties: type[Any]
    key: str
    only: ClassVar[dict[str, Any]] = {}

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[Any, str]]:
        many = Account.objects.count() > 1
        rows = self.model.objects.order_by("name").values_list("pk", "name", "account__name")[:1000]
        return [(str(pk), f"{name} ({account})" if many else name) for pk, name, account in rows]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Lead]) -> QuerySet[Lead]:
        value = self.value()
        if not value or not value.isdecimal() or len(value) > 18:
            return queryset
        return queryset.filter(
            Exists(self.ties.objects.filter(**{self.key: int(value)}, **self.only, lead=OuterRef("pk")))
        )


class TagFilter(_ThingFilter):
    title, parameter_name, model, ties, key = "tag", "tag", Tag, LeadTag, "tag"


class ListFilter(_ThingFilter):
    title, parameter_name, model, ties, key = "list", "list", MailingList, ListSubscription, "mailing_list"
    only: ClassVar[dict[str, Any]] = {"active": True}


class SequenceFilter(_ThingFilter):
    title, parameter_name, model, ties, key = "sequence", "sequence", Sequence, SequenceEnrollment, "sequence"


class WishFilter(DropdownFilter):
    title, parameter_name = "requested change", "wish"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[Any, str]]:
        return [(str(status.value), words) for status, words in WISHES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Lead]) -> QuerySet[Lead]:
        if self.value() not in [status.value for status, _ in WISHES]:
            return queryset
        return queryset.filter(Exists(LeadChange.objects.filter(lead=OuterRef("pk"), status=self.value())))


class StateFilter(DropdownFilter):
    title, parameter_name = "state of our copy", "copy"
    CHOICES: ClassVar[dict[str, tuple[str, dict[str, Any]]]] = {
        "here": ("in Kartra", {"gone_at": None}),
        "gone": ("deleted in Kartra", {"gone_at__isnull": False}),
        "due": ("update due", {"dirty_at__isnull": False}),
        "unread": ("never read", {"read_at": None}),
        "no_id": ("Kartra id not known", {"kartra_id": None}),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[Any, str]]:
        return [(key, words) for key, (words, _) in self.CHOICES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Lead]) -> QuerySet[Lead]:
        choice = self.CHOICES.get(self.value() or "")
        return queryset.filter(**choice[1]) if choice else queryset


class CountryFilter(DropdownFilter):
    title, parameter_name = "country", "country"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[Any, str]]:
        names = Lead.objects.exclude(country="").order_by("country").values_list("country", flat=True).distinct()[:300]
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Lead]) -> QuerySet[Lead]:
        return queryset.filter(country=self.value()) if self.value() else queryset
