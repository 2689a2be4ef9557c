"""A row of Kartra's transactions export → what the mirror is to take in, or why it cannot be."""

import datetime as dt
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from leads.csv_cells import unshield
from leads.importing import currencies, values
from leads.importing.columns import named
from leads.importing.files import Record
from leads.importing.ids import identity_is_believed
from leads.importing.lead_rows import check_address
from leads.importing.values import Bad
from leads.mirror import ActivityCause, TransactionFact, TransactionRow, Written, write_transactions
from leads.models import Account, ImportKind, RowRemark
from leads.texts import clean_email, without_invisible

MAX_CELL = 2_000
DOCUMENTED = ("sale", "rebill", "refund", "partial_refund", "chargeback", "failed", "cancellation")
"""The types Kartra's payment messages name; others are kept as they come."""


class TransactionRows:
    """Reads rows by a mapping and writes batches of them."""

    def __init__(
        self,
        account: Account,
        headers: Sequence[str],
        mapping: Mapping[str, str],
        *,
        day_first: bool,
        options: Mapping[str, Any],
    ) -> None:
        self.account, self.headers, self.day_first = account, tuple(headers), day_first
        self.believed = identity_is_believed(options)
        self.currency = str(options.get("currency") or currencies.of_account(account))
        self.remarks: Counter[str] = Counter()
        self.zone = account.zone
        index = {header: number for number, header in enumerate(headers)}
        self.columns = [(index[header], target) for target, header in mapping.items()]

    def read(self, record: Record) -> TransactionRow:
        """What the row tells. Raises Bad."""
        cells = record.cells
        if len(cells) > len(self.headers) and any(cell.strip() for cell in cells[len(self.headers) :]):
            raise Bad(RowRemark.TOO_MANY_CELLS, cells=f"{len(cells):,}", width=f"{len(self.headers):,}")
        told: dict[str, str] = {}
        for number, target in self.columns:
            cell = cells[number] if number < len(cells) else ""
            if len(cell) > MAX_CELL or values.UNSTORABLE.search(cell):
                column = named(ImportKind.TRANSACTIONS, target)
                if len(cell) > MAX_CELL:
                    raise Bad(RowRemark.CELL_TOO_LONG, column=column, most=f"{MAX_CELL:,}")
                raise Bad(RowRemark.CELL_NO_TEXT, column=column)
            cell = unshield(cell.strip())
            told[target] = "" if cell.lower() in ("n/a", "null") else cell
        id = _ident(told.get("id", ""), RowRemark.BAD_TRANSACTION_ID)
        if not id:
            raise Bad(RowRemark.NO_TRANSACTION_ID)
        email = clean_email(told.get("lead_email", ""))
        check_address(email)
        type = told.get("type", "")
        if len(type) > 32:
            raise Bad(RowRemark.TYPE_TOO_LONG)
        quantity = values.whole(told.get("quantity", ""))
        if quantity is not None and quantity < 0:
            raise Bad(RowRemark.BELOW_NOTHING, quantity=quantity)
        written = {
            name: values.amount(told.get(name, ""))
            for name in ("full_amount", "base_amount", "discount", "shipping", "tax")
        }
        amounts: dict[str, Decimal | None] = {name: each.number if each else None for name, each in written.items()}
        currency = self._currency(told.get("currency", ""), [each.currency for each in written.values() if each])
        at = values.moment(told.get("at", ""), self.zone, day_first=self.day_first)
        if at is not None and at.doubled:
            self.remarks["doubled"] += 1
        fact = TransactionFact(
            kartra_id=id,
            type=documented(type),
            product=told.get("product", "")[:500],
            product_id=_ident(told.get("product_id", ""), RowRemark.BAD_PRODUCT_ID),
            price_point=told.get("price_point", "")[:32],
            quantity=quantity,
            currency=currency,
            at=at.at if at else None,
            parent_kartra_id=_ident(told.get("parent_kartra_id", ""), RowRemark.BAD_REFUNDED_ID),
            subscription_id=_ident(told.get("subscription_id", ""), RowRemark.BAD_SUBSCRIPTION_ID),
            affiliate=told.get("affiliate", "")[:200],
            authority=True,
            raw=self._raw(cells),
            **amounts,  # type: ignore[arg-type]
        )
        names = {name: told[f"lead_{name}"] for name in ("first_name", "last_name") if told.get(f"lead_{name}")}
        return TransactionRow(record.line, fact, _ident(told.get("lead_id", ""), RowRemark.BAD_LEAD_ID), email, names)

    def _currency(self, cell: str, signs: Sequence[str]) -> str:
        """The currency of the row: that of its column, else that of its amounts. A sign that several currencies have is the
        one that was said or is the account's, where it can be; else it is kept as it stands."""
        if cell and not currencies.meanings(cell):
            raise Bad(RowRemark.UNKNOWN_CURRENCY, currency=cell[:20])
        told = [cell] if cell else [sign for sign in dict.fromkeys(signs) if sign]
        if len(told) > 1:
            raise Bad(RowRemark.SEVERAL_CURRENCIES, names=", ".join(told))
        if not told:
            return ""
        meant = currencies.meanings(told[0])
        if len(meant) > 1 and self.currency in meant:
            return self.currency
        if len(meant) > 1:
            self.remarks[f"sign {told[0]}"] += 1
            return told[0][:8]
        return next(iter(meant))

    def _raw(self, cells: Sequence[str]) -> dict[str, str]:
        """All of the row under the file's own headers, beside what came from elsewhere."""
        told = {
            header: values.UNSTORABLE.sub("\ufffd", cell.strip())[:MAX_CELL]
            for header, cell in zip(self.headers, cells, strict=False)
            if cell.strip()
        }
        return {"export": told}  # type: ignore[dict-item]

    def key(self, row: TransactionRow) -> str:
        """By this a second row of the same transaction is known."""
        return row.fact.kartra_id

    twice = RowRemark.TRANSACTION_TWICE

    def write(self, rows: Sequence[TransactionRow], *, at: dt.datetime, dry_run: bool, cause: ActivityCause) -> Written:
        return write_transactions(self.account, rows, at=at, dry_run=dry_run, cause=cause, believed=self.believed)


def documented(type: str) -> str:
    """The type as payment messages write it, where it is one of theirs ("Partial Refund" is `partial_refund`)."""
    plain = re.sub(r"[ \-]+", "_", type.lower())
    return plain if plain in DOCUMENTED else type


def _ident(cell: str, bad: RowRemark) -> str:
    plain = re.sub(r"\.0$", "", without_invisible(cell).strip())
    if len(plain) > 32 or re.search(r"\s", plain) or values.is_shortened(plain):
        raise Bad(bad, id=cell[:40])
    return "" if plain == "0" else plain
