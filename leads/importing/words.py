"""What an import came to, in sentences."""

from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _, ngettext, ngettext_lazy

from leads.importing import currencies, ids, values
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


def remarks(job: Import) -> list[str]:
    """What a person should know of how the file was read: the order of its dates, doubled hours, signs of currencies, ids."""
    found = []
    if example := job.options.get("dates"):
        found.append(_dates(job, *example))
    noted: dict[str, int] = job.counts.get("remarks", {})
    if number := noted.get("doubled", 0):
        words = ngettext(
            "%(number)s date lies in the hour that the clocks of %(zone)s show twice; the first is taken.",
            "%(number)s dates lie in the hour that the clocks of %(zone)s show twice; the first is taken.",
            number,
        )
        found.append(words % {"number": f"{number:,}", "zone": job.account.time_zone})
    for name, number in sorted(noted.items()):
        if name.startswith("sign "):
            found.append(_sign(name.removeprefix("sign "), number))
    if ids.verdict(job.options) == ids.PROVISIONAL:
        found.append(
            _("New ids count only once a check with Kartra confirms them. Until then we know people by their address.")
        )
    elif not ids.problem(job) and job.counts.get("ids_differ", 0) > job.counts.get("ids_agree", 0):
        words = _(
            "“%(header)s” mostly disagrees with our copy, so it is probably not Kartra's id. Leave the column out."
        )
        found.append(words % {"header": ids.header(job)})
    return found


def _dates(job: Import, line: int, cell: str) -> str:
    words = _("Dates have the month first: %(cell)s in line %(line)s is %(day)s.")
    if job.day_first:
        words = _("Dates have the day first: %(cell)s in line %(line)s is %(day)s.")
    found = values.moment(cell.split()[0], job.account.zone, day_first=bool(job.day_first))
    day = date_format(found.at.astimezone(job.account.zone), "j M Y") if found else cell
    return words % {"cell": cell, "line": f"{line:,}", "day": day}


def _sign(sign: str, number: int) -> str:
    words = ngettext(
        "%(number)s amount is in “%(sign)s”, which may be %(names)s; it is kept as it stands. Say which is "
        "meant to have it named.",
        "%(number)s amounts are in “%(sign)s”, which may be %(names)s; they are kept as they stand. Say which "
        "is meant to have "
        "them named.",
        number,
    )
    meant = sorted(currencies.meanings(sign))
    names = ", ".join(meant[:6]) + ("…" if len(meant) > 6 else "")
    return words % {"number": f"{number:,}", "sign": sign, "names": names}
