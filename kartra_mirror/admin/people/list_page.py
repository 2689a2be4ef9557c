"""The page of a list of people: how many of each sort with their names behind the count, and who of them is meant."""

from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict
from django.utils.functional import cached_property
from django.utils.translation import gettext as _, gettext_lazy

from integrations.models import Connection
from integrations.read import people_lists
from kartra_mirror.admin.people.left_out import NOUNS, LeftOut, left_out_of, selection_of
from kartra_mirror.ui import throughput
from leads import filters, kinds
from leads.filters.selection import AllOf, OnPeopleLists, Selection
from leads.models import Lead, PeopleList, PeopleListRow, PersonState
from leads.people import reading, typos

ON_A_PAGE = 50
TABS: dict[str, tuple[Any, tuple[PersonState, ...]]] = {
    "known": (gettext_lazy("Known"), (PersonState.KNOWN,)),
    "found": (gettext_lazy("Found in Kartra"), (PersonState.FOUND,)),
    "missing": (gettext_lazy("Not in Kartra"), (PersonState.NOT_IN_KARTRA,)),
    "asked": (gettext_lazy("Not looked for yet"), (PersonState.TO_LOOK_UP,)),
    "out": (
        gettext_lazy("Left out"),
        (PersonState.REPEATED, PersonState.GONE, PersonState.FORGOTTEN, PersonState.UNREADABLE),
    ),
}
"""The tabs, and which rows are behind each."""
BAR = (
    ("known", "good", gettext_lazy("known leads")),
    ("found", "wait", gettext_lazy("found in Kartra")),
    ("missing", "warn", gettext_lazy("not in Kartra")),
    ("asked", "soft", gettext_lazy("not looked for yet")),
    ("out", "none", gettext_lazy("left out")),
)
OUT = (
    (PersonState.REPEATED, gettext_lazy("repeated in the list")),
    (PersonState.GONE, gettext_lazy("deleted in Kartra")),
    (PersonState.FORGOTTEN, gettext_lazy("asked to be forgotten")),
    (PersonState.UNREADABLE, gettext_lazy("not readable")),
)


