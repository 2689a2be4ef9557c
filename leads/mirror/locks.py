"""The order in which writers lock: bulk action, leads by primary key, what a lead is joined to, money.

Whoever writes anything of a lead holds its row meanwhile, so the rows of one lead have one writer at a time. SQLite has one
writer at a time anyway.
"""

from collections.abc import Iterable

from django.db import connection

from leads.models import Lead


def lock_leads(ids: Iterable[int | None]) -> None:
    """Hold these leads until the transaction ends. Other rows may point at them meanwhile."""
    wanted = sorted({id for id in ids if id is not None})
    if wanted and connection.features.has_select_for_update:
        rows = Lead.objects.filter(pk__in=wanted).order_by("pk").select_for_update(no_key=True)
        list(rows.values_list("pk", flat=True))


def lock_free_leads(ids: Iterable[int]) -> list[int]:
    """Hold those of these leads that nobody else holds just now, and say which they are. It waits for nobody."""
    rows = Lead.objects.filter(pk__in=sorted(set(ids))).order_by("pk")
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(no_key=True, skip_locked=True)
    return list(rows.values_list("pk", flat=True))
