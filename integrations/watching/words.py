"""What is said of a concern, and the page on which it is dealt with."""

from collections.abc import Callable
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _, ngettext

from integrations.models import Concern, ConcernCode, DeliveryStatus, WebhookEndpoint

WORKERS: dict[str, Callable[[], str]] = {
    "push": lambda: _("No worker of the queue push is running: nothing is sent to Kartra."),
    "apply": lambda: _("No worker of the queue apply is running: messages from Kartra are kept, but not applied."),
    "read": lambda: _("No worker of the queue read is running: no updates from Kartra, no imports, no checks."),
}


def wrong_clock(machine: str) -> str:
    words = _("The clock of %(machine)s is wrong. Set it right. Until then, sending uses the database’s clock.")
    return words % {"machine": machine}


def full_disk(machine: str) -> str:
    words = _("The disk of %(machine)s with VAR_DIR is full: messages that arrive while the database is down are lost.")
    return words % {"machine": machine}


MACHINES: dict[str, Callable[[str], str]] = {ConcernCode.CLOCK: wrong_clock, ConcernCode.DISK: full_disk}

SENTENCES: dict[str, Callable[[int], str]] = {
    ConcernCode.BEAT: lambda n: _("Beat does not run: scheduled work is not done."),
    ConcernCode.BROKER: lambda n: _(
        "The broker (Redis) does not answer: workers do nothing. Incoming messages are kept."
    ),
    ConcernCode.WEB: lambda n: _("Web does not run: no pages, and messages from Kartra are lost."),
    ConcernCode.DELETIONS: lambda n: ngettext(
        "Updates stopped: Kartra says that %(number)s lead is deleted. Is it?",
        "Updates stopped: Kartra says that %(number)s leads are deleted. Are they?",
        n,
    ),
    ConcernCode.CATALOGUE: lambda n: ngettext(
        "%(number)s name was missing from Kartra's last answer about the catalogue. Is it deleted?",
        "%(number)s names were missing from Kartra's last answer about the catalogue. Are they deleted?",
        n,
    ),
    ConcernCode.QUARANTINED: lambda n: ngettext(
        "%(number)s message from Kartra could not be read.", "%(number)s messages from Kartra could not be read.", n
    ),
    ConcernCode.HELD: lambda n: ngettext(
        "%(number)s message about a new person is held: did Kartra send it?",
        "%(number)s messages about new people are held: did Kartra send them?",
        n,
    ),
    ConcernCode.REFUSED: lambda n: ngettext(
        "%(number)s message or more was refused within a day: too many came.",
        "%(number)s messages or more were refused within a day: too many came.",
        n,
    ),
    ConcernCode.FRESHNESS: lambda n: ngettext(
        "%(number)s lead was not checked in time (REFRESH_WITHIN_H).",
        "%(number)s leads were not checked in time (REFRESH_WITHIN_H).",
        n,
    ),
    ConcernCode.DECISIONS: lambda n: ngettext(
        "%(number)s change needs a decision.", "%(number)s changes need a decision.", n
    ),
    ConcernCode.APPROVALS: lambda n: ngettext(
        "%(number)s bulk action needs approval.", "%(number)s bulk actions need approval.", n
    ),
    ConcernCode.SCHEDULES: lambda n: ngettext(
        "%(number)s schedule waits for an answer.", "%(number)s schedules wait for an answer.", n
    ),
}


def sentence(concern: Concern) -> str:
    """What it is, with the connection's name in front."""
    if concern.code == ConcernCode.WORKERS:
        said = WORKERS[concern.key]()
    elif concern.code in MACHINES:
        said = MACHINES[concern.code](concern.key)
    elif concern.code == ConcernCode.SILENT:
        words = ngettext(
            "No more messages of the kind “%(kind)s”: silent for %(number)s day.",
            "No more messages of the kind “%(kind)s”: silent for %(number)s days.",
            concern.number,
        )
        said = words % {"kind": concern.key.partition(":")[2], "number": f"{concern.number:,}"}
    else:
        said = SENTENCES[concern.code](concern.number) % {"number": f"{concern.number:,}"}
    return f"{concern.connection.name}: {said}" if concern.connection else said


def link(concern: Concern) -> str:
    """The page on which a person sees or deals with it."""
    return f"{settings.PUBLIC_URL.rstrip('/')}{_path(concern)}"


def _path(concern: Concern) -> str:
    code = concern.code
    if code == ConcernCode.DECISIONS:
        return reverse("admin:decisions")
    if code == ConcernCode.APPROVALS:
        return reverse("admin:leads_bulkrun_changelist")
    if code == ConcernCode.SCHEDULES:
        return reverse("admin:leads_schedule_changelist")
    if code in (ConcernCode.QUARANTINED, ConcernCode.HELD):
        status = DeliveryStatus.HELD if code == ConcernCode.HELD else DeliveryStatus.QUARANTINED
        return f"{reverse('admin:integrations_delivery_changelist')}?{urlencode({'status__exact': status})}"
    if code in (ConcernCode.REFUSED, ConcernCode.SILENT):
        endpoint = WebhookEndpoint(pk=int(concern.key.partition(":")[0]))
        return endpoint.get_absolute_url()
    if concern.connection:
        return concern.connection.get_absolute_url()
    return reverse("admin:health")
