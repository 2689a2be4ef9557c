"""The sending switch of a connection: on, off by a person, stopped by the machine. Safe to repeat.

A stop is a row (`SendingStop`), so that one notice goes out when it begins and one when it ends. Who begins or ends one
holds the connection's row, so that of two at once one comes first. Stopping for an app (its keys, an outage) stops every
connection of it.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _, ngettext

from integrations import clock
from integrations.models import Connection, SendingStop, StopCause, StopRemark
from integrations.models.connection import ConnectionQuerySet
from integrations.sending import call_counter, restored
from leads.access import Author, user_of
from leads.models.remarks import Remark, remark
from leads.signals import changes_recorded


def on(connection: Connection, *, by: Author = None) -> str:
    """Allow what is queued to be sent, commands that Kartra refused among it, and wake the pusher. The caller has tried
    the connection before. What was done besides, in words: after a restored database it is looked at before it is sent.
    """
    done = ""
    if call_counter.is_copy():
        done = restored.stay_here()
    elif call_counter.compare(connection) is not call_counter.RestoreCheck.SAME:
        done = restored.doubt_open_changes(connection)
        call_counter.agree(connection)
    with _locked(connection) as row:
        at = clock.now()
        _end(row.stops.all(), at, by)
        _start(row, switched_on_at=at)
    changes_recorded.send(sender=Connection, account_id=connection.account_id)
    return done


def off(connection: Connection, *, by: Author = None, why: str | Remark = "") -> None:
    """A person stops sending. What is queued waits; what is in flight ends and is recorded."""
    with _locked(connection) as row:
        if row.stopped_by != StopCause.PERSON:
            _begin(row, StopCause.PERSON, why or remark(StopRemark.SWITCHED_OFF), by=by)


def off_everywhere(*, by: Author = None, why: str | Remark = "", among: QuerySet[Connection] | None = None) -> int:
    """A person stops all sending at once (`among`: on these connections). On how many there was something to stop."""
    rows = Connection.objects.sending().select_related("account")
    sending = list(rows if among is None else rows.filter(pk__in=among))
    for connection in sending:
        off(connection, by=by, why=why)
    return len(sending)


def stop(connection: Connection, stopped_by: StopCause, why: str | Remark, code: str = "") -> None:
    """The machine stops sending, saying why: in a remark, or in Kartra's own words and with its code. Only a connection that
    sends can be stopped so."""
    with _locked(connection) as row:
        if row.sends:
            _begin(row, stopped_by, why, code=code)


def stop_app(connection: Connection, stopped_by: StopCause, why: str | Remark, code: str = "") -> None:
    """The machine stops sending on every connection of this app."""
    for each in of_app(connection).sending():
        stop(each, stopped_by, why, code)


def of_app(connection: Connection) -> ConnectionQuerySet:
    """All connections that share this one's app id: they share its speed and its troubles."""
    return Connection.objects.filter(app_id=connection.app_id).select_related("account")


def go_on_after_outage(connection: Connection) -> None:
    """Kartra answers again: whatever the outage stopped on this app goes on."""
    for each in of_app(connection).stopped_by(StopCause.OUTAGE):
        with _locked(each) as row:
            if row.stopped_by == StopCause.OUTAGE:
                _end(row.stops.of_everything(), clock.now())
                _start(row)
        changes_recorded.send(sender=Connection, account_id=each.account_id)
    connection.refresh_from_db()


def refuse_command(connection: Connection, command: str, words: str) -> None:
    """Kartra does not let this app use the command (262): what needs it waits, all else goes on."""
    with _locked(connection) as row:
        if command not in row.refused_commands:
            _begin(row, StopCause.COMMAND, words, command=command)


def why_commands_wait(connection: Connection) -> str:
    """One sentence about commands that Kartra refuses to this app; empty when there are none."""
    refused = connection.refused_commands
    if not refused:
        return ""
    return _(
        "Kartra does not allow the app of %(name)s to use %(commands)s. What needs it waits. Ask Kartra to allow it "
        "for your app, then resume sending."
    ) % {"name": connection.name, "commands": ", ".join(refused)}


@contextmanager
def _locked(connection: Connection) -> Iterator[Connection]:
    """The connection as it is now, in our hands until the end. The one given is as it is then."""
    with transaction.atomic():
        yield Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
    connection.refresh_from_db()


def _begin(
    row: Connection,
    stopped_by: StopCause,
    why: str | Remark,
    *,
    code: str = "",
    by: Author = None,
    command: str = "",
) -> None:
    """Begin a stop in the place of the one that stands, if one does."""
    told = {"why": why} if isinstance(why, str) else {"remark": why}
    at = clock.now()
    _end(row.stops.filter(command=command), at, by)
    row.stops.create(stopped_by=stopped_by, command=command, code=code, began_at=at, began_by=user_of(by), **told)
    if not command:
        row.probe_at = at + dt.timedelta(seconds=settings.OUTAGE_PROBE_S) if stopped_by == StopCause.OUTAGE else None
        row.save(update_fields=["probe_at"])


def _end(stops: QuerySet[SendingStop], at: dt.datetime, by: Author = None) -> None:
    stops.filter(ended_at=None).update(ended_at=at, ended_by=user_of(by))


def _start(row: Connection, **fields: dt.datetime) -> None:
    """Nothing is held any more."""
    Connection.objects.filter(pk=row.pk).update(**fields, hold_until=None, probe_at=None, failures=0)


def why_not_sending(connection: Connection) -> str:
    """One sentence saying why nothing is sent to Kartra just now; empty when it is sent."""
    if stop := connection.standing_stop:
        words = _("Sending to %(name)s was stopped %(since)s (%(cause)s): %(why)s")
        if stop.began_by:
            words = _("Sending to %(name)s was stopped %(since)s by %(person)s: %(why)s")
        told = {"cause": stop.get_stopped_by_display(), "person": stop.began_by, "why": stop.words}
        return words % {"name": connection.name, "since": naturaltime(stop.began_at), **told}
    if not connection.sends:
        return _(
            "%(name)s is read-only: nothing is sent to Kartra. What you ask for is kept and goes out once sending is "
            "switched on."
        ) % {"name": connection.name}
    if connection.hold_until and connection.hold_until > clock.now():
        return ngettext(
            "No usable answer from Kartra for %(name)s (%(times)s time in a row). We try again %(when)s.",
            "No usable answer from Kartra for %(name)s (%(times)s times in a row). We try again %(when)s.",
            connection.failures,
        ) % {"name": connection.name, "times": connection.failures, "when": naturaltime(connection.hold_until)}
    return ""
