"""The account's tags, lists, sequences, pages and custom fields."""

import datetime as dt
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from leads.mirror.facts import CustomFieldFact
from leads.models import SAFETY_FIELD, Account, CustomField, MailingList, Page, Sequence, Tag
from leads.models.catalogue import Thing
from leads.texts import forms_of


def things(model: type[Thing], account: Account, names: Iterable[str]) -> dict[str, Any]:
    """The account's tags (lists, …) of these names, made where they are new: {name: row}. A name that is known in another
    composition of the same letters is that one."""
    wanted = [name for name in dict.fromkeys(names) if name]
    manager = model._default_manager
    forms = {form for name in wanted for form in forms_of(name)}
    rows = {row.name: row for row in manager.filter(account=account, name__in=forms)}
    missing = {_meant(name, rows) for name in wanted} - set(rows)
    if missing:
        composed = {unicodedata.normalize("NFC", name): name for name in reversed(wanted) if name in missing}
        manager.bulk_create([model(account=account, name=name) for name in composed.values()], ignore_conflicts=True)
        rows = {row.name: row for row in manager.filter(account=account, name__in=forms)}
    return {name: rows[_meant(name, rows)] for name in wanted}


def _meant(name: str, known: Mapping[str, Any]) -> str:
    """The name itself, where it is known or new; else the known one of the same letters."""
    if name in known:
        return name
    return next((each for each in sorted(forms_of(name)) if each in known), name)


def set_catalogue(
    account: Account, model: type[Tag | MailingList | Sequence | Page], names: Iterable[str], at: dt.datetime
) -> None:
    """The account has exactly these tags (lists, sequences, pages) now. Others are marked missing, never deleted."""
    told = {row.name for row in things(model, account, names).values()}
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
