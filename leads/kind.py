"""What every kind of change has to say about itself, its errors, and the registry of kinds.

Imports no model at run time, so that models may ask the registry. `leads.kinds` fills it when the app is ready.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db.models import DateTimeField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _, gettext_lazy

if TYPE_CHECKING:
    from leads.kinds.already_words import Already
    from leads.models import Account, Lead, LeadChange

Parameters = Mapping[str, Any]
Step = tuple[str, dict[str, Any]]

CANNOT = gettext_lazy("It cannot be done for these leads.")
FIREWALL = "<>{}[]\\"
"""Characters that Kartra's firewall is reported to refuse, answering with a web page."""


WORDS: dict[str, Any] = {
    "tag": gettext_lazy("tag"),
    "remove_tag": gettext_lazy("tag"),
    "list": gettext_lazy("list"),
    "leave_list": gettext_lazy("list"),
    "points": gettext_lazy("points"),
    "expires_in_days": gettext_lazy("expire after days"),
    "sequence": gettext_lazy("sequence"),
    "leave_sequence": gettext_lazy("sequence"),
    "step": gettext_lazy("step"),
    "calendar": gettext_lazy("calendar"),
    "leave_calendar": gettext_lazy("calendar to leave"),
    "class": gettext_lazy("class"),
    "leave_class": gettext_lazy("class to leave"),
    "date": gettext_lazy("date"),
    "hour": gettext_lazy("hour"),
    "transaction": gettext_lazy("transaction"),
    "subscription": gettext_lazy("subscription"),
    "amount": gettext_lazy("amount"),
    "quantity": gettext_lazy("quantity"),
    "next_payment": gettext_lazy("next payment"),
    "period": gettext_lazy("every"),
    "later_period": gettext_lazy("later every"),
    "installments_left": gettext_lazy("installments left"),
    "tax_percent": gettext_lazy("tax in percent"),
    "product_id": gettext_lazy("product id"),
    "price_point": gettext_lazy("price point"),
}


CHANGES_LEADS = ("Support", "Marketer", "Manager")  # the groups for changes that move no money


class UnknownKind(ValueError):
    """No kind of that name."""


class BadParameters(ValueError):
    """What was given for a change cannot be meant. The text is a sentence for the person who gave it; it names parameters as
    the command line takes them, `words` as pages do."""

    def __init__(self, text: str, words: str = "") -> None:
        super().__init__(text)
        self.words = words or text


def _everyone(leads: QuerySet[Lead], parameters: Parameters) -> QuerySet[Lead]:
    return leads


ECHO_S = 5
"""Kartra's message of what we did may come before its answer; clocks differ a little too."""


def by_this_change(when: str) -> Q:
    """For `undoable_q`: rows of the mirror that came of the change, or of Kartra's own message of it, which may be faster than
    its answer. `when` is their time."""
    settled = ExpressionWrapper(OuterRef("settled_at") + dt.timedelta(seconds=ECHO_S), output_field=DateTimeField())
    meanwhile = Q(**{f"{when}__gte": OuterRef("requested_at"), f"{when}__lte": settled})
    return Q(change=OuterRef("pk")) | (Q(change=None) & meanwhile)


