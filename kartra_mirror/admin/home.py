"""Home: what needs me, what is running, is our copy up to date."""

from typing import Any

from django.db.models import Count, Max
from django.http import HttpRequest
from django.urls import reverse

from integrations.freshness import freshness, in_words
from integrations.models import Connection, Delivery, DeliveryStatus
from kartra_mirror.admin.runs import progress_of
from leads.models import BulkRun, ChangeStatus, LeadChange


def facts(request: HttpRequest) -> dict[str, Any]:
    """The three answers, as the page shows them; only what this person may see."""
    user: Any = request.user
    return {
        "needs": _needs() if user.has_perm("leads.view_leadchange") else [],
        "running": _running() if user.has_perm("leads.view_bulkrun") else [],
        "copies": _copies() if user.has_perm("leads.view_lead") else [],
    }


def _needs() -> list[dict[str, Any]]:
    """Lists of things that wait for a person: how many, what, and where."""
    failed = LeadChange.objects.failed().count()
    counts = dict(
        LeadChange.objects.filter(status=ChangeStatus.UNDECIDED)
        .order_by()
        .values_list("status")
        .annotate(n=Count("pk"))
    )
    unread = Delivery.objects.filter(status=DeliveryStatus.QUARANTINED).count()
    found = [
        (counts.get(ChangeStatus.UNDECIDED, 0), "changes need your decision", reverse("admin:decisions")),
        (failed, "changes were refused by Kartra", reverse("admin:failures")),
        (
            unread,
            "messages from Kartra could not be read",
            f"{reverse('admin:integrations_delivery_changelist')}?status__exact=quarantined",
        ),
    ]
    return [{"number": number, "words": words, "url": url} for number, words, url in found if number]


def _running() -> list[dict[str, Any]]:
    return [
        {"run": run, **progress_of(run)}
        for run in BulkRun.objects.under_way().select_related("account__connection")[:5]
    ]


def _copies() -> list[dict[str, Any]]:
    copies = []
    for connection in Connection.objects.select_related("account"):
        numbers = freshness(connection)
        last = Delivery.objects.filter(door__connection=connection).aggregate(last=Max("received_at"))["last"]
        copies.append(
            {
                "connection": connection,
                **numbers,
                "read_within": in_words(numbers["read_within_s"]),
                "full_round": in_words(numbers["full_round_s"]),
                "last_message": last,
            }
        )
    return copies
