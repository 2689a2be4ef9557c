"""A call as it is written, with no change of ours behind it: a read, or a write of which we know no kind."""

import datetime as dt
import time

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from integrations.clock import now
from integrations.console.form import CannotCall, Form, named_lead
from integrations.kartra.errors import KartraError
from integrations.models import ApiCall, CallOutcome, Cause, Connection
from integrations.receive.body_text import hide_secrets
from integrations.sending import call_counter, calls, restored
from integrations.sending.calls import Priority
from integrations.sending.error_messages import said_by
from leads import forgotten, mirror
from leads.access import Author, user_of
from leads.models import ChangeStatus, Lead
from leads.models.remarks import remark, sentence_of

ANSWER_CHARACTERS = 4000
WAIT_S = 30.0


def read(connection: Connection, form: Form, by: Author) -> str:
    """Make a call that changes nothing. Raises KartraError."""
    text = calls.read(
        connection,
        cause=Cause.CONSOLE,
        priority=Priority.PERSON,
        commands=", ".join(form.commands)[:500],
        ask=lambda client: client.call(form.pairs, fresh=True).text,
        made_by=by,
        wait_s=WAIT_S,
    )
    return without_keys(connection, text)


def without_keys(connection: Connection, text: str) -> str:
    """An answer without the keys that were added to its call, should it hold them."""
    return hide_secrets(text, (connection.api_key, connection.api_password))


def write(connection: Connection, form: Form, by: Author) -> str:
    """Make a call that may change anything. The lead it names is held meanwhile, so that nothing else of it is in flight, and
    is read again afterwards. Raises CannotCall, KartraError."""
    calls.be_here()
    if (told := call_counter.compare(connection)) is not call_counter.RestoreCheck.SAME:
        raise CannotCall(sentence_of(remark(restored.WHY[told])))
    lead = _lead(connection, form)
    client = calls.client_for(connection)
    calls.wait_for_slot(connection, Priority.PERSON, wait_s=WAIT_S)
    row = begin_raw_call(connection, lead, form, by)
    began, text, ours = time.monotonic(), "", False
    failed: KartraError | None = None
    try:
        text = without_keys(connection, client.call(form.pairs, fresh=True).text)
    except KartraError as error:
        failed = error
        raise
    except BaseException as error:
        failed, ours = calls.our_fault(error), True
        raise
    finally:
        end_raw_call(row, lead, failed, text, round((time.monotonic() - began) * 1000))
        if not ours:  # which says nothing of Kartra
            calls.update_health(connection, failed)
    return text


def _lead(connection: Connection, form: Form) -> Lead | None:
    number, email = named_lead(form)
    if not number and not email:
        return None
    try:
        forgotten.check(connection.account, kartra_id=number, email=email)
    except forgotten.LeftOut as problem:
        raise CannotCall(str(problem)) from None
    return mirror.find(connection.account, kartra_id=number, email=email)


def begin_raw_call(connection: Connection, lead: Lead | None, form: Form, by: Author) -> ApiCall:
    """Write down that the call is leaving; its row holds the lead. Raises CannotCall where something of the lead is under way."""
    busy = CannotCall(_("A change of this lead is under way. Wait until it has ended, then make the call."))
    at = now()
    try:
        with transaction.atomic():
            if lead is not None:
                mirror.lock_leads([lead.pk])
                if lead.changes.filter(status__in=[ChangeStatus.SENDING, ChangeStatus.UNKNOWN]).exists():
                    raise busy
                mirror.mark_dirty(lead, at)  # it is read again though this process should end meanwhile
            if not Connection.objects.sending().filter(pk=connection.pk).exists():
                raise CannotCall(_("Sending was switched off meanwhile."))
            row = ApiCall.objects.create(
                connection=connection,
                lead=lead,
                cause=Cause.CONSOLE,
                writes=True,
                commands=", ".join(form.commands or sorted(form.others))[:500],
                claimed_at=at,
                sent_at=at,
                lease_until=at + dt.timedelta(seconds=settings.KARTRA_DEADLINE_S * 1.5 + 5),
                made_by=user_of(by),
            )
            call_counter.count(connection)
    except IntegrityError:
        raise busy from None
    call_counter.keep_outside(connection)
    return row


def end_raw_call(row: ApiCall, lead: Lead | None, failed: KartraError | None, text: str, elapsed_ms: int) -> None:
    at = now()
    ApiCall.objects.filter(pk=row.pk, finished_at=None).update(
        finished_at=at,
        outcome=CallOutcome.ANSWERED if failed is None else calls.outcome_of(failed),
        code=failed.code if failed else "",
        **(said_by(failed) if failed else {}),
        answer=text[:ANSWER_CHARACTERS],
        elapsed_ms=elapsed_ms,
    )
    if lead is not None:
        mirror.mark_dirty(lead, at)
