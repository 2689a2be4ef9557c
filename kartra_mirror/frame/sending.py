"""Whether we send, as one badge for all pages, with what its menu offers."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from integrations import sandbox_control
from integrations.models import Connection, Sending


def badge(connections: Sequence[Connection]) -> dict[str, Any]:
    """{"words", "look", "connections": [{"connection", "words", "look", "sends", "hints"}], "where"} of the connections that a person sees;
    empty where there is none. `where`: which Kartra this is, if it is one alone."""
    if not connections:
        return {}
    lines = [_line(each) for each in connections]
    stopped = [line for line in lines if line["look"] == "bad"]
    sending = [line for line in lines if line["sends"]]
    if len(lines) == 1 or len({(line["words"], line["look"]) for line in lines}) == 1:
        words, look = lines[0]["words"], lines[0]["look"]
    elif stopped:
        words, look = _("Stopped: %(n)s of %(all)s") % {"n": len(stopped), "all": len(lines)}, "bad"
    else:
        words, look = _("Sending: %(n)s of %(all)s") % {"n": len(sending), "all": len(lines)}, "warn"
    where = connections[0].name if len(connections) == 1 else ""
    return {"words": words, "look": look, "connections": lines, "where": where}


def _line(connection: Connection) -> dict[str, Any]:
    if connection.sending == Sending.STOPPED:
        words, look = _("Stopped"), "bad"
    elif connection.sends:
        words, look = (_("Sending"), "good") if not connection.test_mode else (_("Sending, test mode"), "good")
    else:
        words, look = _("Read-only"), ""
    return {
        "connection": connection,
        "words": words,
        "look": look,
        "sends": connection.sends,
        "hints": _hints(connection),
    }


def _hints(connection: Connection) -> list[str]:
    """Who is reached and who is not, where that is not everybody."""
    found = []
    if sandbox_control.is_pretend(connection):
        words = _("%(name)s is on this machine: nothing here reaches a real person.")
        found.append(words % {"name": connection.name})
    if connection.test_mode:
        words = _("%(name)s: the app is in Kartra's test mode. No mail goes to leads made through it.")
        found.append(words % {"name": connection.name})
    return found
