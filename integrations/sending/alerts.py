"""Notices about stops: one when sending stops, one when it goes on, by mail to ADMINS and to ALERT_URL.

A notice that cannot be delivered is logged and not repeated: it must never hold up sending.
"""

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Callable

import requests
from django.conf import settings
from django.core.mail import mail_admins
from django.db.models import Q
from django.utils.translation import gettext as _, ngettext

from integrations.clock import now
from integrations.models import ApiCall, CallOutcome, Proof, SendingStop, StopCause
from leads.models import BulkRun

logger = logging.getLogger(__name__)


def drain() -> int:
    """Send the notices that are due; how many. Each goes out once, whoever runs this at the same time."""
    stops = list(
        SendingStop.objects.untold().select_related("connection__account", "began_by", "ended_by").order_by("pk")[:100]
    )
    began = [stop for stop in stops if stop.told_at is None]
    ended = [stop for stop in stops if stop.ended_at is not None]
    mine_began = [stop for stop in began if SendingStop.objects.filter(pk=stop.pk, told_at=None).update(told_at=now())]
    mine_ended = [
        stop for stop in ended if SendingStop.objects.filter(pk=stop.pk, end_told_at=None).update(end_told_at=now())
    ]
    sent = 0
    for words in [*_together(mine_began, beginning), *_together(mine_ended, end)]:
        send_notice(*words)
        sent += 1
    return sent


def beginning(stop: SendingStop) -> str:
    """What stopped and why, as one sentence for people."""
    words = _("Nothing is sent to Kartra since %(when)s UTC %(who)s: %(why)s")
    if stop.command:
        words = _("%(command)s is not sent since %(when)s UTC %(who)s: %(why)s")
    who = _("by %(person)s") % {"person": stop.began_by} if stop.began_by else f"({stop.get_stopped_by_display()})"
    return words % {"command": stop.command, "when": f"{stop.began_at:%Y-%m-%d %H:%M}", "who": who, "why": stop.words}


def end(stop: SendingStop) -> str:
    """How long a stop lasted and what became of what it held up, as one line."""
    if stop.ended_at is None:
        return beginning(stop)
    if stop.stopped_by != StopCause.OUTAGE:
        words = _("Sending went on %(ended)s UTC. It had stopped since %(began)s: %(why)s")
        if stop.ended_by:
            words = _("Sending went on %(ended)s UTC by %(person)s. It had stopped since %(began)s: %(why)s")
        told = {"ended": f"{stop.ended_at:%Y-%m-%d %H:%M}", "began": f"{stop.began_at:%H:%M}", "why": stop.words}
        return words % {**told, "person": stop.ended_by}
    waited = BulkRun.objects.filter(account=stop.connection.account_id, created_at__lte=stop.ended_at).filter(
        Q(ended_at=None) | Q(ended_at__gte=stop.began_at)
    )
    unclear = ApiCall.objects.filter(
        connection=stop.connection,
        writes=True,
        outcome__in=[CallOutcome.UNKNOWN, CallOutcome.LOST],
        finished_at__lte=stop.ended_at,
        finished_at__gte=stop.began_at - dt.timedelta(minutes=5),
    ).distinct()
    open_ones = unclear.filter(attempts__proof__in=[Proof.UNCLEAR, Proof.UNDECIDED]).count()
    number, runs = unclear.count(), waited.count()
    times = {"began": f"{stop.began_at:%H:%M}", "ended": f"{stop.ended_at:%H:%M}"}
    said = [_("No answer %(began)s–%(ended)s UTC.") % times]
    if runs:
        words = ngettext(
            "%(number)s bulk action waited and went on.", "%(number)s bulk actions waited and went on.", runs
        )
        said.append(words % {"number": f"{runs:,}"})
    if number:
        words = _("%(number)s unclear, all proven.")
        if open_ones:
            words = _("%(number)s unclear, %(open)s of them still being looked at.")
        said.append(words % {"number": f"{number:,}", "open": f"{open_ones:,}"})
    said.append(_("Sales made meanwhile are in no lead's profile; read transactions, or import Kartra's export."))
    return " ".join(said)


def _together(stops: list[SendingStop], words: Callable[[SendingStop], str]) -> list[tuple[str, str]]:
    """One notice for connections that share a cause: (subject, text)."""
    groups: dict[tuple[str, str, str, str], list[SendingStop]] = defaultdict(list)
    for stop in stops:
        groups[stop.connection.app_id, stop.stopped_by, stop.command, stop.words].append(stop)
    found = []
    for group in groups.values():
        names = ", ".join(sorted({stop.connection.name for stop in group}))
        subject = _("Kartra Mirror: sending stopped (%(names)s)")
        if words is end:
            subject = _("Kartra Mirror: sending went on (%(names)s)")
        found.append((subject % {"names": names}, f"{names}: {words(group[0])}"))
    return found


def send_notice(subject: str, text: str) -> None:
    """By mail to ADMINS and to ALERT_URL. Never raises."""
    logger.warning("%s", text)
    try:
        mail_admins(subject, text)
    except Exception as error:  # a mail server that is down is no reason to stop anything
        logger.warning("The notice could not be mailed (%s).", type(error).__name__)
    post_notice(f"{subject}\n{text}")


def post_notice(text: str) -> None:
    """To ALERT_URL alone, where there is one. Never raises."""
    if settings.ALERT_URL:
        try:
            requests.post(settings.ALERT_URL, json={"text": text}, timeout=5, allow_redirects=False)
        except requests.RequestException as error:
            logger.warning("The notice could not be posted to ALERT_URL (%s).", type(error).__name__)
