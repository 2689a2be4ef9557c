"""What a column of Kartra's exports can be, and which header means what: by its words, or as it was said last time.

Kartra documents no column names of its exports, so every suggestion can be changed.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.utils import translation
from django.utils.translation import gettext_lazy as _

from leads.fields import LEAD_FIELDS
from leads.importing.files import CannotImport
from leads.models import Account, ColumnMapping, CustomField, ImportKind, RowRemark
from leads.models.remarks import remark, sentence_of, vocabulary

CUSTOM = "custom."

LEADS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "id": (_("Kartra id"), ("id", "leadid", "kartraid", "contactid", "kartraleadid")),
    **{field.name: (field.words, field.headers) for field in LEAD_FIELDS},
    "tags": (_("Tags"), ("tags", "tag")),
    "lists": (_("Lists"), ("lists", "list", "mailinglists")),
    "left_lists": (_("Lists left"), ("leftlists", "listsleft")),
}
"""{field: (what people see, headers that mean it)} of a lead; `custom.<identifier>` besides."""

TRANSACTIONS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "id": (
        _("Transaction id"),
        ("transactionid", "orderid", "ordernumber", "id", "kartraid", "invoiceid", "transaction"),
    ),
    "type": (_("Type"), ("type", "transactiontype", "status", "eventtype")),
    "at": (_("Date"), ("date", "transactiondate", "datetime", "at", "created", "createdat", "orderdate")),
    "full_amount": (
        _("Amount"),
        ("amount", "fullamount", "transactionfullamount", "total", "price", "totalamount", "transactionamount"),
    ),
    "base_amount": (_("Base amount"), ("baseamount", "transactionbaseamount", "baseprice", "subtotal")),
    "discount": (_("Discount"), ("discount", "transactiondiscount", "coupon")),
    "shipping": (_("Shipping"), ("shipping", "transactionshipping")),
    "tax": (_("Tax"), ("tax", "transactiontax", "vat", "salestax")),
    "currency": (_("Currency"), ("currency", "currencycode", "transactioncurrency", "ccy")),
    "quantity": (_("Quantity"), ("quantity", "transactionquantity", "qty", "units")),
    "product": (_("Product"), ("product", "productname")),
    "product_id": (_("Product id"), ("productid",)),
    "price_point": (_("Price point"), ("pricepoint", "productpricepoint")),
    "parent_kartra_id": (
        _("Id of the refunded sale"),
        ("transactionparentid", "parentid", "parenttransactionid", "refundedsale"),
    ),
    "subscription_id": (
        _("Subscription id"),
        ("subscriptionid", "internalsubscriptionid", "transactioninternalsubscriptionid"),
    ),
    "affiliate": (_("Affiliate"), ("affiliate", "transactionaffiliate")),
    "lead_id": (_("Lead's Kartra id"), ("leadid", "buyerid", "customerid", "contactid")),
    "lead_email": (_("Lead's email"), ("leademail", "buyeremail", "email", "customeremail", "emailaddress")),
    "lead_first_name": (_("Lead's first name"), ("leadfirstname", "buyerfirstname", "firstname")),
    "lead_last_name": (_("Lead's last name"), ("leadlastname", "buyerlastname", "lastname")),
}
"""The same of a transaction."""


class Column(NamedTuple):
    """A field of files as a code, so that rows can name it."""

    value: str
    label: Any


for _kind, _columns in ((ImportKind.LEADS, LEADS), (ImportKind.TRANSACTIONS, TRANSACTIONS)):
    vocabulary([Column(f"{_kind} {_target}", _words) for _target, (_words, _headers) in _columns.items()])


def targets(kind: str) -> dict[str, tuple[Any, tuple[str, ...]]]:
    return TRANSACTIONS if kind == ImportKind.TRANSACTIONS else LEADS


def named(kind: str, target: str) -> dict[str, Any]:
    """A field as rows name it."""
    if target.startswith(CUSTOM):
        return remark(RowRemark.CUSTOM_FIELD, name=target.removeprefix(CUSTOM))
    return {"what": f"{kind} {target}"}


def label(kind: str, target: str) -> str:
    """What people see for a field."""
    return sentence_of(named(kind, target))


def header(target: str) -> str:
    """The header under which our own files hold a field of a lead: the same in every language, for they are read again."""
    with translation.override(None):
        return label(ImportKind.LEADS, target)


def custom_targets(account: Account, kind: str) -> list[str]:
    """The account's custom fields as targets; transactions have none."""
    if kind != ImportKind.LEADS:
        return []
    known = CustomField.objects.filter(account=account, missing_since=None)
    return [f"{CUSTOM}{identifier}" for identifier in known.values_list("identifier", flat=True)]


