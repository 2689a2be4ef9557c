"""Calendars: Kartra wants dates as "16 Jan 2026" with English months and hours as "15:00", in its own zone."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from integrations.kartra import commands
from integrations.kartra.commands import Action
from integrations.translate.base import ProofSource, WireFormat, named

CLASS = {"calendar": "calendar_name", "class": "class_name"}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def kartra_date(iso: str) -> str:
    """ "2026-01-16" → "16 Jan 2026", whatever the language of the machine."""
    day = dt.date.fromisoformat(iso)
    return f"{day.day:02d} {MONTHS[day.month - 1]} {day.year:04d}"


def _book(parameters: Mapping[str, Any]) -> Action:
    date = parameters.get("date", "")
    return commands.calendar_subscribe(
        calendar_name=parameters["calendar"],
        class_name=parameters["class"],
        starting_date=kartra_date(date) if date else "",
        starting_hour=parameters.get("hour", ""),
    )


WIRE_FORMATS = {
    "subscribe_calendar": WireFormat(
        commands=frozenset({"calendar_subscribe"}),
        action=_book,
        parameters=named(**CLASS, date="starting_date", hour="starting_hour"),
        look=ProofSource.MESSAGE,
        bears_receipt=True,
    ),
    "cancel_calendar": WireFormat(
        commands=frozenset({"calendar_cancel"}),
        action=lambda parameters: commands.calendar_cancel(
            calendar_name=parameters["calendar"], class_name=parameters["class"]
        ),
        parameters=named(**CLASS),
        look=ProofSource.GUARD,
        guards=frozenset({"259"}),
    ),
}
