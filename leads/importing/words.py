"""What an import came to, in sentences."""

from leads.models import Import, ImportKind, ImportState

PLURALS = {
    "sale": "sales", "rebill": "rebills", "refund": "refunds", "partial_refund": "partial refunds",
    "chargeback": "chargebacks", "failed": "failed payments", "cancellation": "cancellations", "": "transactions of no type",
}  # fmt: skip
SINGULARS = {name: plural.removesuffix("s") for name, plural in PLURALS.items()} | {"": "transaction of no type"}


def outcome(job: Import) -> str:
    """The result of an import, or what the check says it will be."""
    return _came_of(job)


def _came_of(job: Import) -> str:
    would = job.state in (ImportState.CHECKING, ImportState.CHECKED)
    counts = {name: job.counts.get(name, 0) for name in ("created", "updated", "unchanged", "new_leads")}
    if job.kind == ImportKind.LEADS:
        return (
            f"{_many(job.rows, 'row')}: {counts['created']:,} {'would be ' if would else ''}new, "
            f"{counts['updated']:,} {'would be ' if would else ''}changed, {counts['unchanged']:,} as they were, {job.rejected:,} bad."
        )
    added = "would be added" if would else "added"
    missing = f"{missing_in_words(job)} missing, {added}" if counts["created"] else "nothing was missing"
    leads = f" {_many(counts['new_leads'], 'lead')} nobody knew {added}." if counts["new_leads"] else ""
    return (
        f"{_many(job.rows, 'row')}: {missing}; {counts['updated']:,} {'would be ' if would else ''}corrected, "
        f"{counts['unchanged']:,} known already, {job.rejected:,} bad.{leads}"
    )


def missing_in_words(job: Import) -> str:
    """The transactions that our copy lacked: "14 sales and 2 refunds"."""
    types: dict[str, int] = job.counts.get("types", {})
    parts = []
    for type, number in sorted(types.items(), key=lambda each: (-each[1], each[0] not in PLURALS, each[0])):
        if type in PLURALS:
            parts.append(f"{number:,} {(SINGULARS if number == 1 else PLURALS)[type]}")
        else:
            parts.append(f"{number:,} of type “{type}”")
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]])) if parts else "none"


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
