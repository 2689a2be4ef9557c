"""Files that people download: lines as CSV, streamed a piece at a time. Cells are shielded by whoever makes the lines."""

import csv
import itertools
from collections.abc import Iterator

from django.http import StreamingHttpResponse


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, value: str) -> str:
        return value


def csv_response(lines: Iterator[list[str]], name: str) -> StreamingHttpResponse:
    """Lines as a CSV download, a piece at a time."""
    writer = csv.writer(_Echo())

    def pieces() -> Iterator[str]:
        yield "\ufeff"  # so that spreadsheets see that it is UTF-8
        while batch := list(itertools.islice(lines, 500)):
            yield "".join(writer.writerow(line) for line in batch)

    response = StreamingHttpResponse(pieces(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
