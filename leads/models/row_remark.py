"""What we say of a row of a file, and of a person whom it or a message names, in codes with the words that people read."""

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from leads.models.remarks import remark, vocabulary
from leads.texts import lookalikes


@vocabulary
class RowRemark(models.TextChoices):
    FORGOTTEN = "forgotten", _("This person asked to be forgotten and is left out.")
    LOOKALIKE = (
        "lookalike",
        _("“%(email)s” holds characters that only look like others: %(odd)s. Write it as %(plain)s."),
    )
    # the row as a whole
    TOO_LONG = "row_too_long", _("It is longer than %(most)s characters.")
    NEVER_CLOSED = "never_closed", _("A quotation mark is opened and never closed.")
    ODD_QUOTE = "odd_quote", _("A quotation mark stands where none may be.")
    TOO_MANY_CELLS = "too_many_cells", _("it has %(cells)s cells, the header %(width)s")
    LEAD_TWICE = "lead_twice", _("the same lead stands further up in the file; the first one counts")
    TRANSACTION_TWICE = (
        "transaction_twice",
        _("the same transaction stands further up in the file; the first one counts"),
    )
    # whose it is
    NOBODY = "nobody", _("it has neither an email address nor an id")
    NO_ADDRESS = "no_address", _("“%(email)s” is not an email address")
    SEVERAL_ADDRESSES = (
        "several_addresses",
        _("it holds more than one email address; write each into a row of its own"),
    )
    UNKNOWN_ID = "unknown_id", _("our copy has no lead of the id %(id)s, and the row has no email address")
    KARTRA_ANSWERED = "kartra_answered", _("Kartra answered: %(message)s")
    KARTRA_SILENT = "kartra_silent", _("Kartra was asked %(number)s times and gave no answer; add the list again later")
    NO_NUMBER_ID = "no_number_id", _("the id “%(id)s” is not a number")
    NO_TRANSACTION_ID = "no_transaction_id", _("it has no transaction id")
    UNCHECKED_ID = (
        "unchecked_id",
        _("our copy does not know its id, and it has no address by which the id could be checked"),
    )
    TWO_LEADS = (
        "two_leads",
        _("two leads of our copy have this address; give the lead's id in a column of its own"),
    )
    NOBODYS_ADDRESS = "nobodys_address", _("its id is that of %(lead)s, its address %(email)s is nobody's in our copy")
    OTHERS_ADDRESS = (
        "others_address",
        _("our copy has no lead of the id %(id)s, and its address is that of %(other)s"),
    )
    DIFFERENT_LEADS = "different_leads", _("its id and its address name different leads: %(lead)s and %(other)s")
    OTHER_ID = "other_id", _("in Kartra %(email)s has the id %(id)s")
    # its cells
    CUSTOM_FIELD = "custom_field", _("Custom field %(name)s")
    CELL_OF = "cell_of", "%(column)s: %(problem)s"
    COLUMN_OF = "column_of", "%(column)s: %(problem)s."
    CELL_NO_TEXT = "cell_no_text", _("the cell %(column)s holds characters that are no text")
    CELL_TOO_LONG = "cell_too_long", _("the cell %(column)s is longer than %(most)s characters")
    VALUE_TOO_LONG = "value_too_long", _("the %(field)s is longer than %(most)s characters")
    TYPE_TOO_LONG = "type_too_long", _("the type is longer than 32 characters")
    NO_TEXT = "column_no_text", _("%(column)s: it holds characters that are no text.")
    SHORTENED = (
        "shortened",
        _("a spreadsheet has shortened it to %(cell)s. Format the column as text and export it again"),
    )
    NO_NUMBER = "no_number", _("%(cell)s is no number")
    NO_FLAG = "no_flag", _("%(cell)s is neither yes nor no")
    NO_AMOUNT = "no_amount", _("%(cell)s is no amount")
    UNKNOWN_SIGN = "unknown_sign", _("%(cell)s is no amount: the currency “%(currency)s” is not known")
    TOO_LARGE_AMOUNT = "too_large_amount", _("%(cell)s is too large an amount")
    TWO_READINGS = "two_readings", _("%(cell)s can be read in two ways; write it with two digits after the point")
    NO_DATE = "no_date", _("the date %(cell)s cannot be read")
    SKIPPED_HOUR = (
        "skipped_hour",
        _("the hour %(cell)s does not exist in %(zone)s: the clocks were put forward over it"),
    )
    BELOW_NOTHING = "below_nothing", _("the quantity %(quantity)s is below nothing")
    UNKNOWN_CURRENCY = "unknown_currency", _("the currency “%(currency)s” is not known")
    SEVERAL_CURRENCIES = "several_currencies", _("its amounts are in several currencies: %(names)s")
    BAD_TRANSACTION_ID = (
        "bad_transaction_id",
        _("the transaction's id “%(id)s” is none (a spreadsheet may have shortened it)"),
    )
    BAD_PRODUCT_ID = (
        "bad_product_id",
        _("the product's id “%(id)s” is none (a spreadsheet may have shortened it)"),
    )
    BAD_REFUNDED_ID = (
        "bad_refunded_id",
        _("the id of the refunded sale “%(id)s” is none (a spreadsheet may have shortened it)"),
    )
    BAD_SUBSCRIPTION_ID = (
        "bad_subscription_id",
        _("the subscription's id “%(id)s” is none (a spreadsheet may have shortened it)"),
    )
    BAD_LEAD_ID = "bad_lead_id", _("the lead's id “%(id)s” is none (a spreadsheet may have shortened it)")
    NOT_IN_COPY = (
        "not_in_copy",
        _("“%(name)s” is not in our copy of this account. Several %(noun)s are separated by ; (semicolons)"),
    )
    ONE_OR_SEVERAL = (
        "one_or_several",
        _(
            "“%(name)s” may be one name or several: names of %(noun)s are separated by ; (semicolons). If other signs part "
            "them in this file, say so (on the page of its columns, or with --separator)"
        ),
    )
    TAGS = "tags", _("tags")
    LISTS = "lists", _("lists")


def lookalike(email: str | None) -> dict[str, Any]:
    """Why this address is not taken: two addresses would look alike. {} where it holds no such character."""
    places = lookalikes(email)
    return remark(RowRemark.LOOKALIKE, **places) if places else {}
