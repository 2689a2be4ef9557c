"""Goes through the text of a list batch by batch, in slices that may be cut off anywhere.

Each batch writes its rows and the position behind it in one transaction: a process that is killed leaves a list that the next one
goes on with.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

from django.db import reset_queries, transaction
from django.db.models import Count

from leads.importing.files import BLOCK, CannotImport
from leads.importing.uploads import open_chunks
from leads.lock_conflicts import done_again
from leads.models import (
    PeopleList,
    PeopleListChunk,
    PeopleListRemark,
    PeopleListRow,
    PeopleListState,
    PersonState,
)
from leads.models.remarks import Remark, remark
from leads.people import lists, typos
from leads.people.entries import FIRST_NAME, LAST_NAME, Entry, Passage, as_layout, passages
from leads.people.matching import Matched, Seen, as_row, match
from leads.people.workbook import MOST_ROWS

BATCH = 1000
NAMED = {FIRST_NAME, LAST_NAME}


def read(
    people_list: PeopleList,
    *,
    until_s: float | None = None,
    on_progress: Callable[[PeopleList], None] | None = None,
    batch: int = BATCH,
    most: int = MOST_ROWS,
    piece: int = BLOCK,
) -> bool:
    """Go on with a list that is being read, for about `until_s` seconds. True if there is more to read.

    Safe to run twice, also at once: a batch is written only by whoever still finds the list where it left it. `most`: the
    people of a longer list are not read to the end, and it is stopped with the reason; `piece`: how large the pieces of its text are.
    """
    people_list.refresh_from_db()
    if people_list.state != PeopleListState.READING:
        return False
    ends = None if until_s is None else time.monotonic() + until_s
    if people_list.encoding == lists.XLSX:
        try:
            lists.unpack(people_list, piece=piece)
        except CannotImport as problem:
            stop(people_list, remark(PeopleListRemark.UNREADABLE_FILE, why=str(problem)))
            return False
    chunks = PeopleListChunk.objects.filter(file=people_list)
    file = open_chunks(chunks, people_list.size, piece=piece)
    found = passages(file, as_layout(people_list), people_list.position, people_list.line)
    try:
        while people_list.state == PeopleListState.READING:
            if not _write(people_list, _next(found, batch), most):
                break
            reset_queries()  # with DEBUG on, Django would keep them all
            if on_progress is not None:
                on_progress(people_list)
            if ends is not None and time.monotonic() > ends:
                break
    except CannotImport as problem:
        stop(people_list, remark(PeopleListRemark.UNREADABLE_FILE, why=str(problem)))
    finally:
        found.close()  # type: ignore[attr-defined]
    return people_list.state == PeopleListState.READING


def _next(found: Iterator[Passage], batch: int) -> list[Passage]:
    """Passages that name about as many people as a batch has."""
    some: list[Passage] = []
    number = 0
    while number < batch and (passage := next(found, None)):
        some.append(passage)
        number += max(1, len(passage.people))
    return some


@done_again
def _write(people_list: PeopleList, some: list[Passage], most: int) -> bool:
    """Write one batch and the position behind it, together. False when somebody else did, or ended it."""
    entries: list[Entry] = [entry for passage in some for entry in passage.people]
    with transaction.atomic():
        locked = (
            PeopleList.objects.select_for_update(no_key=True, of=("self",))
            .select_related("account")
            .filter(pk=people_list.pk)
            .first()
        )
        if locked is None or (locked.position, locked.state) != (people_list.position, people_list.state):
            if locked is not None:
                people_list.refresh_from_db()
            return False
        if entries:
            matched = match(locked.account, entries, Seen(locked))
            first = locked.rows_read
            PeopleListRow.objects.bulk_create(
                [as_row(locked, first + place, each) for place, each in enumerate(matched.matches, start=1)],
                batch_size=500,
            )
            locked.notes = _noted(locked, matched)
            locked.rows_read += len(entries)
        if locked.rows_read > most:
            _end(locked, PeopleListState.STOPPED, remark(PeopleListRemark.TOO_MANY, most=f"{most:,}"))
        elif some:
            locked.position, locked.line = min(some[-1].position, locked.size), some[-1].next_line
        else:
            locked.position = locked.size
            unknown = PeopleListRow.objects.filter(people_list=locked, state=PersonState.TO_LOOK_UP).exists()
            _end(locked, PeopleListState.LOOKING_UP if unknown else PeopleListState.READY, {})
        locked.save()
    people_list.refresh_from_db()
    return True


def _noted(people_list: PeopleList, matched: Matched) -> dict[str, Any]:
    notes, names = people_list.notes, NAMED - set(people_list.headers)
    emails = [each.entry.email for each in matched.matches if each.entry.email]
    return {
        **notes,
        "agree": notes.get("agree", 0) + matched.agree,
        "differ": notes.get("differ", 0) + matched.differ,
        "named": notes.get("named", False) or any(names & set(each.entry.values) for each in matched.matches),
        "domains": typos.counted(notes.get("domains", {}), emails),
    }


def _end(locked: PeopleList, state: PeopleListState, why: Remark) -> None:
    locked.state, locked.why = state, why
    chunks = PeopleListChunk.objects.filter(file=locked)
    chunks._raw_delete(chunks.db)


def stop(people_list: PeopleList, why: Remark) -> None:
    """It cannot go on; say why. What was read stays."""
    with transaction.atomic():
        locked = PeopleList.objects.select_for_update(no_key=True).get(pk=people_list.pk)
        if locked.is_going:
            _end(locked, PeopleListState.STOPPED, why)
            locked.save()
    people_list.refresh_from_db()


def counts_of(people_list: PeopleList) -> dict[str, int]:
    """How many of its rows are in each state, every state named."""
    rows = PeopleListRow.objects.filter(people_list=people_list).order_by().values_list("state")
    return dict.fromkeys(PersonState.values, 0) | dict(rows.annotate(number=Count("pk")))
