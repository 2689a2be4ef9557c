"""Lists of people as they are made, named and corrected. Going through their text is `reading`."""

import io
import tempfile
import zlib
from pathlib import PurePath
from typing import Any, BinaryIO

from django.db import IntegrityError, transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.translation import gettext as _

from leads import clock
from leads.access import Author, user_of
from leads.importing.files import BLOCK, CannotImport, Layout
from leads.importing.uploads import open_chunks
from leads.models import (
    Account,
    Lead,
    PeopleList,
    PeopleListChunk,
    PeopleListRow,
    PeopleListState,
    PersonState,
    ScheduleState,
    normal_email,
)
from leads.models.people_list import NOBODY_YET
from leads.people import workbook
from leads.people.entries import FIRST_NAME, LAST_NAME, read_part, reading_of
from leads.people.matching import Seen, as_row, match

NAMES = {"first_name": FIRST_NAME, "last_name": LAST_NAME}
"""Where a name that stands beside an address is kept, as a mapping."""
TRIES = 3
SMALL = 512 * 1024
"""A workbook of so many bytes is read while a person waits, about ten thousand rows; a larger one by a worker."""
XLSX = "xlsx"
"""Stands for the encoding of a list whose workbook nobody has unpacked yet."""


class NameTaken(ValueError):
    """There is another list of this name in the account. The text is a sentence for people."""


def create(
    account: Account,
    file: BinaryIO,
    file_name: str,
    *,
    name: str = "",
    by: Author = None,
    piece: int = BLOCK,
    small: int = SMALL,
) -> PeopleList:
    """A list of this file's people, to be read by a worker: CSV, a text with addresses, or an Excel workbook. It is kept in pieces
    of so many bytes until it is read. Raises CannotImport; then nothing is stored. A workbook of more than `small` bytes is
    looked at here and unpacked by the worker, who may stop the list for the same reasons."""
    notes: dict[str, Any] = {}
    layout, mapping = Layout(XLSX, "", (), 0, 1), {}
    is_packed = workbook.is_workbook(file)
    if is_packed:
        workbook.check(file)
    if is_packed and file.seek(0, io.SEEK_END) <= small:
        file, notes = _unpacked(file)
        is_packed = False
    if not is_packed:
        reading = reading_of(account, file)
        layout, mapping = reading.layout, dict(reading.mapping)
    size = file.seek(0, io.SEEK_END)
    named = name.strip() or (PurePath(file_name).stem if file_name else _("Pasted people"))
    for _try in range(TRIES):
        try:
            with transaction.atomic():
                made = PeopleList.objects.create(
                    account=account,
                    name=_free_name(account, named),
                    file_name=file_name[-255:],
                    size=size,
                    encoding=layout.encoding,
                    delimiter=layout.delimiter,
                    headers=list(layout.headers),
                    mapping=NAMES | mapping,
                    data_start=layout.start,
                    position=layout.start,
                    line=layout.line,
                    notes=notes,
                    created_by=user_of(by),
                    used_at=clock.now(),
                )
                _keep(made, file, piece)
                return made
        except IntegrityError:  # somebody took the name at the same moment
            continue
    raise CannotImport(_("Somebody is adding a list of this name. Try again, or choose another name."))


def create_pasted(account: Account, text: str, *, name: str = "", by: Author = None) -> PeopleList:
    """A list of the people of a text."""
    return create(account, io.BytesIO(text.encode("utf-8", "replace")), "", name=name, by=by)


def unpack(people_list: PeopleList, *, piece: int = BLOCK) -> None:
    """Put the text of a list's workbook in its place. Safe to repeat, also at once. Raises CannotImport."""
    packed = open_chunks(PeopleListChunk.objects.filter(file=people_list), people_list.size, piece=piece)
    file, notes = _unpacked(packed)
    reading = reading_of(people_list.account, file)
    with transaction.atomic():
        held = PeopleList.objects.select_for_update(no_key=True).filter(pk=people_list.pk, encoding=XLSX).first()
        if held is not None:
            layout = reading.layout
            PeopleListChunk.objects.filter(file=held).delete()
            held.size = file.seek(0, io.SEEK_END)
            held.encoding, held.delimiter, held.headers = layout.encoding, layout.delimiter, list(layout.headers)
            held.mapping, held.notes = NAMES | dict(reading.mapping), notes
            held.data_start = held.position = layout.start
            held.line = layout.line
            held.save()
            _keep(held, file, piece)
    people_list.refresh_from_db()


