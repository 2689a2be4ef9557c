"""The sending switch of a connection: on, off by a person, stopped by the machine. Safe to repeat."""

from typing import Any

from django.contrib.humanize.templatetags.humanize import naturaltime
from django.db import transaction
from django.utils import timezone

from integrations.models import Connection, Sending, StoppedBy
from leads.signals import changes_recorded


def on(connection: Connection, *, by: Any = None, why: str = "") -> None:
    """Allow what is queued to be sent, commands that Kartra refused among it, and wake the pusher."""
    Connection.objects.filter(pk=connection.pk).exclude(sending=Sending.ON).update(
        sending=Sending.ON, sending_since=timezone.now(), sending_by=by, sending_why=why, stopped_by="", failures=0
    )
    Connection.objects.filter(pk=connection.pk).update(hold_until=None, failures=0, refused_commands={})
    connection.refresh_from_db()
    changes_recorded.send(sender=Connection, account_id=connection.account_id)


def off(connection: Connection, *, by: Any = None, why: str = "") -> None:
    """A person stops sending. What is queued waits; what is in flight ends and is recorded."""
    _stop(connection, StoppedBy.PERSON, why or "Switched off.", by)


def stop(connection: Connection, stopped_by: StoppedBy, why: str) -> None:
    """The machine stops sending, saying why. Only a connection that sends can be stopped so."""
    if Connection.objects.filter(pk=connection.pk, sending=Sending.ON).exists():
        _stop(connection, stopped_by, why, None)


def refuse_command(connection: Connection, command: str, words: str) -> None:
    """Kartra does not let this app use the command (262): what needs it waits, all else goes on."""
    with transaction.atomic():
        row = Connection.objects.select_for_update().get(pk=connection.pk)
        if command not in row.refused_commands:
            row.refused_commands = {
                **row.refused_commands, command: {"since": timezone.now().isoformat(), "words": words},
            }  # fmt: skip
            row.save(update_fields=["refused_commands"])


def why_commands_wait(connection: Connection) -> str:
    """One sentence about commands that Kartra refuses to this app; empty when there are none."""
    refused = sorted(connection.refused_commands)
    if not refused:
        return ""
    return (
        f"Kartra does not allow the app of {connection.name} to use {', '.join(refused)}. What needs it waits. "
        "Ask Kartra to allow it for your app, then switch sending on again."
    )


def _stop(connection: Connection, stopped_by: StoppedBy, why: str, by: Any) -> None:
    Connection.objects.filter(pk=connection.pk).exclude(sending=Sending.STOPPED, stopped_by=stopped_by).update(
        sending=Sending.STOPPED, stopped_by=stopped_by, sending_since=timezone.now(), sending_by=by, sending_why=why
    )
    connection.refresh_from_db()


def why_not_sending(connection: Connection) -> str:
    """One sentence saying why nothing is sent to Kartra just now; empty when it is sent."""
    if connection.sending == Sending.LOOK_ONLY:
        return (
            f"{connection.name} is look-only: nothing is sent to Kartra. "
            "What you ask for is kept and goes out once sending is switched on."
        )
    if connection.sending == Sending.STOPPED:
        since = naturaltime(connection.sending_since) if connection.sending_since else ""
        who = f"by {connection.sending_by}" if connection.sending_by else f"({connection.get_stopped_by_display()})"
        return f"Sending to {connection.name} was stopped {since} {who}: {connection.sending_why}"
    if connection.hold_until and connection.hold_until > timezone.now():
        return (
            f"Kartra could not be reached for {connection.name} ({connection.failures} times in a row). "
            f"We try again {naturaltime(connection.hold_until)}."
        )
    return ""
