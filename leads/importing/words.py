"""What an import came to, in sentences."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, ngettext_lazy

from leads.models import Import, ImportKind, ImportState

TYPES: dict[str, Any] = {
    "sale": ngettext_lazy("%(shown)s sale", "%(shown)s sales", "number"),
    "rebill": ngettext_lazy("%(shown)s rebill", "%(shown)s rebills", "number"),
    "refund": ngettext_lazy("%(shown)s refund", "%(shown)s refunds", "number"),
    "partial_refund": ngettext_lazy("%(shown)s partial refund", "%(shown)s partial refunds", "number"),
    "chargeback": ngettext_lazy("%(shown)s chargeback", "%(shown)s chargebacks", "number"),
    "failed": ngettext_lazy("%(shown)s failed payment", "%(shown)s failed payments", "number"),
    "cancellation": ngettext_lazy("%(shown)s cancellation", "%(shown)s cancellations", "number"),
    "": ngettext_lazy("%(shown)s transaction of no type", "%(shown)s transactions of no type", "number"),
}


def outcome(job: Import) -> str:
    """The result of an import, or what the check says it will be."""
    would = job.state in (ImportState.CHECKING, ImportState.CHECKED)
    told = {name: f"{job.counts.get(name, 0):,}" for name in ("created", "updated", "unchanged")}
    told["rows"] = ngettext("%(number)s row", "%(number)s rows", job.rows) % {"number": f"{job.rows:,}"}
    told["bad"] = f"{job.rejected:,}"
    return _of_leads(told, would) if job.kind == ImportKind.LEADS else _of_transactions(job, told, would)


def _of_leads(told: dict[str, str], would: bool) -> str:
    words = _("%(rows)s: %(created)s new, %(updated)s changed, %(unchanged)s as they were, %(bad)s bad.")
    if would:
        words = _(
            "%(rows)s: %(created)s would be new, %(updated)s would be changed, %(unchanged)s as they were, %(bad)s bad."
        )
    return words % told


def _of_transactions(job: Import, told: dict[str, str], would: bool) -> str:
    missing = _("nothing was missing")
    if job.counts.get("created"):
        words = _("%(what)s missing, would be added") if would else _("%(what)s missing, added")
        missing = words % {"what": missing_in_words(job)}
    words = _("%(rows)s: %(missing)s; %(updated)s corrected, %(unchanged)s known already, %(bad)s bad.")
    if would:
        words = _("%(rows)s: %(missing)s; %(updated)s would be corrected, %(unchanged)s known already, %(bad)s bad.")
    return " ".join(
        filter(None, [words % {**told, "missing": missing}, _new_leads(job.counts.get("new_leads", 0), would)])
    )


def _new_leads(number: int, would: bool) -> str:
    """Of leads that only the transactions name; empty when there are none."""
    if not number:
        return ""
    words = ngettext("%(number)s lead nobody knew added.", "%(number)s leads nobody knew added.", number)
    if would:
        words = ngettext(
            "%(number)s lead nobody knew would be added.", "%(number)s leads nobody knew would be added.", number
        )
    return words % {"number": f"{number:,}"}


def missing_in_words(job: Import) -> str:
    """The transactions that our copy lacked: "14 sales and 2 refunds"."""
    types: dict[str, int] = job.counts.get("types", {})
    parts = []
    for type, number in sorted(types.items(), key=lambda each: (-each[1], each[0] not in TYPES, each[0])):
        told = {"number": number, "shown": f"{number:,}", "type": type}
        parts.append(TYPES[type] % told if type in TYPES else _("%(shown)s of type “%(type)s”") % told)
    if len(parts) < 2:
        return parts[0] if parts else _("none")
    return _("%(first)s and %(last)s") % {"first": ", ".join(parts[:-1]), "last": parts[-1]}
