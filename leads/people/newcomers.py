"""The people of a list whom Kartra does not have, as new leads: what the columns of the list say of each."""

from dataclasses import dataclass
from typing import Any

from leads import kinds
from leads.csv_cells import unshield
from leads.importing import columns, values
from leads.importing.names import Catalogue
from leads.importing.people_list import CHUNK, SEVERAL, Person
from leads.models import Account, ImportKind, PeopleList, PeopleListRow, PersonState
from leads.models.remarks import Remark, sentence_of
from leads.people.lists import NAMES


@dataclass(frozen=True)
class NoNewcomer:
    """A row that cannot become a lead as its columns stand."""

    row: PeopleListRow
    why: Remark | str

    @property
    def words(self) -> str:
        return sentence_of(self.why)


class Newcomers:
    """Makes new leads of the rows of one list. Asks for the account's fields and names once."""

    def __init__(self, people_list: PeopleList) -> None:
        self.people_list, self.account = people_list, people_list.account
        self.fields = kinds.CREATE.fields(self.account)
        taken = {target: header for target, header in people_list.mapping.items() if target not in ("email", "id")}
        self.mapping = {target: header for target, header in taken.items() if self.takes(target)}
        self.catalogues = {
            SEVERAL[target]: Catalogue(self.account, target, may_be_new=False)
            for target in SEVERAL
            if target in self.mapping
        }

    def takes(self, target: str) -> bool:
        """Whether a new lead can have it."""
        return SEVERAL.get(target, target) in self.fields

    @property
    def rows(self) -> Any:
        return PeopleListRow.objects.filter(people_list=self.people_list, state=PersonState.NOT_IN_KARTRA)

    def of_row(self, row: PeopleListRow) -> Person | NoNewcomer:
        try:
            given: dict[str, Any] = {"email": row.email}
            for target, header in self.mapping.items():
                if not (cell := str(row.values.get(header, "")).strip()):
                    continue
                if target not in SEVERAL and target != "notes" and values.is_shortened(cell):
                    raise values.shortened(cell)
                name = SEVERAL.get(target, target)
                given[name] = list(self.catalogues[name].read(cell)) if target in SEVERAL else unshield(cell)
            return Person(row.line, kinds.CREATE.clean_with(self.fields, self.account, given))
        except kinds.BadParameters as problem:
            return NoNewcomer(row, problem.words)
        except values.Bad as problem:
            return NoNewcomer(row, problem.remark)

    def sorted(self, most_bad: int) -> tuple[list[Person], list[NoNewcomer]]:
        """All who can be created, in the order of the list, and the first of those who cannot."""
        people: list[Person] = []
        bad: list[NoNewcomer] = []
        for row in self.rows.order_by("number").iterator(chunk_size=CHUNK):
            each = self.of_row(row)
            if isinstance(each, Person):
                people.append(each)
            elif len(bad) < most_bad:
                bad.append(each)
        return people, bad


def headers_of(people_list: PeopleList) -> list[str]:
    """The columns of a list that may say something of a new lead."""
    has_names = people_list.notes.get("named")
    named = [header for header in NAMES.values() if has_names and header not in people_list.headers]
    others = [header for header in people_list.headers if header not in _addressing(people_list)]
    return [*named, *others]


def words_of_header(people_list: PeopleList, header: str) -> str:
    """What a column is called on a page: as the file has it; of names that stood beside addresses, what they are."""
    own = next((target for target, each in NAMES.items() if each == header), "")
    return label_of(own) if own and header not in people_list.headers else header


def _addressing(people_list: PeopleList) -> set[str]:
    return {people_list.mapping[name] for name in ("email", "id") if name in people_list.mapping}


def label_of(target: str) -> str:
    return columns.label(ImportKind.LEADS, target)


def targets_of(account: Account) -> list[tuple[str, str]]:
    """What a column may say of a new lead: [(target, label)]."""
    fields = kinds.CREATE.fields(account)
    known = [target for target in columns.LEADS if target not in ("email", "id")]
    found = [*known, *columns.custom_targets(account, ImportKind.LEADS)]
    return [(target, label_of(target)) for target in found if SEVERAL.get(target, target) in fields]
