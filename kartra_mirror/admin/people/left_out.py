"""What is left out of a list of people: segments, lists and tags, as the address of its page names them."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy

from leads.filters.selection import AllOf, InSegments, NoneOf, OnPeopleLists, Selection, fits
from leads.models import MailingList, PeopleList, Segment, Tag

MOST_LEFT_OUT = 10
NOUNS: dict[str, tuple[Any, Any]] = {
    "segment": (Segment, gettext_lazy("Segment")),
    "list": (MailingList, gettext_lazy("List")),
    "tag": (Tag, gettext_lazy("Tag")),
}
"""By what people of a list can be left out."""


@dataclass(frozen=True)
class LeftOut:
    """A segment, list or tag whose leads are left out. `key` says it in the address."""

    noun: str
    row: Any
    number: int = 0

    @property
    def key(self) -> str:
        return f"{self.noun}-{self.row.pk}"

    @property
    def label(self) -> Any:
        return NOUNS[self.noun][1]

    @property
    def selection(self) -> Selection:
        if self.noun == "segment":
            return InSegments((self.row.pk,))
        return fits(self.noun, {self.noun: [str(self.row.pk)]})


def left_out_of(people_list: PeopleList, keys: list[str]) -> list[LeftOut]:
    """What the address leaves out, of the list's own account alone; what is not known there any more is passed over."""
    found = []
    for key in list(dict.fromkeys(keys))[:MOST_LEFT_OUT]:
        noun, _dash, pk = key.partition("-")
        if noun in NOUNS and pk.isdecimal() and len(pk) < 18:
            row = NOUNS[noun][0].objects.filter(account=people_list.account_id, pk=pk).first()
            found += [LeftOut(noun, row)] if row is not None else []
    return found


def selection_of(people_list: PeopleList, left_out: list[LeftOut]) -> Selection:
    """The people of the list but those who are left out."""
    on_it = OnPeopleLists((people_list.pk,))
    return AllOf((on_it, *(NoneOf(each.selection) for each in left_out))) if left_out else on_it