@dataclass(frozen=True)
class ChangeKind:
    """One kind of change.

    `fields(account)` are its parameters as form fields by name, with the account's own choices; their cleaning decides
    what is valid, and `check(account, clean)` what they may be together (ValidationError). `family(parameters)` is what
    it is about: changes of one family and lead keep their order. `sentence(parameters)` says it in words ("assign the
    tag VIP"); `done_message(name of the lead, parameters)` what is so once Kartra has confirmed it, to be read aloud ("Ada Lind now
    has the tag VIP."). `effect(change, at)` writes into the mirror what Kartra has confirmed. `permission` is Django's, in full.
    `inverse` is the kind that takes it back, if any.

    `already_so_q(account, parameters)` is a test on a lead of the account: it would change nothing there; None where it never
    is so, because it adds up. `opted_out_q(account, parameters)`: they turned it down themselves.
    `undoable_q(parameters)` is a test on a done change of this kind: whether what it did was new then and is so still, so that
    `inverse` takes it back; None: it cannot be undone.
    `applicable_q(leads, parameters)` narrows to leads it can be meant for, else `not_applicable_words`.
    `steps(parameters)` are the single changes it consists of, [(kind, parameters), …]; None: itself alone.
    `partial`: only parameters that were given count, the others are left as they are. `max_leads(parameters)`: the most leads
    it may be asked for at once, and `max_leads_words` why. `repeatable`: doing it twice ends the same as doing it once; a call
    holds at most one change that is not. `exclusive`: refused while another of its family is open. `money`: it may cost or move
    money, so it is asked for on a page of its own. `composed`: several kinds together, never one change.
    """

    name: str
    label: Any  # lazy, as is what follows in words: the language is that of the page
    permission: str
    fields: Callable[[Account], dict[str, forms.Field]]
    family: Callable[[Parameters], str]
    sentence: Callable[[Parameters], str]
    done_message: Callable[[str, Parameters], str]
    effect: Callable[[LeadChange, dt.datetime], None]
    already_so_q: Callable[[Account, Parameters], Q] | None = None
    opted_out_q: Callable[[Account, Parameters], Q] | None = None
    undoable_q: Callable[[Parameters], Q | Exists] | None = None
    inverse: str = ""
    check: Callable[[Account, dict[str, Any]], object] = lambda account, clean: None
    applicable_q: Callable[[QuerySet[Lead], Parameters], QuerySet[Lead]] = _everyone
    not_applicable_words: Any = CANNOT
    steps: Callable[[Parameters], list[Step]] | None = None
    permission_words: str = ""  # in English, as Django stores names of permissions; translated where they are shown
    groups: tuple[str, ...] = ()  # of those a new installation makes, the ones that may do it
    noun: str = ""  # the parameter that names what it is about: "tag"; "" for the lead itself
    thing: Any = ""  # the noun as a heading of the lead's page
    verb: Any = ""  # its button under that heading; "" where it is asked for elsewhere
    beside: tuple[str, ...] = ()  # fields of the forms for a whole lead that ask for it in the same breath
    activity: str = ""  # the code of the line that it leaves in the timeline
    activity_words: Any = ""
    afterwards_words: Any = ""  # how the same is told where it happened after a bulk action and was not ours
    already_words: Already | None = None  # where it has `already_so_q`
    tie: bool | None = None  # it makes (True) or ends (False) a tie that a read shows by the noun and a name
    undo_keeps: tuple[str, ...] = ()  # the parameters that `inverse` has in common with it
    never_undone_words: Any = ""  # why it cannot be undone, where there is more to say than that
    creates: bool = False  # the lead; whatever else is wanted for it waits for that
    edits: bool = False  # fields, whose values may differ from lead to lead; each is taken back by its own
    unchecked: bool = False  # it has a name or a step that our copy cannot check beforehand
    known_before: str = ""  # "score" or "step": how that was before alone tells afterwards whether it was done
    sends_mails: bool = False
    unlike_creation: bool = False  # it goes in no call that creates the lead: nothing would prove it
    score_by: Callable[[Parameters], int] | None = None  # what it adds to the score
    refund_amounts: Callable[[Account, Parameters], tuple[Decimal | None, Decimal]] | None = None
    partial: bool = False
    max_leads: Callable[[Parameters], int | None] = lambda parameters: None
    max_leads_words: Any = ""
    repeatable: bool = True
    exclusive: bool = False
    money: bool = False
    composed: bool = False

    @property
    def in_bulk(self) -> bool:
        """Whether it can be asked for on a selection of leads."""
        return not (self.money or self.creates or self.composed)

    @property
    def can_be_undone(self) -> bool:
        return self.undoable_q is not None or self.edits

    @property
    def why_never_undone(self) -> str:
        return str(self.never_undone_words or _("Kartra cannot undo this."))

    def parts(self, parameters: Parameters) -> list[tuple[ChangeKind, dict[str, Any]]]:
        """The kinds a person chose together, each with its parameters; most often itself alone."""
        return [(self, dict(parameters))]

    def single_steps(self, parameters: Parameters) -> list[Step]:
        """The single changes of it, in the order in which they are to be done."""
        return [(self.name, dict(parameters))] if self.steps is None else self.steps(parameters)

    def clean(self, account: Account, given: Parameters) -> dict[str, Any]:
        """The parameters as they are stored (plain JSON). Raises BadParameters with every complaint in one text.

        Cleaning what is clean gives the same.
        """
        return self.clean_with(self.fields(account), account, given)

    def clean_with(self, fields: Mapping[str, forms.Field], account: Account, given: Parameters) -> dict[str, Any]:
        """The same with the account's fields, made once for many."""
        unknown = sorted(set(given) - set(fields))
        if unknown:
            raise BadParameters(
                _("%(kind)s does not take %(names)s. It takes: %(known)s.")
                % {"kind": self.label, "names": ", ".join(unknown), "known": ", ".join(fields) or _("nothing")}
            )
        clean: dict[str, Any] = {}
        complaints: list[tuple[str, str]] = []
        for name, field in fields.items():
            if self.partial and name not in given and not field.required:
                continue
            try:
                clean[name] = stored(field.clean(given.get(name)))
            except forms.ValidationError as error:
                complaints.append((name, " ".join(error.messages)))
        if complaints:
            raise BadParameters(
                " ".join(f"{name}: {text}" for name, text in complaints),
                words=" ".join(f"{called(name)}: {text}" for name, text in complaints),
            )
        try:
            self.check(account, clean)
        except forms.ValidationError as error:
            raise BadParameters(" ".join(error.messages)) from None
        return clean

    def given_in_form(self, cleaned: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters out of a form's cleaned data. What was left empty in a form was not given."""
        plain = {name: stored(value) for name, value in cleaned.items()}
        return {name: value for name, value in plain.items() if value not in ("", [])} if self.partial else plain


def called(name: str) -> str:
    """A parameter's name for people; a custom field, or what nobody knows, is named as it is."""
    if name in WORDS:
        return str(WORDS[name])
    try:
        return str(getattr(apps.get_model("leads", "Lead")._meta.get_field(name), "verbose_name", name))
    except FieldDoesNotExist:
        return name.removeprefix("custom.").replace("_", " ")


def stored(value: Any) -> Any:
    """A cleaned value as plain JSON: dates in ISO form, times as HH:MM, amounts as text."""
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, dt.time):
        return value.strftime("%H:%M")
    if isinstance(value, Decimal):
        return f"{value:f}"
    return "" if value is None else value


