"""Points: give some, take some. They add up, so it is never "already so"."""

import datetime as dt

from django import forms
from django.db.models import Q
from django.utils.translation import gettext as _, gettext_lazy, gettext_noop, ngettext

from leads import clock, mirror
from leads.kind import CHANGES_LEADS, ChangeKind, Parameters
from leads.models import Account, LeadChange

MOST_POINTS = 1_000_000
LONGEST_DAYS = 36_500


def points_field(*, required: bool = True) -> forms.IntegerField:
    return forms.IntegerField(label=_("Points"), min_value=1, max_value=MOST_POINTS, required=required)


def expiry_field() -> forms.IntegerField:
    """Days after which exactly these points are taken off again; 0 is never."""
    return forms.IntegerField(
        label=_("Expire after days"),
        min_value=0,
        max_value=LONGEST_DAYS,
        required=False,
        initial=0,
        help_text=_("After so many days these points are removed again; 0 means never."),
    )


def _giving(account: Account) -> dict[str, forms.Field]:
    return {"points": points_field(), "expires_in_days": expiry_field()}


def _removing(account: Account) -> dict[str, forms.Field]:
    return {"points": points_field()}


def _sentence(parameters: Parameters) -> str:
    days = parameters.get("expires_in_days")
    told = {"points": parameters.get("points", ""), "days": days}
    if not days:
        return _("give %(points)s points") % told
    words = ngettext(
        "give %(points)s points, which expire after %(days)s day",
        "give %(points)s points, which expire after %(days)s days",
        int(days),
    )
    return words % told


def _given_words(name: str, parameters: Parameters) -> str:
    told = {"lead": name, "points": parameters.get("points", ""), "days": parameters.get("expires_in_days")}
    if told["days"]:
        words = ngettext(
            "%(lead)s was given %(points)s points, which expire after %(days)s day.",
            "%(lead)s was given %(points)s points, which expire after %(days)s days.",
            int(told["days"]),
        )
        return words % told
    return _("%(lead)s was given %(points)s points.") % told


def _taken_words(name: str, parameters: Parameters) -> str:
    return _("%(points)s points were removed from %(lead)s.") % {"lead": name, "points": parameters.get("points", "")}


def _not_expired(parameters: Parameters) -> Q:
    days = int(parameters.get("expires_in_days") or 0)
    return Q(settled_at__gt=clock.now() - dt.timedelta(days=days)) if days else Q(settled_at__isnull=False)


def _confirmed(change: LeadChange, at: dt.datetime, sign: int) -> None:
    mirror.add_points(change.lead, sign * int(change.parameters["points"]), at=at, change=change)


GIVE_POINTS = ChangeKind(
    name="give_points",
    label=gettext_lazy("Give points"),
    permission="leads.give_points",
    permission_words=gettext_noop("Can give points"),
    groups=CHANGES_LEADS,
    fields=_giving,
    family=lambda parameters: "points",
    sentence=_sentence,
    done_message=_given_words,
    effect=lambda change, at: _confirmed(change, at, 1),
    repeatable=False,
    inverse="remove_points",
    undoable_q=_not_expired,
    noun="points",
    thing=gettext_lazy("Points"),
    verb=gettext_lazy("Give"),
    beside=("points", "expires_in_days"),
    activity="points_given",
    activity_words=gettext_lazy("points given"),
    undo_keeps=("points",),
    known_before="score",
    score_by=lambda p: int(p.get("points") or 0),
)
REMOVE_POINTS = ChangeKind(
    name="remove_points",
    label=gettext_lazy("Remove points"),
    permission="leads.remove_points",
    permission_words=gettext_noop("Can remove points"),
    groups=CHANGES_LEADS,
    fields=_removing,
    family=lambda parameters: "points",
    sentence=lambda parameters: _("remove %(points)s points") % {"points": parameters.get("points", "")},
    done_message=_taken_words,
    effect=lambda change, at: _confirmed(change, at, -1),
    repeatable=False,
    inverse="give_points",
    undoable_q=_not_expired,
    noun="points",
    thing=gettext_lazy("Points"),
    verb=gettext_lazy("Remove"),
    activity="points_removed",
    activity_words=gettext_lazy("points removed"),
    undo_keeps=("points",),
    known_before="score",
    score_by=lambda p: -int(p.get("points") or 0),
)
KINDS = (GIVE_POINTS, REMOVE_POINTS)
