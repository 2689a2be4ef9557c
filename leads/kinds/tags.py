"""Tags: put one on a lead, take one off."""

import datetime as dt

from django import forms
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _, gettext_lazy, gettext_noop

from leads import mirror
from leads.kind import CHANGES_LEADS, ChangeKind, Parameters, by_this_change
from leads.kinds import already_words
from leads.kinds.form_fields import CatalogueChoice
from leads.models import Account, Activity, LeadChange, LeadTag, Source, Tag
from leads.texts import visible


def _fields(account: Account) -> dict[str, forms.Field]:
    return {"tag": CatalogueChoice(Tag.objects.filter(account=account), label=_("Tag"))}


def _family(parameters: Parameters) -> str:
    return f"tag:{parameters['tag']}"


def _tagged(account: Account, parameters: Parameters) -> Q:
    tag = Tag.objects.filter(account=account, name=parameters["tag"])
    return Q(Exists(LeadTag.objects.filter(lead=OuterRef("pk"), tag__in=tag)))


def _not_tagged(account: Account, parameters: Parameters) -> Q:
    return Q(read_at__isnull=False) & ~_tagged(account, parameters)


def _on_by_it(parameters: Parameters) -> Exists:
    return Exists(LeadTag.objects.filter(by_this_change("since"), lead=OuterRef("lead"), tag__name=parameters["tag"]))


def _off_by_it(parameters: Parameters) -> Q:
    removed = Activity.objects.filter(
        by_this_change("at"), lead=OuterRef("lead"), kind="tag_removed", details__tag=parameters["tag"]
    )
    there = LeadTag.objects.filter(lead=OuterRef("lead"), tag__name=parameters["tag"])
    return Q(Exists(removed)) & ~Q(Exists(there))


def _confirmed(change: LeadChange, at: dt.datetime, on: bool) -> None:
    mirror.set_tag(change.lead, change.parameters["tag"], on, source=Source.PUSH, at=at, change=change)


ASSIGN_TAG = ChangeKind(
    name="assign_tag",
    label=gettext_lazy("Assign a tag"),
    fields=_fields,
    permission="leads.assign_tag",
    permission_words=gettext_noop("Can assign tags"),
    groups=CHANGES_LEADS,
    family=_family,
    sentence=lambda parameters: _("assign the tag %(tag)s") % {"tag": visible(parameters.get("tag", ""))},
    done_message=lambda name, p: _("%(lead)s now has the tag %(tag)s.") % {"lead": name, "tag": p.get("tag", "")},
    already_so_q=_tagged,
    effect=lambda change, at: _confirmed(change, at, True),
    inverse="unassign_tag",
    undoable_q=_on_by_it,
    noun="tag",
    thing=gettext_lazy("Tag"),
    verb=gettext_lazy("Assign"),
    beside=("tag",),
    tie=True,
    activity="tag_assigned",
    activity_words=gettext_lazy("tag assigned"),
    afterwards_words=gettext_lazy("got the tag %(tag)s"),
    already_words=already_words.GIVEN,
    undo_keeps=("tag",),
)
UNASSIGN_TAG = ChangeKind(
    name="unassign_tag",
    label=gettext_lazy("Remove a tag"),
    fields=_fields,
    permission="leads.unassign_tag",
    permission_words=gettext_noop("Can remove tags"),
    groups=CHANGES_LEADS,
    family=_family,
    sentence=lambda parameters: _("remove the tag %(tag)s") % {"tag": visible(parameters.get("tag", ""))},
    done_message=lambda name, p: _("%(lead)s no longer has the tag %(tag)s.") % {"lead": name, "tag": p.get("tag", "")},
    already_so_q=_not_tagged,
    effect=lambda change, at: _confirmed(change, at, False),
    inverse="assign_tag",
    undoable_q=_off_by_it,
    noun="tag",
    thing=gettext_lazy("Tag"),
    verb=gettext_lazy("Remove"),
    beside=("remove_tag",),
    tie=False,
    activity="tag_removed",
    activity_words=gettext_lazy("tag removed"),
    afterwards_words=gettext_lazy("lost the tag %(tag)s"),
    already_words=already_words.NOT_HAD,
    undo_keeps=("tag",),
)
KINDS = (ASSIGN_TAG, UNASSIGN_TAG)