def warnings(parameters: Parameters) -> list[str]:
    """Texts that Kartra's firewall may refuse."""
    found = []
    for name, value in parameters.items():
        texts = value if isinstance(value, list) else [value]
        odd = [character for character in FIREWALL if any(character in str(text) for text in texts)]
        if odd:
            found.append(
                _(
                    "%(name)s holds %(odd)s: Kartra's firewall is reported to refuse such texts. Kartra may "
                    "reject this. You would then choose what to do."
                )
                % {"name": called(name), "odd": " ".join(odd)}
            )
    return found


_registry: dict[str, ChangeKind] = {}


def register(*kinds: ChangeKind) -> None:
    """Make kinds known by their names."""
    _registry.update({kind.name: kind for kind in kinds})


def every_kind() -> list[ChangeKind]:
    """The kinds that a change may be of."""
    return [kind for kind in _registry.values() if not kind.composed]


def creating_kinds() -> list[str]:
    return [kind.name for kind in every_kind() if kind.creates]


def kinds_by_activity() -> dict[str, ChangeKind]:
    return {kind.activity: kind for kind in every_kind()}


def ties() -> dict[str, tuple[str, str]]:
    """What the timeline calls the coming and going of a tie that a message told: {"tag": (assigned, removed), …}."""
    of = {(kind.noun, kind.tie): kind.activity for kind in every_kind() if kind.tie is not None}
    return {noun: (activity, of[noun, False]) for (noun, made), activity in of.items() if made}


def get_kind(name: str) -> ChangeKind:
    """The kind of this name; UnknownKind (a ValueError that says which there are) if there is none."""
    try:
        return _registry[name]
    except KeyError:
        raise UnknownKind(
            _("There is no kind of change called %(name)s. There are: %(names)s.")
            % {"name": name, "names": ", ".join(kind.name for kind in every_kind())}
        ) from None
