"""The rows of the leads list: one line a lead, each column with what it needs from the database."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.timezone import localtime
from django.utils.translation import gettext as _, gettext_lazy

from integrations.status import in_words
from kartra_mirror.admin.leads.listing import beside, columns
from kartra_mirror.frame import parts
from kartra_mirror.ui.unfold_adapter import ChangeList, result_headers
from leads import clock
from leads.filters import WISHES
from leads.models import Lead, LeadChange, LeadTag, ListSubscription

TAGS_SHOWN = 2
LISTS_SHOWN = 2
RECENT = dt.timedelta(days=2)


class LeadList(ChangeList):
    """The list as its template draws it: the theme's own rows are six times as long."""

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Lead]:
        self.onward = beside.onward(request.GET)
        return super().get_queryset(request, *args, **kwargs)

    def get_filters(self, request: HttpRequest) -> tuple[Any, ...]:
        """As it comes; but the theme is told of none, for the drawer is ours."""
        specs, _any, *more = super().get_filters(request)
        return specs, False, *more

    def headers(self) -> list[dict[str, Any]]:
        """Of the columns, without that of the ticks."""
        headers = [
            {**each, "name": _name(column)}
            for each, column in zip(result_headers(self), self.list_display, strict=True)
        ]
        return headers[self.ticked :]

    @property
    def usual(self) -> bool:
        """Whether the columns are those that everybody begins with."""
        return columns.are_usual(self.list_display[self.ticked :])

    @property
    def ticked(self) -> bool:
        """Whether leads can be ticked: who may do nothing with many has nothing to tick them for."""
        return bool(self.list_display[0] == "action_checkbox")

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each lead with the cells beside its name: {"lead", "who", "cells": [(column, text)]}."""
        for lead in self.result_list:
            cells = [(_name(column), self._cell(lead, column)) for column in self.list_display[self.ticked + 1 :]]
            yield {"lead": lead, "who": self.model_admin.who(lead), "cells": cells}

    def _cell(self, lead: Lead, column: columns.Column) -> Any:
        if callable(column):
            return column(lead)
        worked_out = getattr(self.model_admin, column, None)
        return columns.cell(lead, column) if worked_out is None else worked_out(lead)


class LeadRows:
    """The columns, for `LeadAdmin`."""

    def get_list_display(self, request: HttpRequest) -> list[columns.Column]:
        return columns.of(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lead]:
        left_out = ["extra", "notes"] if columns.shows_custom(request) else ["extra", "notes", "custom_values"]
        return (
            super()
            .get_queryset(request)  # type: ignore[misc]
            .defer(*left_out)
            .prefetch_related(
                Prefetch("leadtags", LeadTag.objects.select_related("tag").order_by("tag__name")),
                Prefetch(
                    "listsubscriptions",
                    ListSubscription.objects.filter(active=True)
                    .select_related("mailing_list")
                    .order_by("mailing_list__name"),
                ),
            )
            .annotate(
                **{
                    f"has_{status.value}": Exists(LeadChange.objects.filter(lead=OuterRef("pk"), status=status))
                    for status, _ in WISHES
                }
            )
        )

    @admin.display(description=gettext_lazy("lead"), ordering="last_name")
    def who(self, lead: Lead) -> str:
        name = lead.name or lead.email or str(lead)
        if lead.gone_at:
            return format_html("{} {}", name, _badge(_("deleted in Kartra"), "bad"))
        return format_html("{} {}", name, _badge(_("not in Kartra yet"), "wait")) if lead.absent_at else name

    @admin.display(description=gettext_lazy("tags"))
    def tags(self, lead: Lead) -> str:
        names = [row.tag.name for row in lead.leadtags.all()]
        shown = format_html_join(" ", '<span class="chip">{}</span>', ((name,) for name in names[:TAGS_SHOWN]))
        more = len(names) - TAGS_SHOWN
        return format_html('{} <span class="tiny">+{}</span>', shown, more) if more > 0 else shown

    @admin.display(description=gettext_lazy("lists"))
    def lists(self, lead: Lead) -> str:
        names = [row.mailing_list.name for row in lead.listsubscriptions.all()]
        more = f" +{len(names) - LISTS_SHOWN}" if len(names) > LISTS_SHOWN else ""
        return format_html('<span class="soft">{}{}</span>', ", ".join(names[:LISTS_SHOWN]), more)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return LeadList

    @admin.display(description=gettext_lazy("checked"), ordering="read_at")
    def as_of(self, lead: Lead) -> Any:
        """What is requested of it, else when it was read."""
        badges = [_badge(words, parts.look(status)) for status, words in WISHES if getattr(lead, f"has_{status.value}")]
        if badges:
            return format_html_join(" ", "{}", ((badge,) for badge in badges))
        if lead.dirty_at:
            return _badge(_("update due"), "wait")
        if lead.read_at is None:
            return _badge(_("not in Kartra yet") if lead.absent_at else _("never checked"), "wait")
        whole = date_format(localtime(lead.read_at), "j M Y H:i:s")
        passed = clock.about_now() - lead.read_at
        words = in_words(passed.total_seconds()) if passed < RECENT else date_format(localtime(lead.read_at), "j M")
        return format_html('<span class="soft" title="{}">{}</span>', whole, words)


def _badge(words: Any, look: str) -> str:
    return format_html('<span class="badge {}">{}</span>', look, words)


def _name(column: columns.Column) -> str:
    return str(getattr(column, "__name__", column))