def _unpacked(packed: BinaryIO) -> tuple[BinaryIO, dict[str, Any]]:
    """The text of a workbook in a file that has no name and is gone once it is closed; and that it has more sheets, if so."""
    sheet = workbook.sheet_of(packed)
    file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  whoever reads it holds it
    for piece in workbook.as_csv(sheet.rows):
        file.write(piece)
    file.seek(0)
    return file, {"sheet": sheet.title[:100], "other_sheets": sheet.others} if sheet.others else {}


def _keep(made: PeopleList, file: BinaryIO, piece: int) -> None:
    file.seek(0)
    number = 0
    while block := file.read(piece):
        PeopleListChunk.objects.create(file=made, number=number, content=zlib.compress(block, 1))
        number += 1


def _free_name(account: Account, wanted: str) -> str:
    """The name, with a number behind it where it is taken."""
    base = " ".join(wanted.split())[:180] or _("People")
    like = PeopleList.objects.filter(account=account, name__istartswith=base)
    taken = {each.lower() for each in like.values_list("name", flat=True)}
    numbered = (base if number == 1 else f"{base} ({number})" for number in range(1, len(taken) + 2))
    return next(each for each in numbered if each.lower() not in taken)


def rename(people_list: PeopleList, name: str) -> None:
    """Raises NameTaken."""
    name = " ".join(name.split())[:200]
    if not name:
        return
    try:
        with transaction.atomic():
            PeopleList.objects.filter(pk=people_list.pk).update(name=name)
    except IntegrityError:
        words = _("There is another list called %(name)s. Choose another name.")
        raise NameTaken(words % {"name": name}) from None
    people_list.name = name


def note_use(people_list: PeopleList) -> None:
    """A bulk action is being prepared with it: it is kept for so much longer."""
    PeopleList.objects.filter(pk=people_list.pk).update(used_at=clock.now())


def match_again(people_list: PeopleList) -> int:
    """Whoever was nobody's lead and is one by now, because they were created or read since, becomes known. One statement; how many
    there were."""
    here = Lead.objects.filter(account=people_list.account_id, email_key=OuterRef("email_key"), gone_at=None)
    pks = here.filter(kartra_id__isnull=False).order_by("pk").values("pk")[:1]
    rows = PeopleListRow.objects.filter(people_list=people_list, state__in=NOBODY_YET)
    found = rows.annotate(meant=Subquery(pks)).filter(meant__isnull=False)
    return found.update(state=PersonState.KNOWN, lead=Subquery(pks))


class InUse(ValueError):
    """A schedule is on the people of the list. The text is a sentence for people."""


def delete(people_list: PeopleList) -> None:
    """Its rows by one statement, past the ORM's objects; then the list. Raises InUse while a schedule waits to act on it."""
    name = people_list.schedules.exclude(state=ScheduleState.OVER).values_list("name", flat=True).first()
    if name is not None:
        words = _("The list %(list)s stays, because the schedule %(schedule)s uses it. Delete that first.")
        raise InUse(words % {"list": people_list.name, "schedule": name})
    delete_all(PeopleList.objects.filter(pk=people_list.pk))


def delete_all(rows: QuerySet[PeopleList]) -> None:
    people = PeopleListRow.objects.filter(people_list__in=list(rows.values_list("pk", flat=True)))
    people._raw_delete(people.db)
    rows.delete()


def correct(row: PeopleListRow, email: str) -> bool:
    """A person says which address was meant by a row of whom nobody knows, or that cannot be read: it is matched anew. False
    where it stands for somebody by now. Raises CannotImport for a text that is no address."""
    entry = read_part(email, row.line)
    if entry.problem:
        raise CannotImport(_("“%(email)s” is not an email address.") % {"email": email[:80]})
    with transaction.atomic():
        held = PeopleList.objects.select_for_update(no_key=True).select_related("account").get(pk=row.people_list_id)
        mended = [*NOBODY_YET, PersonState.UNREADABLE]
        locked = PeopleListRow.objects.select_for_update(of=("self",)).filter(pk=row.pk, state__in=mended).first()
        if locked is None or held.state == PeopleListState.READING:
            return False
        if locked.email_key == normal_email(entry.email):
            return True  # asked twice
        [found] = match(held.account, [entry], Seen(held)).matches
        fresh = as_row(held, locked.number, found)
        fresh.pk = locked.pk
        fresh.written = locked.written if found.state != PersonState.FORGOTTEN else ""
        fresh.values = locked.values if found.state != PersonState.FORGOTTEN else {}
        fresh.save()
        if found.state == PersonState.TO_LOOK_UP:
            PeopleList.objects.filter(pk=held.pk, state=PeopleListState.READY).update(state=PeopleListState.LOOKING_UP)
    row.refresh_from_db()
    return True
