"""What everybody must know on every page, as notices below the bar on top."""

from collections.abc import Sequence

from django.urls import reverse
from django.utils.translation import gettext as _

from integrations.models import Connection, Sending
from integrations.read import deletions
from integrations.sending import restored, switch


def of(connections: Sequence[Connection]) -> list[dict[str, str]]:
    """What everybody must know on every page: read-only, stopped, a question. A fixed number of queries."""
    found: list[dict[str, str]] = []
    if connections and (why := restored.not_here()):
        found.append({"level": "bad", "words": why})
    for connection in connections:
        if why := switch.why_not_sending(connection):
            level = "bad" if connection.sending == Sending.STOPPED else "warn"
            found.append({"level": level, "words": why})
        if why := deletions.question(connection):
            url = reverse("admin:integrations_connection_gone", args=[connection.pk])
            found.append(
                {"level": "warn", "words": f"{connection.name}: {why}", "url": url, "link": _("Look and decide")}
            )
        if why := switch.why_commands_wait(connection):
            found.append({"level": "warn", "words": why})
    return found
