"""Telling of concerns: once when one begins, again when its number has grown tenfold, and once when it is over.

What waits for a person is told after ALERT_AFTER_MIN, so that nobody is mailed about what is answered within minutes. What is told
together is one notice. Each goes out once, whoever runs this at the same time; one that cannot be delivered is logged.
"""

import datetime as dt

from django.conf import settings
from django.db.models import F
from django.utils.translation import gettext as _, ngettext

from integrations.clock import now
from integrations.models import Concern, ConcernCode
from integrations.sending import alerts
from integrations.watching.words import link, sentence

TENFOLD = 10
MOST = 100
SEEN_TWICE = dt.timedelta(seconds=20)
"""Workers are told of when they were missed twice: after an outage of the database all words of theirs are old for a moment."""
AT_ONCE = {
    ConcernCode.DELETIONS: dt.timedelta(0),
    ConcernCode.WORKERS: SEEN_TWICE,
    ConcernCode.BEAT: SEEN_TWICE,
    ConcernCode.BROKER: SEEN_TWICE,
    ConcernCode.WEB: SEEN_TWICE,
    ConcernCode.DISK: dt.timedelta(0),
}


def drain() -> int:
    """Send the notices that are due; how many."""
    at = now()
    mine = [*_begun(at), *_grown()]
    ended = _ended(at)
    if mine:
        words = ngettext("%(number)s thing needs a person", "%(number)s things need a person", len(mine))
        alerts.send_notice(_subject(mine, words), "\n\n".join(map(_line, mine)))
    if ended:
        words = ngettext("%(number)s thing is over", "%(number)s things are over", len(ended))
        alerts.send_notice(_subject(ended, words, _("over: ")), "\n\n".join(map(_end_line, ended)))
    return bool(mine) + bool(ended)


def _begun(at: dt.datetime) -> list[Concern]:
    untold = Concern.objects.standing().filter(told_at=None).select_related("connection__account")[:MOST]
    after = dt.timedelta(minutes=settings.ALERT_AFTER_MIN)
    due = [each for each in untold if each.since <= at - AT_ONCE.get(ConcernCode(each.code), after)]
    rows = Concern.objects.standing().filter(told_at=None)
    return [each for each in due if rows.filter(pk=each.pk).update(told_at=at, told_number=each.number)]


def _grown() -> list[Concern]:
    grown = Concern.objects.standing().filter(told_at__isnull=False, number__gte=F("told_number") * TENFOLD)
    return [
        each
        for each in grown.select_related("connection__account")[:MOST]
        if grown.filter(pk=each.pk, told_number=each.told_number).update(told_number=each.number)
    ]


def _ended(at: dt.datetime) -> list[Concern]:
    rows = Concern.objects.filter(told_at__isnull=False, ended_at__isnull=False, end_told_at=None)
    found = list(rows.select_related("connection__account")[:MOST])
    return [each for each in found if rows.filter(pk=each.pk).update(end_told_at=at)]


def _subject(told: list[Concern], words: str, before: str = "") -> str:
    """Of one concern its name, of several how many they are."""
    what = words % {"number": len(told)} if len(told) > 1 else f"{before}{told[0].get_code_display()}"
    return _("Kartra Mirror: %(what)s") % {"what": what}


def _line(concern: Concern) -> str:
    return f"{sentence(concern)}\n{link(concern)}"


def _end_line(concern: Concern) -> str:
    told = {"began": f"{concern.since:%Y-%m-%d %H:%M}", "ended": f"{concern.ended_at:%Y-%m-%d %H:%M}"}
    return f"{_('Over since %(ended)s UTC, begun %(began)s:') % told} {sentence(concern)}"
