"""What two can be compared of: a segment, a list, a tag, each with the parameter by which the leads list is narrowed to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.utils.text import capfirst
from django.utils.translation import gettext as _, gettext_lazy

from leads import access
from leads.filters import NOT
from leads.filters.choosing import MOST_CHOICES, WHOLE
from leads.models import Account, MailingList, Segment, Tag
from leads.texts import visible

MODELS: dict[str, tuple[type[Any], Any]] = {
    "segment": (Segment, gettext_lazy("Segments")),
    "list": (MailingList, gettext_lazy("Lists")),
    "tag": (Tag, gettext_lazy("Tags")),
}
"""By the parameter of the leads list."""

Conditions = dict[str, list[str]]


@dataclass(frozen=True)
class Set:
    """One of two that are compared."""

    noun: str
    row: Any

    @property
    def key(self) -> str:
        """As an address says it: "tag-5"."""
        return f"{self.noun}-{self.row.pk}"

    @property
    def name(self) -> str:
        """ "the tag VIP", to stand in a sentence."""
        words = {"segment": _("the segment %(name)s"), "list": _("the list %(name)s"), "tag": _("the tag %(name)s")}
        return words[self.noun] % {"name": visible(self.row.name)}

    @property
    def title(self) -> str:
        return capfirst(self.name)


def parts(one: Set, other: Set) -> Mapping[str, Conditions]:
    """What the leads list is filtered by to show who is in both, in the one alone, in the other alone."""
    both = {one.noun: [str(one.row.pk)], other.noun: [str(other.row.pk)]}
    if one.noun == other.noun:  # several values of one parameter mean any of them
        both = {one.noun: [str(one.row.pk)], f"or1.1.{other.noun}": [str(other.row.pk)]}
    return {
        "both": both,
        "one": {one.noun: [str(one.row.pk)], f"{NOT}{other.noun}": [str(other.row.pk)]},
        "other": {other.noun: [str(other.row.pk)], f"{NOT}{one.noun}": [str(one.row.pk)]},
    }


def named(key: str, user: access.RequestUser) -> Set | None:
    """The set of an address; None where it says none, or none that this person may see."""
    noun, dash, pk = key.partition("-")
    if not dash or noun not in MODELS or not WHOLE.fullmatch(pk) or not may_see(noun, user):
        return None
    row = access.only_mine(MODELS[noun][0].objects.select_related("account"), user).filter(pk=pk).first()
    return Set(noun, row) if row is not None else None


def may_see(noun: str, user: access.RequestUser) -> bool:
    return bool(user.has_perm(f"leads.view_{MODELS[noun][0]._meta.model_name}"))


def choices(user: access.RequestUser, account: Account | None) -> list[tuple[Any, list[tuple[str, str]]]]:
    """All that can be chosen, by what it is; of one account, or of all in which the person works. One query for each."""
    found = []
    for noun, (model, words) in MODELS.items():
        if may_see(noun, user):
            rows = access.only_mine(model.objects.all(), user)
            rows = rows.filter(account=account) if account else rows.select_related("account")
            told = [(f"{noun}-{row.pk}", _told(row, account)) for row in rows.order_by("name")[:MOST_CHOICES]]
            found.append((words, told))
    return found


def _told(row: Model, account: Account | None) -> str:
    name = visible(row.name)  # type: ignore[attr-defined]
    return name if account else f"{name} ({row.account})"  # type: ignore[attr-defined]
