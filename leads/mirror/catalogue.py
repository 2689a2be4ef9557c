"""The account's tags, lists, sequences, pages and custom fields."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from leads.mirror.facts import CustomFieldFact
from leads.models import SAFETY_FIELD, Account, CustomField, MailingList, Page, Sequence, Tag
from leads.models.catalogue import Thing


def things(model: type[Thing], account: Account, names: Iterable[str]) -> dict[str, Any]:
    """The account's tags (lists, …) of these names, made where they are new: {name: row}."""
    wanted = [name for name in dict.fromkeys(names) if name]
    manager = model._default_manager
    if wanted:
        known = set(manager.filter(account=account, name__in=wanted).values_list("name", flat=True))
        missing = [model(account=account, name=name) for name in sorted(wanted) if name not in known]
        manager.bulk_create(missing, ignore_conflicts=True)
    return {row.name: row for row in manager.filter(account=account, name__in=wanted)}


def set_catalogue(
    account: Account, model: type[Tag | MailingList | Sequence | Page], names: Iterable[str], at: dt.datetime
) -> None:
    """The account has exactly these tags (lists, sequences, pages) now. Others are marked missing, never deleted."""
    told = set(things(model, account, names))
    rows = model._default_manager.filter(account=account)
    rows.filter(name__in=told).exclude(missing_since=None).update(missing_since=None)
    rows.exclude(name__in=told).filter(missing_since=None).update(missing_since=at)


def set_custom_fields(account: Account, fields: Iterable[CustomFieldFact], at: dt.datetime) -> None:
    """The account has exactly these custom fields now."""
    told = set()
    for fact in fields:
        if not fact.identifier or fact.identifier == SAFETY_FIELD:
            continue
        told.add(fact.identifier)
        CustomField.objects.update_or_create(
            account=account,
            identifier=fact.identifier,
            defaults={
                "type": fact.type, "kartra_id": fact.kartra_id, "options": [list(o) for o in fact.options],
                "missing_since": None,
            },
        )  # fmt: skip
    CustomField.objects.filter(account=account, missing_since=None).exclude(identifier__in=told).update(
        missing_since=at
    )
