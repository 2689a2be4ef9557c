"""Rows of lists of people that are about somebody, or name them in a column beside somebody else.

Whose row it is is known by the lead, or by an address of theirs, also where nobody had matched it yet. Of their own rows only the
place stays. What waits to be read is `uploads`.
"""

from collections import Counter
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from leads.erasure.plans import free_name
from leads.forgotten import forgotten_among
from leads.models import Account, PeopleList, PeopleListRow, PersonState
from leads.person import places
from leads.person.naming import Person
from leads.person.parts import Counts

EMPTY: dict[str, Any] = {
    "state": PersonState.FORGOTTEN,
    "written": "",
    "email": "",
    "email_key": "",
    "kartra_id": "",
    "values": {},
    "reason": {},
    "lead": None,
}
BATCH = 1000


def blank(person: Person) -> Counts:
    """Empty the person's own rows, cut them out of others', and out of what lists are called. How many, by table."""
    number = places.list_rows(person).update(**EMPTY)
    changed = []
    for row in places.list_rows_of_others(person):
        if places.names_in_cells(row, person):
            number += PeopleListRow.objects.filter(pk=row.pk).update(**EMPTY)
            continue
        row.written, row.values, row.reason = person.without(row.written), person.without_in(row.values), {}
        changed.append(row)
    PeopleListRow.objects.bulk_update(changed, ["written", "values", "reason"], batch_size=500)
    return Counter({PeopleListRow._meta.label_lower: number + len(changed)}) + _names(person)


def _names(person: Person) -> Counts:
    """A list that is called after the person gets a number for a name; of its file the name is cut out."""
    number = 0
    for each in places.people_lists(person):
        number += 1
        if person.is_in(each.name):
            others = PeopleList.objects.filter(account=each.account_id).exclude(pk=each.pk)
            each.name = free_name(others, _("List %(number)s") % {"number": each.pk})
        each.file_name = person.without(each.file_name)
        each.headers = [person.without(header) for header in each.headers]
        each.mapping = {target: person.without(header) for target, header in each.mapping.items()}
        each.save(update_fields=["name", "file_name", "headers", "mapping"])
    return Counter({PeopleList._meta.label_lower: number})


def blank_forgotten(account: Account) -> int:
    """After a restored backup: empty the rows of those who asked to be forgotten. How many."""
    rows = PeopleListRow.objects.filter(~Q(email_key="", kartra_id=""), people_list__account=account)
    number = last = 0
    while some := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", "kartra_id", "email")[:BATCH]):
        last = some[-1][0]
        out = forgotten_among(account, {pk: (kartra_id, email) for pk, kartra_id, email in some}, note=False)
        with transaction.atomic():
            number += PeopleListRow.objects.filter(pk__in=out).update(**EMPTY)
    return number
