"""A mail to the author of a bulk action when it has ended, where they wanted one. Each goes out once."""

import logging

from django.conf import settings
from django.core.mail import send_mail
from django.utils.translation import gettext as _

from integrations.clock import now
from leads.labels import RUN_WORDS, STATUS_WORDS
from leads.models import BulkRun, ChangeStatus

logger = logging.getLogger(__name__)


def drain() -> int:
    """Send the mails that are due; how many. One that cannot be delivered is logged and not repeated."""
    sent = 0
    for run in BulkRun.objects.to_be_mailed().select_related("created_by", "account").order_by("pk")[:50]:
        if not BulkRun.objects.filter(pk=run.pk, mailed_at=None).update(mailed_at=now()):
            continue
        address = run.created_by.email if run.created_by else ""
        if not address:
            continue
        try:
            send_mail(f"{run.name}: {RUN_WORDS[run.state]}", text_of(run), None, [address])
            sent += 1
        except Exception:  # whatever the mail server has to say: the run is as it is
            logger.exception("The mail about bulk action %s could not be sent.", run.pk)
    return sent


def text_of(run: BulkRun) -> str:
    """What became of it, in a few lines."""
    counts = run.counts()
    lines = [f"{number:,} {STATUS_WORDS[status]}" for status, number in counts.items() if number]
    look = f"{settings.PUBLIC_URL}{run.get_absolute_url()}"
    bad = counts[ChangeStatus.REJECTED] + counts[ChangeStatus.UNDECIDED]
    what_now = _("Some of it needs you:") if bad else _("Look at it:")
    told = {"run": run.name, "account": run.account, "state": RUN_WORDS[run.state]}
    ended = _("“%(run)s” on %(account)s is %(state)s.") % told
    return "\n".join([ended, "", *lines, "", what_now, look, ""])
