"""What the pretend account holds: leads, their ties, catalogue, payments, settings. In SQLite, one lock around all."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS leads (
    id INTEGER PRIMARY KEY, account INTEGER NOT NULL, email TEXT NOT NULL, deleted INTEGER NOT NULL DEFAULT 0, doc TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS leads_email ON leads (account, email);
CREATE TABLE IF NOT EXISTS things (
    id INTEGER PRIMARY KEY, account INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, doc TEXT NOT NULL,
    UNIQUE (account, kind, name)
);
CREATE TABLE IF NOT EXISTS payments (
    id INTEGER PRIMARY KEY, account INTEGER NOT NULL, kind TEXT NOT NULL, lead INTEGER, doc TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS payments_lead ON payments (lead, kind);
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, doc TEXT NOT NULL);
"""

LEAD_TEXTS = (
    "first_name",
    "middle_name",
    "last_name",
    "last_name2",
    "phone_country_code",
    "phone",
    "company",
    "address",
    "city",
    "zip",
    "state",
    "country",
    "website",
    "ip",
    "ip_country",
    "facebook",
    "twitter",
    "linkedin",
    "instagram",
    "google_plus",
    "sales_tax_id",
    "business_type",
    "lead_picture",
    "lead_preferred_time_zone",
    "notes",
    "username",
)
"""Plain texts of a lead."""

FIRST_LEAD_ID = 50_000


def key_of(email: str) -> str:
    return email.strip().casefold()


def new_lead(email: str, joined: str, source: str = "api") -> dict[str, Any]:
    """An empty lead document."""
    return {
        **dict.fromkeys(LEAD_TEXTS, ""),
        "email": email,
        "date_joined": joined,
        "score": 0,
        "source": source,
        "source_id": "0",
        "referring_id": "0",
        "blacklisted": "0",
        "gdpr_lead_status": "1",
        "gdpr_lead_status_date": joined,
        "gdpr_lead_status_ip": "",
        "gdpr_lead_communications": "0",
        "custom": {},
        "tags": [],
        "lists": {},
        "sequences": {},
        "bookings": [],
        "memberships": [],
    }


