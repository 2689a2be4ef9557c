"""The account's tags, lists, sequences, pages and custom fields."""

import datetime as dt
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import QuerySet

from leads.lock_conflicts import done_again
from leads.mirror.changelog import NO_CAUSE, ActivityCause
from leads.mirror.facts import CustomFieldFact
from leads.models import SAFETY_FIELD, Account, CustomField, MailingList, Page, Sequence, Tag
from leads.models.catalogue import Thing
from leads.models.changed import mark_changed
from leads.texts import forms_of


def get_or_create_named(model: type[Thing], account: Account, names: Iterable[str]) -> dict[str, Any]:
    """The account's tags (lists, …) of these names, made where they are new: {name: row}. A name that is known in another
    composition of the same letters is that one."""
    wanted = [name for name in dict.fromkeys(names) if name]
    manager = model._default_manager
    forms = {form for name in wanted for form in forms_of(name)}
    rows = {row.name: row for row in manager.filter(account=account, name__in=forms)}
    missing = {_meant(name, rows) for name in wanted} - set(rows)
    if missing:
        composed = {unicodedata.normalize("NFC", name): name for name in reversed(wanted) if name in missing}
        new = [model(account=account, name=name) for name in sorted(composed.values())]
        manager.bulk_create(new, ignore_conflicts=True)
        rows = {row.name: row for row in manager.filter(account=account, name__in=forms)}
    return {name: rows[_meant(name, rows)] for name in wanted}


def _meant(name: str, known: Mapping[str, Any]) -> str:
    """The name itself, where it is known or new; else the known one of the same letters."""
    if name in known:
        return name
    return next((each for each in sorted(forms_of(name)) if each in known), name)


def get_or_create_one(model: type[Any], account_id: int, name: str) -> Any:
    """The account's thing of this name, made where it is new."""
    return get_or_create_named(model, Account(pk=account_id), [name])[name]


def get_or_create_by_id(
    model: type[Thing],
    account_id: int,
    name: str,
    kartra_id: str,
    at: dt.datetime,
    cause: ActivityCause = NO_CAUSE,
) -> Any:
    """The account's tag (list, sequence) that a message calls so, made where it is new.

    Kartra's id decides: the same id under another name is the same thing, renamed; another id under a known name is a new
    thing, and the old one is kept under a name that says which it was.
    """
    manager = model._default_manager
    known = {row.name: row for row in manager.filter(account_id=account_id, name__in=forms_of(name))}
    name = _meant(name, known) if known else unicodedata.normalize("NFC", name)
    if not kartra_id:
        return known[name] if name in known else _named(model, account_id, name, cause)
    of_id = manager.filter(account_id=account_id, kartra_id=kartra_id).order_by("pk").first()
    of_name = manager.filter(account_id=account_id, name=name).first()
    if of_id is not None and of_name is not None and of_id.pk != of_name.pk:
        if of_name.kartra_id:
            _give_up_name(of_name, at, cause)
        else:
            _merge_named(of_name, of_id)
    elif of_id is None and of_name is not None:
        if of_name.kartra_id in ("", kartra_id):
            of_id = of_name
        else:
            _give_up_name(of_name, at, cause)
    if of_id is None:
        of_id = _named(model, account_id, name, cause, kartra_id=kartra_id)
    if (of_id.name, of_id.kartra_id) != (name, kartra_id):
        _call(of_id, cause, name=name, kartra_id=kartra_id, missing_since=None)
    return of_id


def name_of(model: type[Thing], account_id: int, kartra_id: str) -> str:
    """What the account's thing of this id is called, "" where nobody knows."""
    rows = model._default_manager.filter(account_id=account_id, kartra_id=kartra_id) if kartra_id else None
    return rows.values_list("name", flat=True).order_by("pk").first() or "" if rows is not None else ""


def _give_up_name(thing: Thing, at: dt.datetime, cause: ActivityCause) -> None:
    """Another thing has its name now."""
    name = f"{thing.name[:450]} ({thing.kartra_id})"
    _call(thing, cause, name=name, missing_since=thing.missing_since or at)


def _named(model: type[Thing], account_id: int, name: str, cause: ActivityCause, **new: Any) -> Any:
    thing, made = model._default_manager.get_or_create(account_id=account_id, name=name, defaults=new)
    if made:
        cause.note(model, {"id": thing.pk}, None, {"name": name, **new})
    return thing


def _call(thing: Thing, cause: ActivityCause, **columns: Any) -> None:
    """Write these columns of a thing."""
    cause.note(type(thing), {"id": thing.pk}, {name: getattr(thing, name) for name in columns}, columns)
    for name, value in columns.items():
        setattr(thing, name, value)
    thing.save(update_fields=list(columns))


def note_kartra_id(thing: Any, kartra_id: str, cause: ActivityCause) -> None:
    """The thing's id in Kartra, where one was told."""
    if kartra_id and thing.kartra_id != kartra_id:
        _call(thing, cause, kartra_id=kartra_id)


def _merge_named(twin: Thing, thing: Thing) -> None:
    """A name that the catalogue or a read told before its id was known is the thing's own new name: what leads have of it
    goes to the thing."""
    for relation in twin._meta.related_objects:
        if relation.field.model._meta.get_field("lead") is not None:
            name, rows = relation.field.name, relation.related_model._default_manager
            mark_changed(rows.filter(**{name: twin}).values_list("lead", flat=True))
            has = rows.filter(**{name: thing}).values("lead")
            rows.filter(**{name: twin, "lead__in": list(has.values_list("lead", flat=True))}).delete()
            rows.filter(**{name: twin}).update(**{name: thing})
    twin.delete()


@done_again
def set_catalogue(
    account: Account,
    model: type[Tag | MailingList | Sequence | Page],
    names: Iterable[str],
    at: dt.datetime,
    *,
    believe: bool = False,
) -> int:
    """The account has exactly these tags (lists, sequences, pages) now. Others are marked missing, never deleted; so many at
    once that one answer is not believed are not, unless a person does (`believe`). How many these are."""
    told = {row.name for row in get_or_create_named(model, account, names).values()}
    rows = model._default_manager.filter(account=account)
    rows.filter(name__in=told).exclude(missing_since=None).update(missing_since=None)
    return _mark_missing(
        rows.filter(missing_since=None), rows.filter(missing_since=None).exclude(name__in=told), at, believe
    )


FIFTH = 5
"""More than one in so many missing at once is not believed."""


def _mark_missing(standing: QuerySet[Any], missing: QuerySet[Any], at: dt.datetime, believe: bool) -> int:
    number = missing.count()
    if number > 1 and number * FIFTH > standing.count() and not believe:
        return number
    missing.update(missing_since=at)
    return 0


@done_again
def set_custom_fields(
    account: Account, fields: Iterable[CustomFieldFact], at: dt.datetime, *, believe: bool = False
) -> int:
    """The account has exactly these custom fields now; believed as in `set_catalogue`."""
    told = set()
    for fact in fields:
        if not fact.identifier or fact.identifier == SAFETY_FIELD:
            continue
        told.add(fact.identifier)
        CustomField.objects.update_or_create(
            account=account,
            identifier=fact.identifier,
            defaults={
                "type": fact.type,
                "kartra_id": fact.kartra_id,
                "options": [list(o) for o in fact.options],
                "missing_since": None,
            },
        )
    standing = CustomField.objects.filter(account=account, missing_since=None)
    return _mark_missing(standing, standing.exclude(identifier__in=told), at, believe)
