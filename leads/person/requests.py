"""What people ask about their own data, written down: who entered it, until when it is due, what came of it. The only writer of
`DataSubjectRequest`."""

import datetime as dt
import logging
from collections.abc import Mapping, Sequence

from django.conf import settings
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.utils.translation import gettext as _

from leads import clock
from leads.access import Author, user_of
from leads.models import DataSubjectRequest, Lead, RequestKind
from leads.models.digests import newest
from leads.models.remarks import Remark

logger = logging.getLogger(__name__)

PURPOSE = "data subject"
FIRST_ON_EARTH = dt.timedelta(hours=14)
"""So far ahead of UTC are the clocks on which a day begins first."""


class NotInTheFuture(ValueError):
    """Nobody has asked tomorrow. The text is a sentence for people."""


def begin(kind: RequestKind, lead: Lead, *, by: Author = None, asked_on: dt.date | None = None) -> DataSubjectRequest:
    """The request of this kind that stands open for the lead, else a new one. It stands open, and is due, until it is done.
    `asked_on`: when the person asked, on any clock of the world; today by itself. An earlier day is kept by its noon (UTC), which
    is of that day nearly everywhere."""
    found = DataSubjectRequest.objects.filter(kind=kind, lead=lead, done_at=None).first()
    if found is not None:
        return found
    at = clock.now()
    asked_at = at
    if asked_on is not None and asked_on > (at + FIRST_ON_EARTH).date():
        raise NotInTheFuture(_("This day has not come yet."))
    if asked_on is not None and asked_on != at.date():
        asked_at = min(at, dt.datetime.combine(asked_on, dt.time(12), tzinfo=dt.UTC))
    return DataSubjectRequest.objects.create(
        kind=kind,
        account=lead.account,
        lead=lead,
        digest=digest_of(lead),
        asked_by=user_of(by),
        asked_at=asked_at,
        due_at=asked_at + dt.timedelta(days=settings.SUBJECT_REQUEST_DAYS),
    )


def finish(
    request: DataSubjectRequest, counts: Mapping[str, int], remarks: Sequence[Remark] = (), *, by: Author = None
) -> None:
    """It is done: how many rows of which table, and what is to be said besides. A line says who did it, not of whom."""
    request.counts = {table: number for table, number in sorted(counts.items()) if number}
    request.remarks, request.done_at = list(remarks), clock.now()
    request.save(update_fields=["counts", "remarks", "done_at"])
    who = user_of(by)
    logger.info(
        "%s: request %s of a person of account %s is done (%s).",
        f"User {who.pk}" if who else "From the command line",
        request.pk,
        request.account_id,
        request.kind,
    )
    if who is not None:  # Django's own log knows no line without a user; the request says that it was the command line
        _write_down(request, who)


def _write_down(request: DataSubjectRequest, user: User) -> None:
    """The line in the log of who did what."""
    erased = request.kind == RequestKind.ERASURE
    words = (
        _("Erased a person of %(account)s who asked to be forgotten.")
        if erased
        else _("Exported all data of a person of %(account)s who asked for it.")
    )
    told = {"account": request.account}
    LogEntry.objects.create(
        user=user,
        content_type=ContentType.objects.get_for_model(Lead),
        object_id=None,
        action_flag=DELETION if erased else CHANGE,
        object_repr=(_("a person of %(account)s") % told)[:200],
        change_message=words % told,
    )


def digest_of(lead: Lead) -> str:
    """By which the requests of somebody who is gone are found, when they name their id or address again."""
    told = f"id:{lead.kartra_id}" if lead.kartra_id else f"email:{lead.email_key}"
    return newest(PURPOSE, f"{lead.account_id}\0{told}")


def release(lead: Lead, at: dt.datetime) -> None:
    """Before the lead goes: its requests keep the digest of what it is known by now, and none of them stands open any more."""
    rows = DataSubjectRequest.objects.filter(lead=lead)
    rows.update(digest=digest_of(lead))
    rows.filter(done_at=None).update(done_at=at)
