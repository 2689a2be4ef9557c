"""A file of leads by hand: read with the csv module, copied into a temporary table, and INSERT … ON CONFLICT from there.

It looks for nothing odd, tells nobody which rows are bad, keeps no address history, and cannot be cut off.
"""

import csv
import datetime as dt
import json
from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

from django.db import connection, transaction

TEXTS = (
    "first_name",
    "last_name",
    "company",
    "phone",
    "address",
    "zip",
    "city",
    "state",
    "country",
    "website",
    "source",
    "lead_preferred_time_zone",
    "notes",
)
"""Columns of the file that are texts of the lead as they stand."""
TIES = (
    ("tags", "leads_tag", "leads_leadtag", "tag_id", ""),
    ("lists", "leads_mailinglist", "leads_listsubscription", "mailing_list_id", "active, "),
)


def load(account: int, path: Path, columns: Mapping[str, str]) -> None:
    """Load a file of these columns ({what it is: header}) into an account."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE loaded (kartra_id text, email text, email_key text, tags text[], lists text[],"
            " date_joined timestamptz, score integer, custom_values jsonb,"
            f" {', '.join(f'{name} text' for name in TEXTS)}) ON COMMIT DROP"
        )
        with cursor.copy("COPY loaded FROM STDIN") as copy, path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            headers = next(rows)
            place = {name: headers.index(header) for name, header in columns.items()}
            id, email, tags, lists, joined, score, custom = (
                place[name] for name in ("id", "email", "tags", "lists", "date_joined", "score", "custom.crm_ref")
            )
            texts = itemgetter(*(place[name] for name in TEXTS))
            for row in rows:
                if "@" not in row[email]:
                    continue
                try:
                    at = dt.datetime.fromisoformat(f"{row[joined]}-05:00")
                except ValueError:
                    continue
                copy.write_row(
                    (
                        row[id],
                        row[email],
                        row[email].lower(),
                        f"{{{row[tags].replace(';', ',')}}}",
                        f"{{{row[lists].replace(';', ',')}}}",
                        at,
                        row[score],
                        json.dumps({"crm_ref": row[custom]}),
                        *texts(row),
                    )
                )
        cursor.execute("ANALYZE loaded")
        _leads(cursor, account)
        for told, things, ties, column, active in TIES:
            cursor.execute(
                f"INSERT INTO {things} (account_id, name, kartra_id, first_seen_at)"
                f" SELECT DISTINCT %s::bigint, name, '', now() FROM loaded, unnest({told}) AS name ON CONFLICT DO NOTHING",
                [account],
            )
            cursor.execute(
                f"INSERT INTO {ties} (lead_id, {column}, {active}since, source)"
                f" SELECT lead.id, thing.id, {'true, ' if active else ''}now(), 'import'"
                f" FROM loaded CROSS JOIN unnest(loaded.{told}) AS named"
                f" JOIN {things} AS thing ON thing.account_id = %s AND thing.name = named"
                " JOIN leads_lead AS lead ON lead.account_id = %s AND lead.kartra_id = loaded.kartra_id"
                " ON CONFLICT DO NOTHING",
                [account, account],
            )


def _leads(cursor: Any, account: int) -> None:
    from leads.models import Lead

    told = ("kartra_id", "email", "email_key", "date_joined", "score", "custom_values", *TEXTS)
    names, expressions, given = [*told, "account_id", "known_since", "dirty_at"], [*told, "%s", "now()", "now()"], []
    given.append(account)
    for field in Lead._meta.concrete_fields:
        if field.column not in names and not field.primary_key and not field.null:
            names.append(field.column)
            expressions.append("%s::jsonb" if field.get_internal_type() == "JSONField" else "%s")
            given.append(field.get_db_prep_save(field.get_default(), connection))
    cursor.execute(
        f"INSERT INTO leads_lead AS lead ({', '.join(names)}) SELECT {', '.join(expressions)} FROM loaded"
        " ON CONFLICT (account_id, kartra_id) DO UPDATE SET"
        f" {', '.join(f'{name} = EXCLUDED.{name}' for name in told)}"
        f" WHERE ({', '.join(f'lead.{name}' for name in told)})"
        f" IS DISTINCT FROM ({', '.join(f'EXCLUDED.{name}' for name in told)})",
        given,
    )


def write(account: int, path: Path, fields: tuple[str, ...]) -> None:
    """Write these fields of an account's leads, their tags, lists and one custom field into a file."""

    def tied(table: str, things: str, column: str, where: str = "true") -> str:
        return (
            f"(SELECT string_agg(thing.name, ';' ORDER BY thing.name) FROM {table} AS tie JOIN {things} AS thing"
            f" ON thing.id = tie.{column} WHERE tie.lead_id = lead.id AND {where})"
        )

    lists = ("leads_listsubscription", "leads_mailinglist", "mailing_list_id")
    told = [
        "lead.kartra_id",
        *(f"lead.{name}" for name in fields),
        tied("leads_leadtag", "leads_tag", "tag_id"),
        tied(*lists, "active"),
        tied(*lists, "NOT active"),
        "lead.custom_values ->> 'crm_ref'",
    ]
    sql = f"SELECT {', '.join(told)} FROM leads_lead AS lead WHERE account_id = {account:d} ORDER BY id"
    copied = f"COPY ({sql}) TO STDOUT WITH (FORMAT csv, HEADER)"
    with connection.cursor() as cursor, path.open("wb") as file, cursor.copy(copied) as copy:
        for block in copy:
            file.write(block)
