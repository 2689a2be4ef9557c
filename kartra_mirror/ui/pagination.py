"""Lists of any length: counted as far as it is cheap, and turned page by page without carrying whole rows along."""

import hashlib
from functools import cached_property, partial
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet

from kartra_mirror.ui.costly import kept

MOST = 100_000
"""So many rows are counted, and can be turned to; of more, only that they are more is said."""


def counted(rows: QuerySet[Any], most: int = MOST) -> tuple[int, bool]:
    """How many there are, up to `most`, and whether there are more."""
    number = rows.order_by().values("pk")[: most + 1].count()
    return min(number, most), number > most


class CappedPaginator(Paginator):
    """Counts up to `most` rows; a longer list is `capped`, and its count is `most`. The keys of a page are found first, so that
    what each row is shown with is worked out for this page alone; a list of one page is not counted besides."""

    object_list: Any
    template_name = "admin/ui/pagination.html"
    most = MOST

    @cached_property
    def _first(self) -> list[Any]:
        """The keys of the first page, and one more if there are more pages."""
        return list(self.object_list.values_list("pk", flat=True)[: self.per_page + 1])

    @cached_property
    def _counted(self) -> tuple[int, bool]:
        if not isinstance(self.object_list, QuerySet):
            return len(self.object_list), False
        if len(self._first) <= self.per_page:
            return len(self._first), False
        asked = repr(self.object_list.order_by().values("pk").query.sql_with_params())
        key = f"count-{self.most}-{hashlib.sha256(asked.encode()).hexdigest()}"
        found: tuple[int, bool] = kept(key, partial(counted, self.object_list, self.most))
        return found

    @cached_property
    def count(self) -> int:
        return self._counted[0]

    @property
    def capped(self) -> bool:
        return self._counted[1]

    def page(self, number: Any) -> Page[Any]:
        rows = self.object_list
        if not isinstance(rows, QuerySet):
            return super().page(number)
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        last = min(first + self.per_page, self.count)
        pks = self._first[:last] if number == 1 else list(rows.values_list("pk", flat=True)[first:last])
        return Page(rows.filter(pk__in=pks), number, self)
