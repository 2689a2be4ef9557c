"""A group of a bulk action's leads as a CSV file. Takes the permission to take leads out, and leaves a line."""

import csv
from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from kartra_mirror.admin.progress import outcome_words
from leads import kinds
from leads.models import BulkRun, LeadChange

COLUMNS = (
    "Lead ID",
    "Email",
    "First Name",
    "Last Name",
    "What",
    "Outcome",
    "Code",
    "Kartra's words",
    "Requested",
    "Settled",
)
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _Line:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def response(run: BulkRun, group: QuerySet[LeadChange], name: str) -> StreamingHttpResponse:
    """The changes of the group, streamed."""
    answer = StreamingHttpResponse(_lines(group), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="bulk-action-{run.pk}-{name}.csv"'
    return answer


def _lines(group: QuerySet[LeadChange]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield "\ufeff" + str(writer.writerow(COLUMNS))
    rows = group.order_by("pk").values_list(
        "lead__kartra_id", "lead__email", "lead__first_name", "lead__last_name", "kind", "parameters", "status", "reason",
        "code", "message", "requested_at", "settled_at",
    )  # fmt: skip
    for *who, kind, parameters, status, reason, code, message, requested_at, settled_at in rows.iterator(
        chunk_size=2000
    ):
        moments = [at.isoformat(timespec="seconds") if at else "" for at in (requested_at, settled_at)]
        told = [kinds.get(kind).sentence(parameters), outcome_words(status, reason), code, message]
        yield str(writer.writerow([_plain(each) for each in (*who, *told, *moments)]))


def _plain(value: Any) -> str:
    """A text that a spreadsheet does not take for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
