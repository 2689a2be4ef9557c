"""Lists: put a lead on one, take it off."""

import datetime as dt
from collections.abc import Callable

from django import forms
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _, gettext_lazy, gettext_noop

from leads import mirror
from leads.kind import CHANGES_LEADS, ChangeKind, Parameters, by_this_change
from leads.kinds import already_words
from leads.kinds.form_fields import CatalogueChoice
from leads.models import Account, LeadChange, ListSubscription, MailingList, Source
from leads.texts import visible


def _fields(account: Account) -> dict[str, forms.Field]:
    return {"list": CatalogueChoice(MailingList.objects.filter(account=account), label=_("List"))}


def _family(parameters: Parameters) -> str:
    return f"list:{parameters['list']}"


def _subscription(account: Account, parameters: Parameters) -> QuerySet[ListSubscription]:
    of_name = MailingList.objects.filter(account=account, name=parameters["list"])
    return ListSubscription.objects.filter(lead=OuterRef("pk"), mailing_list__in=of_name)


def _on_list(account: Account, parameters: Parameters) -> Q:
    return Q(Exists(_subscription(account, parameters).filter(active=True)))


def _off_list(account: Account, parameters: Parameters) -> Q:
    return Q(read_at__isnull=False) & ~_on_list(account, parameters)


def _left_themselves(account: Account, parameters: Parameters) -> Q:
    """Leads who were on the list and are not any more, by no change of ours."""
    return Q(Exists(_subscription(account, parameters).filter(active=False, change=None)))


def _by_it(active: bool) -> Callable[[Parameters], Exists]:
    def undoable_q(parameters: Parameters) -> Exists:
        rows = ListSubscription.objects.filter(lead=OuterRef("lead"), mailing_list__name=parameters["list"])
        return Exists(rows.filter(by_this_change("since"), active=active))

    return undoable_q


def _confirmed(change: LeadChange, at: dt.datetime, on: bool) -> None:
    mirror.set_list(change.lead, change.parameters["list"], on, source=Source.PUSH, at=at, change=change)


SUBSCRIBE_LIST = ChangeKind(
    name="subscribe_list",
    label=gettext_lazy("Add to a list"),
    fields=_fields,
    permission="leads.subscribe_list",
    permission_words=gettext_noop("Can add leads to lists"),
    groups=CHANGES_LEADS,
    family=_family,
    sentence=lambda parameters: _("add to the list %(list)s") % {"list": visible(parameters.get("list", ""))},
    done_message=lambda name, p: _("%(lead)s is now on the list %(list)s.") % {"lead": name, "list": p.get("list", "")},
    already_so_q=_on_list,
    effect=lambda change, at: _confirmed(change, at, True),
    inverse="unsubscribe_list",
    opted_out_q=_left_themselves,
    undoable_q=_by_it(True),
    noun="list",
    thing=gettext_lazy("List"),
    verb=gettext_lazy("Add"),
    beside=("list",),
    tie=True,
    activity="list_joined",
    activity_words=gettext_lazy("list joined"),
    afterwards_words=gettext_lazy("joined the list %(list)s"),
    already_words=already_words.GIVEN,
    undo_keeps=("list",),
    sends_mails=True,
)
UNSUBSCRIBE_LIST = ChangeKind(
    name="unsubscribe_list",
    label=gettext_lazy("Remove from a list"),
    fields=_fields,
    permission="leads.unsubscribe_list",
    permission_words=gettext_noop("Can remove leads from lists"),
    groups=CHANGES_LEADS,
    family=_family,
    sentence=lambda parameters: _("remove from the list %(list)s") % {"list": visible(parameters.get("list", ""))},
    done_message=lambda name, p: (
        _("%(lead)s is no longer on the list %(list)s.") % {"lead": name, "list": p.get("list", "")}
    ),
    already_so_q=_off_list,
    effect=lambda change, at: _confirmed(change, at, False),
    inverse="subscribe_list",
    undoable_q=_by_it(False),
    noun="list",
    thing=gettext_lazy("List"),
    verb=gettext_lazy("Remove"),
    beside=("leave_list",),
    tie=False,
    activity="list_left",
    activity_words=gettext_lazy("list left"),
    afterwards_words=gettext_lazy("left the list %(list)s"),
    already_words=already_words.NOT_ON_IT,
    undo_keeps=("list",),
)
KINDS = (SUBSCRIBE_LIST, UNSUBSCRIBE_LIST)
