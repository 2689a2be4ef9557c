"""The lead itself: create it, change its fields. Both may carry what else is wanted for the lead in the same breath.

What is wanted besides becomes changes of its own (tags, points, lists, sequences, bookings); they travel together in as
few calls as Kartra's rules allow.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, Value
from django.db.models.lookups import Exact
from django.utils.translation import gettext as _, gettext_lazy, gettext_noop

from leads import mirror
from leads.kind import CHANGES_LEADS, ChangeKind, Parameters, Step, called, get_kind
from leads.kinds import already_words
from leads.kinds.calendars import calendar_fields, check_time, time_fields
from leads.kinds.form_fields import Address, CatalogueChoices, Several
from leads.kinds.points import expiry_field, points_field
from leads.kinds.sequences import sequence_field, step_field
from leads.kinds.writable_fields import CUSTOM, field_holds_several, of_profile, profile_fields
from leads.models import (
    Account,
    CustomValue,
    LeadChange,
    MailingList,
    Tag,
    normal_email,
)


def _besides(account: Account) -> dict[str, forms.Field]:
    """What can be wanted for a lead in the same breath."""
    return {
        "tag": CatalogueChoices(Tag.objects.filter(account=account), label=_("Assign tags")),
        "points": points_field(required=False),
        "expires_in_days": expiry_field(),
        "list": CatalogueChoices(MailingList.objects.filter(account=account), label=_("Add to lists")),
        "sequence": sequence_field(account, required=False, label=_("Add to the sequence")),
        "step": step_field(required=False),
        **calendar_fields(account, required=False),
        **time_fields(account),
    }


def _leaving(account: Account) -> dict[str, forms.Field]:
    return {
        "remove_tag": CatalogueChoices(Tag.objects.filter(account=account), label=_("Remove tags")),
        "leave_list": CatalogueChoices(MailingList.objects.filter(account=account), label=_("Remove from lists")),
        "leave_sequence": sequence_field(account, required=False, label=_("Remove from the sequence")),
        **calendar_fields(account, required=False, prefix="leave_"),
    }


def _creating(account: Account) -> dict[str, forms.Field]:
    email = Address(label=_("Email"), error_messages={"required": _("A lead needs an email address.")})
    return {"email": email, **profile_fields(account), **_besides(account)}


def _updating(account: Account) -> dict[str, forms.Field]:
    email = Address(label=_("New email"), required=False, help_text=_("Changes the address of this lead."))
    writable = profile_fields(account)
    names = [(name, str(field.label or name)) for name, field in writable.items()]
    clear = Several(
        names,
        label=_("Empty these fields"),
        help_text=_("Fields left empty above stay as they are; choose here those that are to become empty."),
    )
    return {"email": email, **writable, "clear": clear, **_besides(account), **_leaving(account)}


def gives(edits: Sequence[Parameters]) -> list[frozenset[str]]:
    """Of edits that travel as one action: the fields that each of them gives, those that later ones overtake left out."""
    return [
        frozenset(name for name in own if not any(name in later for later in edits[place + 1 :]))
        for place, own in enumerate(edits)
    ]


def _check(account: Account, clean: dict[str, Any]) -> None:
    for one, other in (("sequence", "step"), ("calendar", "class"), ("leave_calendar", "leave_class")):
        if bool(clean.get(one)) != bool(clean.get(other)):
            raise ValidationError(_("Give both: %(one)s and %(other)s.") % {"one": called(one), "other": called(other)})
    for needed, by in (("points", "expires_in_days"), ("calendar", "date")):
        if clean.get(by) and not clean.get(needed):
            raise ValidationError(
                _("%(by)s belongs to %(needed)s; give %(needed)s too.") % {"by": called(by), "needed": called(needed)}
            )
    check_time(account, clean)
    for name in clean.pop("clear", None) or []:
        clean.setdefault(name, [] if field_holds_several(account, name) else "")


def _check_update(account: Account, clean: dict[str, Any]) -> None:
    if clean.get("email") == "":
        raise ValidationError(_("An email address can be changed, but not emptied."))
    _check(account, clean)
    if not _steps(UPDATE.name, clean):
        raise ValidationError(_("Say what to change."))


def _steps(own: str, parameters: Parameters) -> list[Step]:
    given = {name: value for name, value in parameters.items() if value not in ("", [], None)}
    profile = of_profile(parameters)
    steps: list[Step] = [(own, profile)] if profile else []
    steps += [("assign_tag", {"tag": name}) for name in given.get("tag", [])]
    steps += [("unassign_tag", {"tag": name}) for name in given.get("remove_tag", [])]
    if "points" in given:
        days = {"expires_in_days": given["expires_in_days"]} if "expires_in_days" in given else {}
        steps.append(("give_points", {"points": given["points"], **days}))
    steps += [("unsubscribe_list", {"list": name}) for name in given.get("leave_list", [])]
    steps += [("subscribe_list", {"list": name}) for name in given.get("list", [])]
    if "leave_sequence" in given:
        steps.append(("unsubscribe_sequence", {"sequence": given["leave_sequence"]}))
    if "leave_calendar" in given:
        steps.append(("cancel_calendar", {"calendar": given["leave_calendar"], "class": given["leave_class"]}))
    if "sequence" in given:
        steps.append(("subscribe_sequence", {"sequence": given["sequence"], "step": given["step"]}))
    if "calendar" in given:
        booking: dict[str, Any] = {name: given[name] for name in ("calendar", "class", "date", "hour") if name in given}
        steps.append(("subscribe_calendar", booking))
    return steps


def _already(account: Account, parameters: Parameters) -> Q:
    """Leads whose fields all are so already, as far as the mirror knows them. Of custom options only texts are compared."""
    same = Q(read_at__isnull=False)
    for name, value in parameters.items():
        if name.startswith(CUSTOM):
            identifier = name.removeprefix(CUSTOM)
            if isinstance(value, list):
                return Q(pk__in=[])
            same &= Q(Exact(CustomValue(identifier), Value(value)))
        elif name == "email":
            same &= Q(email_key=normal_email(value))
        else:
            same &= Q(**{name: value})
    return same


def _confirmed(change: LeadChange, at: dt.datetime) -> None:
    mirror.set_profile(change.lead, change.parameters, at=at, change=change)


def _words(parameters: Parameters) -> str:
    profile = of_profile(parameters)
    told = [_told(called(name), value) for name, value in profile.items()]
    return _("set %(what)s") % {"what": ", ".join(told)} if told else ""


def _told(field: str, value: Any) -> str:
    words = _("%(field)s to nothing") if value in ("", []) else _("%(field)s to %(value)s")
    return words % {"field": field, "value": _shown(value)}


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _several_words(own: str, first: str, parameters: Parameters) -> str:
    others = [get_kind(name).sentence(given) for name, given in _steps(own, parameters) if name != own]
    return ", ".join(part for part in (first, *others) if part)


def _done_words(name: str, parameters: Parameters) -> str:
    """What Kartra now holds; "" where no field of the profile was changed."""
    told = []
    for field, value in of_profile(parameters).items():
        label = called(field)
        told.append(_("no %(field)s") % {"field": label} if value in ("", []) else f"{label} {_shown(value)}")
    words = {"lead": name, "what": ", ".join(told)}
    return _("Kartra now has for %(lead)s: %(what)s.") % words if told else ""


def _several_done(own: str, name: str, first: str, parameters: Parameters) -> str:
    others = [get_kind(each).done_message(name, given) for each, given in _steps(own, parameters) if each != own]
    return " ".join(part for part in (first, *others) if part)


CREATE = ChangeKind(
    name="create_lead",
    label=gettext_lazy("Create a lead"),
    permission="leads.create_lead",
    permission_words=gettext_noop("Can create leads in Kartra"),
    groups=CHANGES_LEADS,
    fields=_creating,
    check=_check,
    partial=True,
    family=lambda parameters: "profile",
    sentence=lambda p: _several_words(
        "create_lead", (_("create the lead %(email)s") % {"email": p.get("email", "")}).rstrip(), p
    ),
    done_message=lambda name, p: _several_done(
        "create_lead", name, _("%(lead)s is now a lead in Kartra.") % {"lead": name}, p
    ),
    effect=_confirmed,
    steps=lambda parameters: _steps("create_lead", parameters),
    max_leads=lambda parameters: 1,
    activity="created",
    activity_words=gettext_lazy("created"),
    creates=True,
    never_undone_words=gettext_lazy("Kartra has no way to delete a lead from outside."),
)
UPDATE = ChangeKind(
    name="update_lead",
    label=gettext_lazy("Change fields"),
    permission="leads.update_lead",
    permission_words=gettext_noop("Can change fields of leads in Kartra"),
    groups=CHANGES_LEADS,
    fields=_updating,
    check=_check_update,
    partial=True,
    family=lambda parameters: "profile",
    sentence=lambda p: _several_words("update_lead", _words(p), p) or _("change fields"),
    done_message=lambda name, p: _several_done("update_lead", name, _done_words(name, p), p),
    already_so_q=_already,
    applicable_q=lambda leads, p: leads.exclude(kartra_id=None) if p.get("email") else leads,
    not_applicable_words=gettext_lazy(
        "An address can only be changed on a lead whose Kartra id is known. Update the lead from Kartra first."
    ),
    effect=_confirmed,
    steps=lambda parameters: _steps("update_lead", parameters),
    max_leads=lambda parameters: 1 if parameters.get("email") else None,
    max_leads_words=gettext_lazy("An email address belongs to one lead alone."),
    activity="field_changed",
    activity_words=gettext_lazy("field changed"),
    edits=True,
    already_words=already_words.FIELDS,
)
KINDS = (CREATE, UPDATE)