class ListPage:
    """What the page of one list shows, as its address asks for it."""

    def __init__(self, request: HttpRequest, people_list: PeopleList) -> None:
        self.request, self.people_list = request, people_list
        self.query: QueryDict = request.GET.copy()
        self.creates = self.query.get("create") == "1"
        self.kind = self.query.get("kind") or kinds.ASSIGN_TAG.name

    @cached_property
    def counts(self) -> dict[str, int]:
        return reading.counts_of(self.people_list)

    def number(self, tab: str) -> int:
        return sum(self.counts[state] for state in TABS[tab][1])

    @property
    def asked_tab(self) -> str:
        return self.query.get("tab", "")

    @cached_property
    def tab(self) -> str:
        asked = self.asked_tab
        first = next((tab for tab in ("missing", "known", "found", "asked", "out") if self.number(tab)), "known")
        return asked if asked in TABS else first

    @property
    def tabs(self) -> list[dict[str, Any]]:
        return [
            {
                "name": tab,
                "label": label,
                "number": self.number(tab),
                "on": tab == self.tab,
                "query": self._with(tab=tab),
            }
            for tab, (label, _states) in TABS.items()
            if self.number(tab) or (tab != "asked" and tab == self.tab) or tab in ("known", "out")
        ]

    @property
    def bar(self) -> list[dict[str, Any]]:
        total, at = max(sum(self.counts.values()), 1), 0.0
        parts = []
        for tab, look, words in BAR:
            number = self.number(tab)
            width = number * 100 / total
            if number or tab in ("known", "missing"):
                parts.append({"look": look, "words": words, "number": number, "at": at, "width": width})
            at += width
        return parts

    @property
    def out(self) -> list[dict[str, Any]]:
        """Who is left out whatever is chosen, by the reason."""
        return [
            {"words": words, "number": self.counts[state], "query": self._with(tab="out", state=state)}
            for state, words in OUT
        ]

    @cached_property
    def rows(self) -> Page[PeopleListRow]:
        """The people behind the tab."""
        states = TABS[self.tab][1]
        asked = self.query.get("state", "")
        chosen = [state for state in states if state == asked] or list(states)
        rows = PeopleListRow.objects.filter(people_list=self.people_list, state__in=chosen)
        pages = _Counted(rows.select_related("lead").order_by("number"), ON_A_PAGE)
        pages.number = sum(self.counts[state] for state in chosen)
        page = pages.get_page(self.query.get("page"))
        often = self.people_list.notes.get("domains", {})
        page.object_list = list(page.object_list)
        for row in page.object_list:
            row.meant, row.said = self._meant(row, often), self._said(row)
        return page

    def _meant(self, row: PeopleListRow, often: dict[str, int]) -> str:
        """The address that was probably meant; a person may say so."""
        if row.state not in (PersonState.NOT_IN_KARTRA, PersonState.TO_LOOK_UP):
            return ""
        domain = typos.meant_domain(row.email, often)
        return f"{row.email.rpartition('@')[0]}@{domain}" if domain else ""

    def _said(self, row: PeopleListRow) -> str:
        """How a row is read, beside the lead that it means."""
        name = [str(row.values.get(self.people_list.mapping.get(part, ""), "")) for part in ("first_name", "last_name")]
        address = (
            row.email if row.lead is None or row.email_key not in (row.lead.email_key, str(row.lead).lower()) else ""
        )
        told = [address, " ".join(filter(None, name)) if row.lead is None else "", row.words]
        why = str(row.get_state_display()) if self.tab == "out" and not row.words else ""
        return ", ".join(filter(None, [*told, why]))

    @cached_property
    def left_out(self) -> list[LeftOut]:
        """What the address leaves out, each with how many of the list that is."""
        return [
            LeftOut(
                each.noun,
                each.row,
                self._resolved(AllOf((OnPeopleLists((self.people_list.pk,)), each.selection))).count(),
            )
            for each in left_out_of(self.people_list, self.query.getlist("out"))
        ]

    @property
    def chips(self) -> list[dict[str, Any]]:
        keys = [each.key for each in self.left_out]
        return [
            {"part": each, "without": self._with(out=[key for key in keys if key != each.key])}
            for each in self.left_out
        ]

    @property
    def offered(self) -> list[tuple[Any, list[tuple[str, str]]]]:
        """What may be left out: [(noun, [(key, name)])]."""
        found = []
        for noun, (model, label) in NOUNS.items():
            rows = model.objects.filter(account=self.people_list.account_id).order_by("name")
            keys = [(f"{noun}-{pk}", name) for pk, name in rows.values_list("pk", "name")]
            found += [(label, keys)] if keys else []
        return found

    def _resolved(self, chosen: Selection) -> QuerySet[Lead]:
        try:
            return filters.resolve(chosen, frozenset({self.people_list.account_id}))
        except filters.CannotResolve:
            return Lead.objects.none()

    @cached_property
    def members(self) -> int:
        """How many leads a bulk action would be about."""
        return self._resolved(selection_of(self.people_list, self.left_out)).count()

    @property
    def going_on(self) -> int:
        """With how many people it goes on."""
        return self.members + (self.number("missing") if self.creates else 0)

    @cached_property
    def connection(self) -> Connection | None:
        return throughput.connection_of(self.people_list.account)

    @property
    def why_waiting(self) -> str:
        return people_lists.why_waiting(self.connection) if self.number("asked") else ""

    @property
    def takes(self) -> str:
        """How long looking up takes still."""
        if not self.number("asked") or self.why_waiting:
            return ""
        speed = throughput.speed_of(self.connection, writes=False)
        return throughput.about(throughput.seconds_for(self.number("asked"), speed))

    @property
    def asked_for(self) -> int:
        """How many were looked for in Kartra by now."""
        return self.counts[PersonState.FOUND] + self.counts[PersonState.NOT_IN_KARTRA]

    def _with(self, **changed: Any) -> str:
        """The address with some of its parts otherwise; turned to the first page."""
        query = self.query.copy()
        for name in ("page", "state"):
            query.pop(name, None)
        for name, value in changed.items():
            query.setlist(name, value if isinstance(value, list) else [value])
        return query.urlencode()

    def other_page(self, number: int) -> str:
        query = self.query.copy()
        query["page"] = str(number)
        return query.urlencode()

    @property
    def before(self) -> str:
        return self.other_page(self.rows.previous_page_number()) if self.rows.has_previous() else ""

    @property
    def after(self) -> str:
        return self.other_page(self.rows.next_page_number()) if self.rows.has_next() else ""

    @property
    def here(self) -> str:
        return self.query.urlencode()

    @property
    def without_kind(self) -> str:
        """To what is chosen there its own name and value come by itself."""
        return self._with(kind=[])

    @property
    def with_creating(self) -> str:
        return self._with(create="1")

    @property
    def without_creating(self) -> str:
        return self._with(create="0")

    @property
    def file_words(self) -> str:
        return self.people_list.file_name or _("pasted")


class _Counted(Paginator):
    """A paginator that knows how many rows there are."""

    number = 0

    @cached_property
    def count(self) -> int:
        return self.number
