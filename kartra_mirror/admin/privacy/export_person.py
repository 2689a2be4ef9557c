"""All that is held of a person who asked for it: as a page to read, and as JSON to take along.

The first page only says how much there is. What is shown or taken out is asked for with a POST, because that is written down.
"""

import datetime as dt
import json
import re
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _, gettext_lazy

from kartra_mirror.admin.privacy.forget import AskedForm
from leads.models import Lead, Source
from leads.person import held
from leads.person.parts import Section

EXPORT_PERSON = "leads.export_person"
SHOWN = 200
"""Rows of one kind on the page; all are in the file."""

SOURCES: dict[str, Any] = dict(Source.choices)
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?\+\d\d:\d\d")

WORDS: dict[str, Any] = {
    "since": gettext_lazy("since"),
    "until": gettext_lazy("until"),
    "after": gettext_lazy("was not there on"),
    "source": gettext_lazy("source"),
    "what": gettext_lazy("what"),
    "became": gettext_lazy("became"),
    "told": gettext_lazy("told"),
    "text": gettext_lazy("text"),
    "answer": gettext_lazy("answer"),
    "calendar": gettext_lazy("calendar"),
    "membership": gettext_lazy("membership"),
    "level": gettext_lazy("level"),
    "tag": gettext_lazy("tag"),
    "sequence": gettext_lazy("sequence"),
    "mailing_list": gettext_lazy("list"),
    "step": gettext_lazy("step"),
    "active": gettext_lazy("active"),
    "status": gettext_lazy("status"),
    "change": gettext_lazy("requested change"),
    "activity": gettext_lazy("line of the timeline"),
    "email": gettext_lazy("email"),
    "id": gettext_lazy("number"),
    "file": gettext_lazy("file"),
    "line": gettext_lazy("line"),
    "reason": gettext_lazy("reason"),
    "cells": gettext_lazy("cells"),
    "name": gettext_lazy("name"),
    "selection": gettext_lazy("filter"),
    "filtered_by": gettext_lazy("filtered by"),
    "typed": gettext_lazy("typed"),
    "created_at": gettext_lazy("made"),
    "at": gettext_lazy("at"),
    "by": gettext_lazy("by"),
    "value": gettext_lazy("value"),
    "as_of": gettext_lazy("as of"),
}
"""What values are called that no column names for people."""


def page(request: HttpRequest, lead: Lead, context: dict[str, Any]) -> HttpResponse:
    """GET says how much there is; POST with `as` shows it (page) or takes it out (json). Who did is written down."""
    if not request.user.has_perm(EXPORT_PERSON):
        raise PermissionDenied
    form = AskedForm(request.POST or None)
    shown = {"opts": Lead._meta, "lead": lead, "form": form, "title": _("All data of this person")}
    if request.method != "POST" or not form.is_valid():
        counts = [(each.words, len(each.rows)) for each in held.held_of(lead).sections if each.rows]
        return TemplateResponse(request, "admin/privacy/export_person.html", {**context, **shown, "counts": counts})
    found, done = held.export_person(lead, by=request.user, asked_on=form.cleaned_data["asked_on"])
    if request.POST.get("as") == "json":
        answer = HttpResponse(found.as_json(), content_type="application/json; charset=utf-8")
        name = f"person-{done.pk}-{timezone.localdate():%Y-%m-%d}.json"
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer
    sections = [(each.words, len(each.rows), _rows(each)) for each in found.sections if each.rows]
    more = {"sections": sections, "at": found.at, "most": SHOWN}
    return TemplateResponse(request, "admin/privacy/held.html", {**context, **shown, **more})


def _rows(section: Section) -> list[list[tuple[Any, str, str]]]:
    """The rows that the page shows, each as [(what it is called, value, what is said of it)]; the lead's fields are one row."""
    rows = section.rows[:SHOWN]
    if section.name == "leads.lead":
        return [[(row["name"], _text("value", row["value"]), _whence(row)) for row in rows]]
    return [[(called(section.name, name), _text(name, value), "") for name, value in row.items()] for row in rows]


def _whence(row: dict[str, Any]) -> str:
    """Since when a field is known to be so and from where; nothing of what our copy says of itself."""
    if row["field"] in held.ABOUT_THE_COPY:
        return ""
    told = {name: _text(name, row[name]) for name in ("since", "source")}
    words = _("since %(since)s, %(source)s") if told["source"] else _("since %(since)s")
    return words % told


def called(table: str, name: str) -> Any:
    """What a value is called: by our words, else by its column's."""
    if name in WORDS:
        return WORDS[name]
    try:
        return apps.get_model(table)._meta.get_field(name).verbose_name
    except (LookupError, ValueError, FieldDoesNotExist):
        return name.replace("_", " ")


def _text(name: str, value: Any) -> str:
    """A value for people: moments in their zone, sources in words, JSON as it is."""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if name in ("source", "known_from"):
        return str(SOURCES.get(value, value))
    if MOMENT.fullmatch(value):
        return date_format(timezone.localtime(dt.datetime.fromisoformat(value)), "j M Y H:i:s")
    return value
