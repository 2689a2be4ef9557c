"""The sending switch of a connection: on, off by a person, stopped by the machine. Safe to repeat.

Every stop has a row (`SendingStop`), so that one notice goes out when it begins and one when it ends. Stopping for an app
(its keys, an outage) stops every connection of it.
"""

import datetime as dt
from typing import Any

from django.conf import settings
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _, ngettext

from integrations import clock
from integrations.models import Connection, Sending, SendingStop, StopCause
from integrations.sending import call_counter, restored
from leads.access import Author
from leads.signals import changes_recorded


def on(connection: Connection, *, by: Author = None, why: str = "") -> str:
    """Allow what is queued to be sent, commands that Kartra refused among it, and wake the pusher. The caller has tried
    the connection before. What was done besides, in words: after a restored database it is looked at before it is sent.
    """
    at = clock.now()
    done = ""
    if call_counter.is_copy():
        done = restored.stay_here()
    elif call_counter.compare(connection) is not call_counter.RestoreCheck.SAME:
        done = restored.doubt_open_changes(connection)
        call_counter.agree(connection)
    with transaction.atomic():
        Connection.objects.filter(pk=connection.pk).exclude(sending=Sending.ON).update(
            sending=Sending.ON, sending_since=at, sending_by=by, sending_why=why, stopped_by=""
        )
        Connection.objects.filter(pk=connection.pk).update(
            hold_until=None, probe_at=None, failures=0, refused_commands={}
        )
        _end(SendingStop.objects.filter(connection=connection), at, by)
    connection.refresh_from_db()
    changes_recorded.send(sender=Connection, account_id=connection.account_id)
    return done


def off(connection: Connection, *, by: Author = None, why: str = "") -> None:
    """A person stops sending. What is queued waits; what is in flight ends and is recorded."""
    _stop(connection, StopCause.PERSON, why or _("Switched off."), by)


def off_everywhere(*, by: Author = None, why: str = "", among: QuerySet[Connection] | None = None) -> int:
    """A person stops all sending at once (`among`: on these connections). On how many there was something to stop."""
    rows = Connection.objects.all() if among is None else among
    sending = list(rows.filter(sending=Sending.ON).select_related("account"))
    for connection in sending:
        off(connection, by=by, why=why)
    return len(sending)


def stop(connection: Connection, stopped_by: StopCause, why: str) -> None:
    """The machine stops sending, saying why. Only a connection that sends can be stopped so."""
    if Connection.objects.filter(pk=connection.pk, sending=Sending.ON).exists():
        _stop(connection, stopped_by, why, None)


def stop_app(connection: Connection, stopped_by: StopCause, why: str) -> None:
    """The machine stops sending on every connection of this app."""
    for each in of_app(connection).filter(sending=Sending.ON):
        _stop(each, stopped_by, why, None)


def of_app(connection: Connection) -> QuerySet[Connection]:
    """All connections that share this one's app id: they share its speed and its troubles."""
    return Connection.objects.filter(app_id=connection.app_id).select_related("account")


def go_on_after_outage(connection: Connection) -> None:
    """Kartra answers again: whatever the outage stopped on this app goes on."""
    at = clock.now()
    for each in of_app(connection).filter(stopped_by=StopCause.OUTAGE):
        with transaction.atomic():
            went_on = Connection.objects.filter(pk=each.pk, stopped_by=StopCause.OUTAGE).update(
                sending=Sending.ON,
                stopped_by="",
                sending_since=at,
                sending_by=None,
                sending_why=_("Kartra answers again."),
                hold_until=None,
                probe_at=None,
                failures=0,
            )
            if went_on:
                _end(SendingStop.objects.filter(connection=each, stopped_by=StopCause.OUTAGE), at, None)
        changes_recorded.send(sender=Connection, account_id=each.account_id)
    connection.refresh_from_db()


def refuse_command(connection: Connection, command: str, words: str) -> None:
    """Kartra does not let this app use the command (262): what needs it waits, all else goes on."""
    at = clock.now()
    with transaction.atomic():
        row = Connection.objects.select_for_update().get(pk=connection.pk)
        if command not in row.refused_commands:
            row.refused_commands = {**row.refused_commands, command: {"since": at.isoformat(), "words": words}}
            row.save(update_fields=["refused_commands"])
            _begin(row, StopCause.COMMAND, words, None, at, command=command)


def why_commands_wait(connection: Connection) -> str:
    """One sentence about commands that Kartra refuses to this app; empty when there are none."""
    refused = sorted(connection.refused_commands)
    if not refused:
        return ""
    return _(
        "Kartra does not allow the app of %(name)s to use %(commands)s. What needs it waits. Ask Kartra to allow it "
        "for your app, then switch sending on again."
    ) % {"name": connection.name, "commands": ", ".join(refused)}


def _stop(connection: Connection, stopped_by: StopCause, why: str, by: Any) -> None:
    at = clock.now()
    probe_at = at + dt.timedelta(seconds=settings.OUTAGE_PROBE_S) if stopped_by == StopCause.OUTAGE else None
    with transaction.atomic():
        stopped = (
            Connection.objects.filter(pk=connection.pk)
            .exclude(sending=Sending.STOPPED, stopped_by=stopped_by)
            .update(
                sending=Sending.STOPPED,
                stopped_by=stopped_by,
                sending_since=at,
                sending_by=by,
                sending_why=why,
                probe_at=probe_at,
            )
        )
        if stopped:
            _end(SendingStop.objects.filter(connection=connection, command=""), at, by)
            _begin(connection, stopped_by, why, by, at)
    connection.refresh_from_db()


def _begin(
    connection: Connection, stopped_by: StopCause, why: str, by: Any, at: dt.datetime, *, command: str = ""
) -> None:
    try:
        with transaction.atomic():
            SendingStop.objects.create(
                connection=connection, stopped_by=stopped_by, command=command, why=why, began_at=at, began_by=by
            )
    except IntegrityError:
        pass  # another process was first: one stop, one notice


def _end(stops: QuerySet[SendingStop], at: dt.datetime, by: Any) -> None:
    stops.filter(ended_at=None).update(ended_at=at, ended_by=by)


def why_not_sending(connection: Connection) -> str:
    """One sentence saying why nothing is sent to Kartra just now; empty when it is sent."""
    if connection.sending == Sending.LOOK_ONLY:
        return _(
            "%(name)s is look-only: nothing is sent to Kartra. What you ask for is kept and goes out once sending is "
            "switched on."
        ) % {"name": connection.name}
    if connection.sending == Sending.STOPPED:
        since = naturaltime(connection.sending_since) if connection.sending_since else ""
        words = _("Sending to %(name)s was stopped %(since)s (%(cause)s): %(why)s")
        if connection.sending_by:
            words = _("Sending to %(name)s was stopped %(since)s by %(person)s: %(why)s")
        told = {"cause": connection.get_stopped_by_display(), "person": connection.sending_by}
        return words % {"name": connection.name, "since": since, "why": connection.sending_why, **told}
    if connection.hold_until and connection.hold_until > clock.now():
        return ngettext(
            "No usable answer from Kartra for %(name)s (%(times)s time in a row). We try again %(when)s.",
            "No usable answer from Kartra for %(name)s (%(times)s times in a row). We try again %(when)s.",
            connection.failures,
        ) % {"name": connection.name, "times": connection.failures, "when": naturaltime(connection.hold_until)}
    return ""