def suggest(account: Account, kind: str, headers: Sequence[str]) -> dict[str, str]:
    """{what it is: header} for a new file: as this account's last files were matched, else by the header's own words."""
    saved = dict(
        ColumnMapping.objects.filter(
            account=account, kind=kind, header__in=[_key(header) for header in headers]
        ).values_list("header", "target")
    )
    custom = {_plain(target.removeprefix(CUSTOM)): target for target in custom_targets(account, kind)}
    found: dict[str, str] = {}
    for header in headers:
        target = saved.get(_key(header))
        if target and target not in found and is_target(kind, target):
            found[target] = header
    for header in headers:
        if _key(header) in saved or header in found.values():
            continue
        target = by_words(kind, header) or custom.get(_plain(header))
        if header.startswith(CUSTOM) and kind == ImportKind.LEADS and len(header) > len(CUSTOM):
            target = header
        if target and target not in found:
            found[target] = header
    return found


def by_words(kind: str, header: str) -> str | None:
    """The field that a header's own words mean, if it is plain."""
    plain = _plain(header)
    if not plain:
        return None
    with translation.override(None):
        for target, (words, synonyms) in targets(kind).items():
            if plain in (_plain(target), _plain(str(words))) or plain in synonyms:
                return target
    return None


def says_kartra(header: str) -> bool:
    """Whether a heading says that the ids under it are Kartra's."""
    return "kartra" in _plain(header)


def is_target(kind: str, target: str) -> bool:
    if target.startswith(CUSTOM):
        return kind == ImportKind.LEADS and len(target) > len(CUSTOM)
    return target in targets(kind)


def checked(kind: str, headers: Sequence[str], mapping: Mapping[str, str]) -> dict[str, str]:
    """The mapping, if a file of these headers can be loaded with it. Raises CannotImport, saying what is missing."""
    columns = ", ".join(headers)[:1000]
    for target, header in mapping.items():
        if not is_target(kind, target):
            known = [*targets(kind), *([f"{CUSTOM}<identifier>"] if kind == ImportKind.LEADS else [])]
            told = {"name": target, "names": ", ".join(known)}
            raise CannotImport(_("There is no field %(name)s. There are: %(names)s.") % told)
        if header not in headers:
            told = {"name": header, "names": columns}
            raise CannotImport(_("The file has no column %(name)s. Its columns are: %(names)s.") % told)
    if kind == ImportKind.TRANSACTIONS and "id" not in mapping:
        raise CannotImport(
            _(
                'No column is known to hold the transaction\'s id. Say which: --map id="<header>" on the command line. '
                "The file's columns are: %(names)s."
            )
            % {"names": columns}
        )
    if kind == ImportKind.LEADS and not {"email", "id"} & set(mapping):
        raise CannotImport(
            _(
                "No column is known to hold the email address or the lead's id. Say which: "
                '--map email="<header>" on the command line. The file\'s columns are: %(names)s.'
            )
            % {"names": columns}
        )
    return dict(mapping)


def remember(account: Account, kind: str, headers: Sequence[str], mapping: Mapping[str, str]) -> None:
    """Keep how the columns of a file were matched, for the next file of this account."""
    by_header = {header: target for target, header in mapping.items()}
    ColumnMapping.objects.bulk_create(
        [
            ColumnMapping(account=account, kind=kind, header=_key(header), target=by_header.get(header, ""))
            for header in headers
        ],
        update_conflicts=True,
        unique_fields=["account", "kind", "header"],
        update_fields=["target"],
    )


def _key(header: str) -> str:
    return header.strip().casefold()[:255]


def _plain(header: str) -> str:
    """The letters and digits of a heading, of every script: one that is not understood must not be passed over."""
    text = unicodedata.normalize("NFKC", header).casefold()
    return "".join(each for each in text if unicodedata.category(each)[0] in "LMN")
