"""Sequences: put a lead in at a step, take it out. A step is the number on its box in Kartra's sequence."""

import datetime as dt

from django import forms
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _, gettext_lazy, gettext_noop

from leads import mirror
from leads.kind import CHANGES_LEADS, ChangeKind, Parameters
from leads.kinds import already_words
from leads.kinds.form_fields import CatalogueChoice
from leads.models import Account, LeadChange, Sequence, SequenceEnrollment

ACTIVE = "active"
LEFT = "unsubscribed"


def sequence_field(account: Account, *, required: bool = True, label: str = "") -> forms.Field:
    return CatalogueChoice(Sequence.objects.filter(account=account), label=label or _("Sequence"), required=required)


def step_field(*, required: bool = True) -> forms.Field:
    return forms.IntegerField(
        label=_("Step"),
        min_value=1,
        max_value=9999,
        required=required,
        help_text=_(
            "The number on its box in Kartra's sequence. Kartra has no list of steps, so it is checked when it is sent."
        ),
    )


def _entering(account: Account) -> dict[str, forms.Field]:
    return {"sequence": sequence_field(account), "step": step_field()}


def _leaving(account: Account) -> dict[str, forms.Field]:
    return {"sequence": sequence_field(account)}


def _family(parameters: Parameters) -> str:
    return f"sequence:{parameters['sequence']}"


def _in(account: Account, parameters: Parameters) -> QuerySet[SequenceEnrollment]:
    of_name = Sequence.objects.filter(account=account, name=parameters["sequence"])
    return SequenceEnrollment.objects.filter(lead=OuterRef("pk"), sequence__in=of_name, status__iexact=ACTIVE)


def _at_step(account: Account, parameters: Parameters) -> Q:
    return Q(Exists(_in(account, parameters).filter(step=str(parameters["step"]))))


def _outside(account: Account, parameters: Parameters) -> Q:
    return Q(read_at__isnull=False) & ~Q(Exists(_in(account, parameters)))


def _in_since(parameters: Parameters) -> Exists:
    """In the sequence, and every state of it that we know of is younger than the change: steps go on by themselves."""
    rows = SequenceEnrollment.objects.filter(lead=OuterRef("lead"), sequence__name=parameters["sequence"])
    return Exists(rows.filter(status__iexact=ACTIVE, since__gte=OuterRef("requested_at")))


def _entered(change: LeadChange, at: dt.datetime) -> None:
    given = change.parameters
    mirror.set_sequence(change.lead, given["sequence"], str(given["step"]), ACTIVE, at=at, change=change)


def _left(change: LeadChange, at: dt.datetime) -> None:
    mirror.set_sequence(change.lead, change.parameters["sequence"], "", LEFT, at=at, change=change)


def _entered_words(name: str, parameters: Parameters) -> str:
    told = {"lead": name, "sequence": parameters.get("sequence", ""), "step": parameters.get("step", "")}
    return _("%(lead)s is now in the sequence %(sequence)s, at step %(step)s.") % told


SUBSCRIBE_SEQUENCE = ChangeKind(
    name="subscribe_sequence",
    label=gettext_lazy("Add to a sequence"),
    permission="leads.subscribe_sequence",
    permission_words=gettext_noop("Can add leads to sequences"),
    groups=CHANGES_LEADS,
    fields=_entering,
    family=_family,
    sentence=lambda p: (
        _("add to the sequence %(sequence)s at step %(step)s")
        % {"sequence": p.get("sequence", ""), "step": p.get("step", "")}
    ),
    done_message=_entered_words,
    already_so_q=_at_step,
    effect=_entered,
    repeatable=False,
    inverse="unsubscribe_sequence",
    undoable_q=_in_since,
    noun="sequence",
    thing=gettext_lazy("Sequence"),
    verb=gettext_lazy("Add"),
    beside=("sequence", "step"),
    tie=True,
    activity="sequence_entered",
    activity_words=gettext_lazy("sequence entered"),
    afterwards_words=gettext_lazy("entered the sequence %(sequence)s"),
    already_words=already_words.GIVEN,
    undo_keeps=("sequence",),
    unchecked=True,
    known_before="step",
    sends_mails=True,
)
UNSUBSCRIBE_SEQUENCE = ChangeKind(
    name="unsubscribe_sequence",
    label=gettext_lazy("Remove from a sequence"),
    permission="leads.unsubscribe_sequence",
    permission_words=gettext_noop("Can remove leads from sequences"),
    groups=CHANGES_LEADS,
    fields=_leaving,
    family=_family,
    sentence=lambda parameters: (
        _("remove from the sequence %(sequence)s") % {"sequence": parameters.get("sequence", "")}
    ),
    done_message=lambda name, p: (
        _("%(lead)s is no longer in the sequence %(sequence)s.") % {"lead": name, "sequence": p.get("sequence", "")}
    ),
    already_so_q=_outside,
    effect=_left,
    noun="sequence",
    thing=gettext_lazy("Sequence"),
    verb=gettext_lazy("Remove"),
    beside=("leave_sequence",),
    tie=False,
    activity="sequence_left",
    activity_words=gettext_lazy("sequence left"),
    afterwards_words=gettext_lazy("left the sequence %(sequence)s"),
    already_words=already_words.NOT_IN_IT,
    never_undone_words=gettext_lazy(
        "Kartra does not tell the step at which they left, so they would begin again and get the mails twice."
    ),
)
KINDS = (SUBSCRIBE_SEQUENCE, UNSUBSCRIBE_SEQUENCE)
