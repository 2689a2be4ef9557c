"""A call that writes, recorded as the changes it stands for: by the same people, within the same bounds, with the same records."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from integrations import push
from integrations.console.form import CannotCall, Form, named_lead
from integrations.console.meaning import Wish
from integrations.models import ApiCall, Connection
from integrations.push import verify
from leads import access, changes, forgotten, kinds, mirror
from leads.access import Author
from leads.labels import STATUS_WORDS
from leads.lock_conflicts import passes
from leads.models import OPEN, Account, ChangeStatus, Lead, LeadChange, normal_email

EVERY_S = 0.1
WHY = "API console"


def check_permissions(by: Author, wishes: Sequence[Wish]) -> None:
    """CannotCall unless the person may ask for each of these kinds of change."""
    if (user := access.user_of(by)) is None:
        return
    for kind, _parameters in wishes:
        if not user.has_perm(kind.permission):
            words = _("This call is the change “%(kind)s”. For that you need the permission “%(permission)s”.")
            raise CannotCall(words % {"kind": kind.label, "permission": _(kind.permission_words)})


def record(connection: Connection, form: Form, wishes: Sequence[Wish], by: Author) -> list[LeadChange]:
    """The changes, recorded together or not at all. Raises CannotCall in the words that a page would say."""
    account = connection.account
    if len(wishes) > 1 and any(kind.money for kind, _parameters in wishes):
        raise CannotCall(_("What moves money travels alone. Make a call of its own for it."))
    if sum(kind.creates for kind, _parameters in wishes) and not wishes[0][0].creates:
        raise CannotCall(_("create_lead is the first action of its call."))
    kind, parameters = kinds.together(list(wishes))
    try:
        clean = kind.clean(account, parameters)
        with transaction.atomic():
            if wishes[0][0].creates:
                lead = changes.lead_to_create(account, wishes[0][1])
            else:
                lead = _lead(account, form, kind, clean)
                _check_preview(lead, kind, clean, by)
            return changes.record_changes(lead, kind, parameters, by=by, why=WHY)
    except (kinds.BadParameters, changes.CannotRecord) as problem:
        raise CannotCall(str(problem)) from None


def _lead(account: Account, form: Form, kind: kinds.ChangeKind, clean: Mapping[str, Any]) -> Lead:
    """The lead of the call: the one it names, or whose money it is about."""
    number, email = named_lead(form)
    if kind.money and not (number or email):
        found = kind.applicable_q(Lead.objects.filter(account=account), clean).first()
    else:
        found = mirror.find(account, kartra_id=number, email=email)
    if found is None:
        try:
            forgotten.check(account, kartra_id=number, email=email)
        except forgotten.LeftOut as problem:
            raise CannotCall(str(problem)) from None
        raise CannotCall(
            _("Our copy does not have the lead of this call. Update it from Kartra first (Find in Kartra).")
        )
    if number and (found.kartra_id != number or (email and found.email_key != normal_email(email))):
        raise CannotCall(_("lead[id] and lead[email] name two leads. Leave one of them out."))
    return found


def _check_preview(lead: Lead, kind: kinds.ChangeKind, clean: Mapping[str, Any], by: Author) -> None:
    seen = changes.preview_change(lead.account, Lead.objects.filter(pk=lead.pk), kind, clean)
    if seen.absent:
        raise CannotCall(_("Kartra has no such lead."))
    user = access.user_of(by)
    if seen.left and user is not None and not user.has_perm("leads.resubscribe_list"):
        raise CannotCall(
            _("This lead left the list themselves. To add them again you need the permission “%(permission)s”.")
            % {"permission": _("Can add leads again to lists that they left themselves")}
        )


def wait_for(connection: Connection, recorded: Sequence[LeadChange], *, send_here: bool) -> list[LeadChange]:
    """The changes as they are once all are settled, or after CONSOLE_WAIT_S. `send_here`: they are sent and proven from this
    process too, not by workers alone."""
    ends = time.monotonic() + settings.CONSOLE_WAIT_S
    ids = [change.pk for change in recorded]
    while LeadChange.objects.filter(pk__in=ids, status__in=OPEN).exclude(status=ChangeStatus.UNDECIDED).exists():
        if time.monotonic() >= ends:
            break
        if send_here:
            _send(connection)
        time.sleep(EVERY_S)
    return list(LeadChange.objects.filter(pk__in=ids).order_by("pk"))


def _send(connection: Connection) -> None:
    try:
        push.drain(connection, until_s=2.0)
        verify.drain(connection, until_s=1.0)
    except DatabaseError as error:  # workers are at the same leads; what met them goes on in the next round
        if not passes(error):
            raise


def answers_to(settled: Sequence[LeadChange]) -> str:
    """Kartra's answers to the calls in which the changes travelled, as they are stored."""
    made = ApiCall.objects.filter(attempts__change__in=settled).exclude(answer="").order_by("pk").distinct()
    return "\n".join(made.values_list("answer", flat=True))


def lines_of(settled: Sequence[LeadChange]) -> list[tuple[str, LeadChange]]:
    """What became of each, in a line."""
    return [
        (": ".join(filter(None, [capfirst(str(change)), str(STATUS_WORDS[change.status]), change.words])), change)
        for change in settled
    ]
