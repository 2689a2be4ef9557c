"""What a column of Kartra's exports can be, and which header means what: by its words, or as it was said last time.

Kartra documents no column names of its exports, so every suggestion can be changed.
"""

import re
from collections.abc import Mapping, Sequence

from leads.importing.files import CannotImport
from leads.mirror import FIELDS
from leads.models import Account, ColumnMapping, CustomField, ImportKind

CUSTOM = "custom."

LEADS: dict[str, tuple[str, tuple[str, ...]]] = {
    "id": ("Kartra id", ("id", "leadid", "kartraid", "contactid", "kartraleadid")),
    **{name: (name.replace("_", " ").capitalize(), ()) for name in FIELDS},
    "email": ("Email", ("email", "emailaddress", "mail", "leademail")),
    "first_name": ("First name", ("firstname", "first", "givenname", "forename")),
    "middle_name": ("Middle name", ("middlename", "middle")),
    "last_name": ("Last name", ("lastname", "last", "surname", "familyname")),
    "last_name2": ("Second last name", ("lastname2", "secondlastname")),
    "phone": ("Phone", ("phone", "phonenumber", "telephone", "mobile")),
    "phone_country_code": ("Phone country code", ("phonecountrycode", "countrycode", "phonecode")),
    "company": ("Company", ("company", "companyname", "organisation", "organization")),
    "address": ("Address", ("address", "street", "streetaddress")),
    "zip": ("Zip", ("zip", "zipcode", "postcode", "postalcode")),
    "city": ("City", ("city", "town")),
    "state": ("State", ("state", "region", "province")),
    "ip": ("IP address", ("ip", "ipaddress")),
    "ip_country": ("Country of the IP address", ("ipcountry",)),
    "lead_picture": ("Picture", ("picture", "leadpicture")),
    "website": ("Website", ("website", "url", "site")),
    "twitter": ("Twitter (X)", ("twitter", "x", "twitterx")),
    "linkedin": ("LinkedIn", ("linkedin",)),
    "lead_preferred_time_zone": ("Preferred time zone", ("timezone", "preferredtimezone")),
    "score": ("Score", ("score", "points", "leadscore")),
    "source": ("Source", ("source", "leadsource")),
    "date_joined": ("Date joined", ("datejoined", "joined", "dateadded", "created", "createdat", "datecreated", "subscribedon")),
    "notes": ("Notes", ("notes", "note")),
    "tags": ("Tags", ("tags", "tag")),
    "lists": ("Lists", ("lists", "list", "mailinglists")),
    "left_lists": ("Lists left", ("leftlists", "listsleft")),
}  # fmt: skip
"""{field: (what people see, headers that mean it)} of a lead; `custom.<identifier>` besides."""

TRANSACTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "id": ("Transaction id", ("transactionid", "orderid", "ordernumber", "id", "kartraid", "invoiceid", "transaction")),
    "type": ("Type", ("type", "transactiontype", "status", "eventtype")),
    "at": ("Date", ("date", "transactiondate", "datetime", "at", "created", "createdat", "orderdate")),
    "full_amount": (
        "Amount", ("amount", "fullamount", "transactionfullamount", "total", "price", "totalamount", "transactionamount"),
    ),
    "base_amount": ("Base amount", ("baseamount", "transactionbaseamount", "baseprice", "subtotal")),
    "discount": ("Discount", ("discount", "transactiondiscount", "coupon")),
    "shipping": ("Shipping", ("shipping", "transactionshipping")),
    "tax": ("Tax", ("tax", "transactiontax", "vat", "salestax")),
    "quantity": ("Quantity", ("quantity", "transactionquantity", "qty", "units")),
    "product": ("Product", ("product", "productname")),
    "product_id": ("Product id", ("productid",)),
    "price_point": ("Price point", ("pricepoint", "productpricepoint")),
    "parent_kartra_id": ("Id of the refunded sale", ("transactionparentid", "parentid", "parenttransactionid", "refundedsale")),
    "subscription_id": (
        "Subscription id", ("subscriptionid", "internalsubscriptionid", "transactioninternalsubscriptionid"),
    ),
    "affiliate": ("Affiliate", ("affiliate", "transactionaffiliate")),
    "lead_id": ("Lead's Kartra id", ("leadid", "buyerid", "customerid", "contactid")),
    "lead_email": ("Lead's email", ("leademail", "buyeremail", "email", "customeremail", "emailaddress")),
    "lead_first_name": ("Lead's first name", ("leadfirstname", "buyerfirstname", "firstname")),
    "lead_last_name": ("Lead's last name", ("leadlastname", "buyerlastname", "lastname")),
}  # fmt: skip
"""The same of a transaction."""


def targets(kind: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    return TRANSACTIONS if kind == ImportKind.TRANSACTIONS else LEADS


def label(kind: str, target: str) -> str:
    """What people see for a field."""
    if target.startswith(CUSTOM):
        return f"Custom field {target.removeprefix(CUSTOM)}"
    return targets(kind)[target][0]


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
    for target, (words, synonyms) in targets(kind).items():
        if plain in (_plain(target), _plain(words)) or plain in synonyms:
            return target
    return None


def is_target(kind: str, target: str) -> bool:
    if target.startswith(CUSTOM):
        return kind == ImportKind.LEADS and len(target) > len(CUSTOM)
    return target in targets(kind)


def checked(kind: str, headers: Sequence[str], mapping: Mapping[str, str]) -> dict[str, str]:
    """The mapping, if a file of these headers can be loaded with it. Raises CannotImport, saying what is missing."""
    columns = ", ".join(headers)[:1000]
    for target, header in mapping.items():
        if not is_target(kind, target):
            custom = f", {CUSTOM}<identifier>" if kind == ImportKind.LEADS else ""
            raise CannotImport(f"There is no field {target}. There are: {', '.join(targets(kind))}{custom}.")
        if header not in headers:
            raise CannotImport(f"The file has no column {header}. Its columns are: {columns}.")
    if kind == ImportKind.TRANSACTIONS and "id" not in mapping:
        raise CannotImport(
            'No column is known to hold the transaction\'s id. Say which: --map id="<header>" on the command line. '
            f"The file's columns are: {columns}."
        )
    if kind == ImportKind.LEADS and not {"email", "id"} & set(mapping):
        raise CannotImport(
            "No column is known to hold the email address or the lead's id. Say which: "
            f'--map email="<header>" on the command line. The file\'s columns are: {columns}.'
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
        update_conflicts=True, unique_fields=["account", "kind", "header"], update_fields=["target"],
    )  # fmt: skip


def _key(header: str) -> str:
    return header.strip().casefold()[:255]


def _plain(header: str) -> str:
    return re.sub(r"[^a-z0-9]", "", header.casefold())
