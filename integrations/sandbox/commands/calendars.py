"""Bookings of a class of a calendar."""

import datetime as dt
import re
from typing import Any

from integrations.sandbox.commands.call import Call
from integrations.sandbox.commands.errors import Refused
from integrations.sandbox.commands.parameters import folded_name, ok, parameter_text, thing_named
from integrations.sandbox.store.account import ZONE, Account

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _class(account: Account, entry: dict[str, Any], call: Call) -> tuple[str, str]:
    name, asked = parameter_text(entry, "calendar_name", "255", call), parameter_text(entry, "class_name", "256", call)
    calendar = thing_named(account, "calendar", name, "257", call)
    how = call.switches["names"]
    priority_class = next(
        (each for each in calendar["classes"] if folded_name(each, how) == folded_name(asked, how)), None
    )
    if priority_class is None:
        raise Refused("258")
    return calendar["name"], priority_class


def book(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    name, priority_class = _class(account, entry, call)
    when = _when(str(entry.get("starting_date", "") or ""), str(entry.get("starting_hour", "") or ""))
    call.later(lambda: account.book(lead, name, priority_class, when, heard=call.heard))
    return ok("112", "Lead subscribed to class")


def _when(date: str, hour: str) -> str:
    if not date and not hour:
        return (dt.datetime.now(ZONE) + dt.timedelta(days=7)).strftime("%Y-%m-%d 10:00")
    day = re.fullmatch(r"(\d{2}) ([A-Z][a-z]{2}) (\d{4})", date)
    clock = re.fullmatch(r"(\d{2}):(\d{2})", hour or "00:00")
    try:
        if day is None or clock is None:
            raise ValueError
        when = dt.datetime(
            int(day[3]), MONTHS.index(day[2]) + 1, int(day[1]), int(clock[1]), int(clock[2]), tzinfo=ZONE
        )
    except ValueError:
        raise Refused("260") from None
    if when < dt.datetime.now(ZONE):
        raise Refused("261")
    return when.strftime("%Y-%m-%d %H:%M")


def cancel_booking(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    name, priority_class = _class(account, entry, call)
    standing = [
        b for b in lead["bookings"] if (b["calendar"], b["class"], b["status"]) == (name, priority_class, "Active")
    ]
    if not standing:
        raise Refused("259")
    which = str(call.switches["cancels"])
    for _ in standing if which == "all" else standing[:1]:
        call.later(
            lambda: account.end_booking(lead, name, priority_class, heard=call.heard, earliest=which == "earliest")
        )
    return ok("113", "Lead unsubscribed from class")
