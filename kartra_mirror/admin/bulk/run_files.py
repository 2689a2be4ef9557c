"""A group of a bulk action's leads as a CSV file. Takes the permission to take leads out, and leaves a line."""

from collections.abc import Iterator

from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from kartra_mirror.admin.bulk.progress import outcome_words
from kartra_mirror.ui.downloads import csv_response
from leads import kinds
from leads.csv_cells import shield
from leads.models import BulkRun, LeadChange
from leads.models.remarks import sentence_of

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


def response(run: BulkRun, group: QuerySet[LeadChange], name: str) -> StreamingHttpResponse:
    """The changes of the group, streamed."""
    return csv_response(_lines(group), f"bulk-action-{run.pk}-{name}.csv")


def _lines(group: QuerySet[LeadChange]) -> Iterator[list[str]]:
    yield list(COLUMNS)
    rows = group.order_by("pk").values_list(
        "lead__kartra_id",
        "lead__email",
        "lead__first_name",
        "lead__last_name",
        "kind",
        "parameters",
        "status",
        "reason",
        "code",
        "message",
        "remark",
        "requested_at",
        "settled_at",
    )
    for *who, kind, parameters, status, reason, code, message, remark, requested_at, settled_at in rows.iterator(
        chunk_size=2000
    ):
        said = sentence_of(remark) or message
        moments = [at.isoformat(timespec="seconds") if at else "" for at in (requested_at, settled_at)]
        told = [kinds.get_kind(kind).sentence(parameters), outcome_words(status, reason), code, said]
        yield [shield("" if each is None else str(each)) for each in (*who, *told, *moments)]
