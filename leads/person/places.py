"""Where people who work here, and files, may have named a person besides the lead's own rows: bad rows of imports, drafts, segments,
recipes, schedules, lines of who did what, lists of people. Found here, for whoever shows or empties them."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from django.contrib.admin.models import LogEntry
from django.db.models import Q, QuerySet

from leads.models import ImportReject, PeopleList, PeopleListRow, Recipe, RecipeVersion, RunDraft, Schedule, Segment
from leads.person.naming import Person

CHUNK = 500


def rejects(person: Person) -> Iterator[ImportReject]:
    """Bad rows of the account's imports that name the person, in whatever column."""
    rows = ImportReject.objects.filter(file__account=person.account_id).select_related("file")
    may = person.may_be_in(rows, "cells", "reason")
    if person.kartra_id:
        may = rows.filter(Q(pk__in=may.values("pk")) | Q(cells__icontains=person.kartra_id))
    for row in may.iterator(chunk_size=CHUNK):
        if _is_id_of(row, person) or person.is_in_cells(row.cells) or person.is_in(row.reason):
            yield row


def _is_id_of(row: ImportReject, person: Person) -> bool:
    """Whether the cell in the column of ids is the person's, however short."""
    job = row.file
    place = job.headers.index(job.mapping["id"]) if job.mapping.get("id") in job.headers else len(row.cells)
    return bool(person.kartra_id) and place < len(row.cells) and row.cells[place].strip() == person.kartra_id


def drafts(person: Person) -> Iterator[RunDraft]:
    """Drafts in whose filter, list or typed words the person is named. Of lists of people who are to be created only those of
    the account: elsewhere it is another person's list."""
    for draft in person.may_be_in(RunDraft.objects.all(), "selection", "listed", "parameters", "refused_why"):
        if "people" in draft.selection and draft.account_id != person.account_id:
            continue
        if person.is_in([draft.selection, filter_of(draft), draft.parameters, draft.refused_why]):
            yield draft


def filter_of(draft: RunDraft) -> list[list[str]]:
    """The filter of the list on which the leads of a draft were chosen, as pairs of texts."""
    return [list(pair) for pair in parse_qsl(draft.listed, keep_blank_values=True)]


def segments(person: Person) -> Iterator[Segment]:
    """Segments of the account that search for the person or are called after them."""
    for segment in person.may_be_in(Segment.objects.filter(account=person.account_id), "name", "selection"):
        if person.is_in([segment.name, segment.selection]):
            yield segment


def recipes(person: Person) -> Iterator[Recipe]:
    """Recipes of the account that name the person in what they do or did, their names or notes."""
    rows = Recipe.objects.filter(account=person.account_id)
    versions = RecipeVersion.objects.filter(recipe__account=person.account_id)
    named = set(person.may_be_in(rows, "name", "steps", "note").values_list("pk", flat=True))
    named |= set(person.may_be_in(versions, "steps", "note").values_list("recipe", flat=True))
    for recipe in rows.filter(pk__in=named).prefetch_related("versions"):
        said = [[each.steps, each.note] for each in recipe.versions.all()]
        if person.is_in([recipe.name, recipe.steps, recipe.note, said]):
            yield recipe


def schedules(person: Person) -> Iterator[Schedule]:
    """Schedules of the account that are about the lead by its key, or name the person in their filter, actions, name or reason."""
    rows = Schedule.objects.filter(account=person.account_id)
    named = set(person.may_be_in(rows, "name", "selection", "steps", "why").values_list("pk", flat=True))
    named |= set(rows.filter(selection__icontains='"ids"').values_list("pk", flat=True))
    for schedule in rows.filter(pk__in=named):
        texts = [schedule.name, schedule.selection, schedule.steps or [], schedule.why]
        if person.is_in(texts) or person.lead_id in ids_in(schedule.selection):
            yield schedule


def ids_in(stored: Any) -> set[int]:
    """The leads that a stored selection names one by one."""
    if isinstance(stored, dict):
        own = stored.get("ids") if isinstance(stored.get("ids"), list) else []
        return set(own or ()).union(*(ids_in(each) for each in stored.values()))
    if isinstance(stored, list):
        return set().union(*(ids_in(each) for each in stored if isinstance(each, dict | list)))
    return set()


def log_lines(person: Person) -> Iterator[LogEntry]:
    """Lines of who did what that name the person, in what was filtered by or typed."""
    rows = person.may_be_in(LogEntry.objects.select_related("user"), "change_message", "object_repr")
    for line in rows.iterator(chunk_size=CHUNK):
        if person.is_in([line.change_message, line.object_repr]):
            yield line


def list_rows(person: Person) -> QuerySet[PeopleListRow]:
    """Rows of the account's lists of people that are about the person: by the lead, the id, or an address of theirs."""
    own = Q(lead=person.lead_id) | Q(email_key__in=person.addresses)
    if person.kartra_id:
        own |= Q(kartra_id=person.kartra_id)
    return PeopleListRow.objects.filter(own, people_list__account=person.account_id)


def list_rows_of_others(person: Person) -> Iterator[PeopleListRow]:
    """Rows of these lists that are about somebody else, or about nobody who is known, and name the person."""
    rows = PeopleListRow.objects.filter(people_list__account=person.account_id).select_related("people_list")
    others = person.may_be_in(rows, "written", "values", "reason").exclude(pk__in=list_rows(person).values("pk"))
    for row in others.order_by("pk").iterator(chunk_size=CHUNK):
        if person.is_in([row.written, row.values, row.reason]) or names_in_cells(row, person):
            yield row


def names_in_cells(row: PeopleListRow, person: Person) -> bool:
    """Whether the first and the last name of the person stand in columns of their own."""
    return person.is_in_cells([str(cell) for cell in row.values.values()])


def people_lists(person: Person) -> Iterator[PeopleList]:
    """Lists of people of the account that are called after the person, or whose file or a column of it is."""
    rows = PeopleList.objects.filter(account=person.account_id)
    for each in person.may_be_in(rows, "name", "file_name", "headers"):
        if person.is_in([each.name, each.file_name, each.headers]):
            yield each
