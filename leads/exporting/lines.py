"""Leads as lines of text, a thousand at a time: memory does not grow with their number, nor do the queries per thousand."""

import csv
import datetime as dt
import zoneinfo
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db.models import QuerySet

from leads.csv_cells import joined, shield
from leads.fields import FIELDS
from leads.importing.columns import CUSTOM, LEADS, header
from leads.models import Account, CustomField, CustomFieldType, Lead, LeadTag, ListSubscription

CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Told:
    """One lead as an export tells it: `values` by column of `Lead`, `custom_values` as on `Lead`, names of what it has."""

    values: dict[str, Any]
    tags: Sequence[str]
    lists: Sequence[str]
    left_lists: Sequence[str]


def frozen(leads: QuerySet[Lead]) -> Sequence[int]:
    """The leads that are exported, fixed now, in the order of their numbers; 8 bytes for each."""
    return array("q", leads.order_by("pk").values_list("pk", flat=True).iterator(chunk_size=10_000))


def told(pks: Sequence[int]) -> Iterator[Told]:
    """These leads, with their tags and lists; three queries for a thousand."""
    columns = ["pk", "kartra_id", "gone_at", "custom_values", *FIELDS]
    for start in range(0, len(pks), CHUNK):
        chunk = list(pks[start : start + CHUNK])
        tags: dict[int, list[str]] = defaultdict(list)
        for lead, name in LeadTag.objects.filter(lead__in=chunk).order_by("tag__name").values_list("lead", "tag__name"):
            tags[lead].append(name)
        lists: dict[tuple[int, bool], list[str]] = defaultdict(list)
        entries = ListSubscription.objects.filter(lead__in=chunk).order_by("mailing_list__name")
        for lead, name, active in entries.values_list("lead", "mailing_list__name", "active"):
            lists[lead, active].append(name)
        for row in Lead.objects.filter(pk__in=chunk).order_by("pk").values_list(*columns):
            pk = row[0]
            yield Told(dict(zip(columns, row, strict=True)), tags[pk], lists[pk, True], lists[pk, False])


def mirror_lines(account: Account, pks: Sequence[int]) -> Iterator[list[str]]:
    """Everything an import can take in, under headers it knows. What a spreadsheet could run is shielded."""
    custom = [*CustomField.objects.filter(account=account).order_by("identifier")]
    several = {field.identifier for field in custom if field.type == CustomFieldType.CHECKBOX}
    yield [header(name) for name in LEADS] + [shield(f"{CUSTOM}{field.identifier}") for field in custom]
    zone = account.zone
    for lead in told(pks):
        line = [lead.values["kartra_id"] or ""]
        line += [
            value and shield(value) if isinstance(value, str) else _text(value, zone)
            for value in map(lead.values.__getitem__, FIELDS)
        ]
        line += [joined(lead.tags), joined(lead.lists), joined(lead.left_lists)]
        held = lead.values["custom_values"]
        line += [custom_text(held.get(field.identifier), several=field.identifier in several) for field in custom]
        yield line


def custom_text(value: Any, *, several: bool) -> str:
    """A custom field's value for a cell: its text, or the texts of what was chosen."""
    if not isinstance(value, list):
        return shield(str(value or ""))
    texts = [str(option[1]) for option in value]
    return joined(texts) if several or len(texts) > 1 else shield("".join(texts))


def _text(value: Any, zone: zoneinfo.ZoneInfo) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, dt.datetime):
        local = value.astimezone(zone)
        twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()  # the hour the clocks go back
        return (local if twice else local.replace(tzinfo=None)).isoformat(sep=" ")
    return shield(str(value))


def to_disk(lines: Iterable[list[str]], path: Path, *, on_line: Callable[[], None] | None = None) -> None:
    """Write lines as a CSV file. It appears under its name when it is whole."""
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            for line in lines:
                writer.writerow(line)
                if on_line is not None:
                    on_line()
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
