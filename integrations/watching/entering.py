"""Watched segments, one look after another: who entered is found, told and acted on. What is told has numbers and a link, and no
name of a lead: a post or a log is read by others."""

import datetime as dt
import logging

from django.conf import settings
from django.core.mail import send_mail
from django.utils.translation import gettext as _, ngettext

from integrations.clock import now
from integrations.models import Connection
from integrations.sending import alerts
from leads import access, watching
from leads.models import Watch, WatchState

logger = logging.getLogger(__name__)

TOLD_APART = dt.timedelta(minutes=5)
"""So far apart at least are two messages of one watch; who enters meanwhile is in the next."""


def work(watch_id: int, *, until_s: float) -> bool:
    """Look, act where Kartra is read and written, and tell. True if the look was not over in time."""
    rows = Watch.objects.select_related("segment__account", "recipe__account", "owner")
    watch = rows.filter(pk=watch_id).first()
    if watch is None:
        return False
    at = now()
    looked = watching.look(watch, at, until_s=until_s)
    if not looked.more and holds(watch) == "":
        watching.act(watch, at)
    tell(Watch.objects.select_related("segment__account", "owner").get(pk=watch.pk), at)
    return looked.more


def holds(watch: Watch) -> str:
    """Why nothing is started now though somebody may wait, as a sentence; empty where nothing is in the way. Who waits is kept."""
    connection = Connection.objects.with_stops().filter(account=watch.segment.account_id).first()
    if connection is None or not connection.sends:
        return _("Nothing is sent to Kartra now, so the recipe waits until sending goes on.")
    if connection.reads_stopped_at:
        return _("Updates from Kartra are stopped, so the recipe waits until they go on.")
    return ""


def tell(watch: Watch, at: dt.datetime) -> None:
    """Send what is to be told, each message once whoever runs this at the same time."""
    mine = Watch.objects.filter(pk=watch.pk)
    due = watch.untold and (watch.told_at is None or watch.told_at <= at - TOLD_APART)
    if due and mine.filter(untold=watch.untold).update(untold=0, told_at=at):
        _tell_entered(watch, watch.untold)
    if watch.state == WatchState.PAUSED and mine.filter(pause_told_at=None).update(pause_told_at=at):
        _tell_paused(watch)


def _tell_entered(watch: Watch, number: int) -> None:
    told = {"n": f"{number:,}", "segment": watch.segment.name, "account": watch.segment.account}
    words = ngettext("%(n)s lead entered %(segment)s", "%(n)s leads entered %(segment)s", number)
    if watch.by_mail:
        _mail(watch, words % told, words % told)
    if watch.by_alert:
        words = ngettext(
            "%(n)s lead of %(account)s entered a watched segment:",
            "%(n)s leads of %(account)s entered a watched segment:",
            number,
        )
        alerts.post_notice(f"{words % told}\n{_link(watch)}")


def _tell_paused(watch: Watch) -> None:
    told = {"segment": watch.segment.name, "account": watch.segment.account}
    _mail(watch, _("Paused: when somebody enters %(segment)s") % told, watch.why_paused)
    if watch.by_alert:
        words = _("A watched segment of %(account)s paused by itself:") % told
        alerts.post_notice(f"{words}\n{_link(watch)}")


def _mail(watch: Watch, subject: str, text: str) -> None:
    """To the owner, while they work in the account. One that cannot be delivered is logged and not repeated."""
    owner = watch.owner
    if owner is None or not owner.is_active or not owner.email or not settings.MAIL_IS_SET_UP:
        return
    if not access.works_in(owner, watch.segment.account_id):
        return
    try:
        send_mail(subject, f"{text}\n\n{_link(watch)}\n", None, [owner.email])
    except Exception as error:  # a mail server that is down is no reason to stop anything
        logger.warning("The mail about watch %s could not be sent (%s).", watch.pk, type(error).__name__)


def _link(watch: Watch) -> str:
    return f"{settings.PUBLIC_URL.rstrip('/')}{watch.segment.get_absolute_url()}"