class Store:
    """Documents by kind. Every method is atomic; `with store.lock` makes several so."""

    def __init__(self, path: str = ":memory:") -> None:
        self.lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;" + SCHEMA)

    def close(self) -> None:
        with self.lock:
            self._db.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Several writes as one."""
        with self.lock:
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("COMMIT")

    # leads

    def lead(self, account: int, *, id: str = "", email: str = "") -> dict[str, Any] | None:
        """The lead's document with its `id` and `deleted`, or None. Of two with one address the one not deleted."""
        with self.lock:
            if id:
                if not id.strip().isdecimal() or len(id) > 15:
                    return None
                row = self._db.execute(
                    "SELECT id, deleted, doc FROM leads WHERE id = ? AND account = ?", (int(id), account)
                ).fetchone()
            else:
                row = self._db.execute(
                    "SELECT id, deleted, doc FROM leads WHERE account = ? AND email = ? ORDER BY deleted, id LIMIT 1",
                    (account, key_of(email)),
                ).fetchone()
        return {**json.loads(row[2]), "id": row[0], "deleted": bool(row[1])} if row else None

    def add_lead(self, account: int, doc: dict[str, Any]) -> int:
        with self.lock:
            top = self._db.execute("SELECT COALESCE(MAX(id), ?) FROM leads", (FIRST_LEAD_ID,)).fetchone()[0]
            self._db.execute(
                "INSERT INTO leads (id, account, email, doc) VALUES (?, ?, ?, ?)",
                (top + 1, account, key_of(doc["email"]), json.dumps(doc)),
            )
            return int(top + 1)

    def save_lead(self, lead: dict[str, Any]) -> None:
        doc = {key: value for key, value in lead.items() if key not in ("id", "deleted")}
        with self.lock:
            self._db.execute(
                "UPDATE leads SET email = ?, deleted = ?, doc = ? WHERE id = ?",
                (key_of(lead["email"]), int(lead["deleted"]), json.dumps(doc), lead["id"]),
            )

    def leads(self, account: int, *, deleted: bool = False) -> Iterator[dict[str, Any]]:
        """All leads, in the order of their ids."""
        with self.lock:
            rows = self._db.execute(
                "SELECT id, deleted, doc FROM leads WHERE account = ? AND deleted <= ? ORDER BY id",
                (account, int(deleted)),
            ).fetchall()
        for row in rows:
            yield {**json.loads(row[2]), "id": row[0], "deleted": bool(row[1])}

    def count_leads(self, account: int) -> int:
        with self.lock:
            row = self._db.execute(
                "SELECT COUNT(*) FROM leads WHERE account = ? AND deleted = 0", (account,)
            ).fetchone()
        return int(row[0])

    # catalogue: tag, list, sequence, page, calendar, custom_field, membership, product

    def thing(self, account: int, kind: str, name: str) -> dict[str, Any] | None:
        with self.lock:
            row = self._db.execute(
                "SELECT id, doc FROM things WHERE account = ? AND kind = ? AND name = ?", (account, kind, name)
            ).fetchone()
        return {**json.loads(row[1]), "id": row[0], "name": name} if row else None

    def things(self, account: int, kind: str) -> list[dict[str, Any]]:
        with self.lock:
            rows = self._db.execute(
                "SELECT id, name, doc FROM things WHERE account = ? AND kind = ? ORDER BY id", (account, kind)
            ).fetchall()
        return [{**json.loads(row[2]), "id": row[0], "name": row[1]} for row in rows]

    def add_thing(self, account: int, kind: str, name: str, **doc: Any) -> int:
        with self.lock:
            self._db.execute(
                "INSERT OR IGNORE INTO things (account, kind, name, doc) VALUES (?, ?, ?, ?)",
                (account, kind, name, json.dumps(doc)),
            )
            found = self.thing(account, kind, name)
        return int(found["id"]) if found else 0

    def drop_thing(self, account: int, kind: str, name: str) -> None:
        with self.lock:
            self._db.execute("DELETE FROM things WHERE account = ? AND kind = ? AND name = ?", (account, kind, name))

    # payments: transaction, subscription

    def payment(self, account: int, kind: str, id: str) -> dict[str, Any] | None:
        if not id.strip().isdecimal() or len(id) > 15:
            return None
        with self.lock:
            row = self._db.execute(
                "SELECT id, lead, doc FROM payments WHERE id = ? AND account = ? AND kind = ?", (int(id), account, kind)
            ).fetchone()
        return {**json.loads(row[2]), "id": row[0], "lead": row[1]} if row else None

    def payments(self, account: int, kind: str, lead: int | None = None) -> list[dict[str, Any]]:
        where, more = (" AND lead = ?", (lead,)) if lead is not None else ("", ())
        with self.lock:
            rows = self._db.execute(
                f"SELECT id, lead, doc FROM payments WHERE account = ? AND kind = ?{where} ORDER BY id",
                (account, kind, *more),
            ).fetchall()
        return [{**json.loads(row[2]), "id": row[0], "lead": row[1]} for row in rows]

    def add_payment(self, account: int, kind: str, lead: int, **doc: Any) -> int:
        first = {"transaction": 70_000, "subscription": 8_000}[kind]
        with self.lock:
            top = self._db.execute("SELECT MAX(id) FROM payments WHERE kind = ?", (kind,)).fetchone()[0] or first
            # ids of the two kinds come from one table: keep them apart by stepping over what is taken
            new = top + 1
            while self._db.execute("SELECT 1 FROM payments WHERE id = ?", (new,)).fetchone():
                new += 1
            self._db.execute(
                "INSERT INTO payments (id, account, kind, lead, doc) VALUES (?, ?, ?, ?, ?)",
                (new, account, kind, lead, json.dumps(doc)),
            )
        return int(new)

    def save_payment(self, payment: dict[str, Any]) -> None:
        doc = {key: value for key, value in payment.items() if key not in ("id", "lead")}
        with self.lock:
            self._db.execute("UPDATE payments SET doc = ? WHERE id = ?", (json.dumps(doc), payment["id"]))

    # everything else by key

    def meta(self, key: str, default: Any) -> Any:
        with self.lock:
            row = self._db.execute("SELECT doc FROM meta WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else default

    def set_meta(self, key: str, value: Any) -> None:
        with self.lock:
            self._db.execute("INSERT OR REPLACE INTO meta (key, doc) VALUES (?, ?)", (key, json.dumps(value)))

    def clear(self) -> None:
        with self.together():
            for table in ("leads", "things", "payments", "meta"):
                self._db.execute(f"DELETE FROM {table}")
