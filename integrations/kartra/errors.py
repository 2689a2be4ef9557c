"""Every error Kartra documents, sorted once by what to do next, and the exceptions of the client.

No exception holds a credential or a personal detail: not in its text, not in its repr.
"""

import enum
from dataclasses import dataclass

from integrations.kartra.words import Trouble, filled, gettext_noop


class Next(enum.Enum):
    """What to do after an error with a code."""

    REFUSE = "refuse"  # repeating cannot help; show it to a person
    LOOK_UP = "look up"  # the plain answer of a look-up; on a write: read, then decide
    ADOPT = "adopt"  # the lead exists: read it, take its id, go on
    GONE = "gone"  # the lead is deleted
    WAIT = "wait"  # turned away at the door
    VERIFY = "verify"  # it may have been done: read before anything else
    REFRESH_CATALOGUE = "refresh catalogue"  # our catalogue is out of date: read it again; refused
    STOP_CONNECTION = "stop connection"  # our keys
    STOP_APP = "stop app"  # our app
    STOP_COMMAND = "stop command"  # this app may not use this command
    DONE_IF_UNKNOWN_BEFORE = "done if unknown before"  # says that it was done already
    HOLD = "hold"  # a code nobody has documented: a person looks


ANY = "*"
ON_LEAD = "+"


EXISTS = "244"
"""Kartra has a lead of that address. Of a creation: adopt it. Of anything else: refused."""


@dataclass(frozen=True)
class Code:
    """One documented code: Kartra's number and words, the commands it belongs to (space-separated; "*" any,
    "+" any that is about a lead), and what to do next."""

    code: str
    words: str
    commands: str
    next: Next


_TABLE = (
    Code("429", "Too many requests", ANY, Next.WAIT),
    Code("201", "Connection not secure", ANY, Next.STOP_APP),
    Code("202", "API key cannot be empty. Please get an API key first", ANY, Next.STOP_CONNECTION),
    Code("203", "API key not valid. Please get an API key first", ANY, Next.STOP_CONNECTION),
    Code("204", "API Account inactive", ANY, Next.STOP_CONNECTION),
    Code("206", "email or lead id is required. Nothing done", ANY, Next.REFUSE),
    Code("207", "List cannot be empty", "subscribe_lead_to_list", Next.REFUSE),
    Code("208", "List cannot be empty", "unsubscribe_lead_from_list", Next.REFUSE),
    Code("209", "List does not exist", "unsubscribe_lead_from_list", Next.REFRESH_CATALOGUE),
    Code("211", "Tag cannot be empty", "assign_tag", Next.REFUSE),
    Code("212", "Tag does not exist", "assign_tag", Next.REFRESH_CATALOGUE),
    Code("213", "Tag cannot be empty", "unassign_tag", Next.REFUSE),
    Code("214", "Tag does not exist", "unassign_tag", Next.REFRESH_CATALOGUE),
    Code("215", "Points cannot be empty", "give_points_to_lead", Next.REFUSE),
    Code("217", "Points cannot be empty", "remove_points_from_lead", Next.REFUSE),
    Code("219", "Sequence does not exist", "subscribe_lead_to_sequence_at_step", Next.REFRESH_CATALOGUE),
    Code("220", "Sequence does not exist", "unsubscribe_lead_from_sequence", Next.REFRESH_CATALOGUE),
    Code("223", "'lead' not an array", ANY, Next.REFUSE),
    Code("224", "'actions' not an array", ANY, Next.REFUSE),
    Code("225", "Step cannot be empty", "subscribe_lead_to_sequence_at_step", Next.REFUSE),
    Code(
        "226",
        "Sequence cannot be empty",
        "subscribe_lead_to_sequence_at_step unsubscribe_lead_from_sequence",
        Next.REFUSE,
    ),
    Code("227", "Points is not a number", "give_points_to_lead", Next.REFUSE),
    Code("228", "Points is not a number", "remove_points_from_lead", Next.REFUSE),
    Code("229", "Step has to be alphanumeric", "subscribe_lead_to_sequence_at_step", Next.REFUSE),
    Code("230", "Step does not exist", "subscribe_lead_to_sequence_at_step", Next.REFRESH_CATALOGUE),
    Code("231", "List does not exist", "subscribe_lead_to_list", Next.REFRESH_CATALOGUE),
    Code("233", "API password not valid. Please get an API password first", ANY, Next.STOP_CONNECTION),
    Code("234", "No lead found", "get_lead", Next.LOOK_UP),
    Code("236", "'get_lead' not an array", "get_lead", Next.REFUSE),
    Code("238", "App Id cannot be empty. Please get an App Id first", ANY, Next.STOP_APP),
    Code("239", "App Id is not valid. The app does not exists or is inactive", ANY, Next.STOP_APP),
    Code("240", "App Account inactive", ANY, Next.STOP_APP),
    Code("242", "This API call was sent from an unauthorized IP", ANY, Next.STOP_APP),
    Code("243", "No lead found", ON_LEAD, Next.LOOK_UP),
    Code("244", "Lead already exists", "create_lead", Next.ADOPT),
    Code("245", "Lead is deleted", "get_lead search_lead create_lead edit_lead", Next.GONE),
    Code(
        "247", "Transaction doesn't exist", "search_transaction get_transaction_details refund_transaction", Next.REFUSE
    ),
    Code(
        "248",
        "Subscription doesn't exist",
        "search_subscription get_subscription_details cancel_transaction modify_subscription_status edit_subscription",
        Next.REFUSE,
    ),
    Code("249", "Transaction not linked to any recurring subscription", "cancel_transaction", Next.REFUSE),
    Code("250", "Transaction outside refund period", "refund_transaction", Next.REFUSE),
    Code("251", "Transaction already refunded", "refund_transaction", Next.DONE_IF_UNKNOWN_BEFORE),
    Code(
        "252",
        "Subscription already cancelled",
        "cancel_transaction modify_subscription_status",
        Next.DONE_IF_UNKNOWN_BEFORE,
    ),
    Code(
        "253",
        "This type of transaction cannot be refunded or cancelled",
        "refund_transaction cancel_transaction",
        Next.REFUSE,
    ),
    Code("254", "'cmd' is required", ANY, Next.REFUSE),
    Code("255", "Calendar cannot be empty", "calendar_subscribe calendar_cancel", Next.REFUSE),
    Code("256", "Class cannot be empty", "calendar_subscribe calendar_cancel", Next.REFUSE),
    Code("257", "Calendar does not exist", "calendar_subscribe calendar_cancel", Next.REFRESH_CATALOGUE),
    Code("258", "Class does not exist", "calendar_subscribe calendar_cancel", Next.REFRESH_CATALOGUE),
    Code(
        "259", "No active/pending calendar subscription for this lead", "calendar_cancel", Next.DONE_IF_UNKNOWN_BEFORE
    ),
    Code("260", "Invalid date format", "calendar_subscribe edit_subscription", Next.REFUSE),
    Code("261", "Date is in the past", "calendar_subscribe edit_subscription", Next.REFUSE),
    Code("262", "App does not have permission to execute this CMD", ANY, Next.STOP_COMMAND),
    Code(
        "263",
        "Custom Field name can only contain letters, numbers, dashes or underscores",
        "create_custom_field",
        Next.REFUSE,
    ),
    Code("264", "Custom Field already exists or not allowed", "create_custom_field", Next.DONE_IF_UNKNOWN_BEFORE),
    Code("265", "Custom Field cannot be empty", "create_custom_field", Next.REFUSE),
    Code("266", "Refund has failed", "refund_transaction", Next.VERIFY),
    Code("267", "Cancellation has failed", "cancel_transaction modify_subscription_status", Next.VERIFY),
    Code("268", "Invalid amount", "refund_transaction edit_subscription", Next.REFUSE),
    Code("269", "Custom Field type not valid", "create_custom_field", Next.REFUSE),
    Code("270", "Options not an array", "create_custom_field", Next.REFUSE),
    Code("271", "Wrong custom field format", "create_lead edit_lead", Next.REFUSE),
    Code("272", "Option cannot be empty", "create_custom_field", Next.REFUSE),
    Code("273", "Options must have two or more elements", "create_custom_field", Next.REFUSE),
    Code("274", "Wrong status", "modify_subscription_status", Next.REFUSE),
    Code(
        "275",
        "Subscriptions cancelled or terminated cannot be updated",
        "modify_subscription_status edit_subscription",
        Next.REFUSE,
    ),
    Code("276", "Quantity must be between 1 and 9,999", "edit_subscription", Next.REFUSE),
    Code("277", "Price must be between 1.00 and 9,999.99", "edit_subscription", Next.REFUSE),
    Code("278", "Invalid number", "edit_subscription", Next.REFUSE),
    Code("280", "Invalid recurring period", "edit_subscription", Next.REFUSE),
    Code("281", "Recurrence cannot be changed", "edit_subscription", Next.REFUSE),
    Code("282", "Incorrect number of installments", "edit_subscription", Next.REFUSE),
    Code("283", "Wrong product id or price point", "edit_subscription", Next.REFUSE),
    Code("284", "Paypal transactions cannot be modified", "modify_subscription_status edit_subscription", Next.REFUSE),
    Code("285", "No editable parameters for subscription", "edit_subscription", Next.REFUSE),
    Code("290", "Tax must be between 0 and 100", "edit_subscription", Next.REFUSE),
)
CODES: dict[str, Code] = {row.code: row for row in _TABLE}

_CATALOGUE = gettext_noop(
    "Update the catalogue from Kartra; if it is gone there, make it in Kartra first or choose another."
)
_NO_TAG = gettext_noop(
    "There is no such tag in Kartra. Update the catalogue from Kartra; if it is gone there, make it in Kartra first or choose "
    "another."
)
_NO_LIST = gettext_noop(
    "There is no such list in Kartra. Update the catalogue from Kartra; if it is gone there, make it in Kartra first or choose "
    "another."
)
_NO_SEQUENCE = gettext_noop(
    "There is no such sequence in Kartra. Update the catalogue from Kartra; if it is gone there, make it in Kartra first or choose "
    "another."
)
_BUG = gettext_noop("This is a fault in this program, not in your request; please tell your engineer.")
_ADVICE_BY_NEXT = {
    Next.REFUSE: gettext_noop("Repeating it will not help; correct it and ask again."),
    Next.LOOK_UP: gettext_noop("Check the address or id of the lead in Kartra."),
    Next.ADOPT: gettext_noop("The lead is already in Kartra; read it and change it instead."),
    Next.GONE: gettext_noop("The lead was deleted in Kartra; nothing more is sent for it."),
    Next.WAIT: gettext_noop("We slow down and try again by ourselves."),
    Next.VERIFY: gettext_noop("We look at Kartra before anything is repeated."),
    Next.REFRESH_CATALOGUE: _CATALOGUE,
    Next.STOP_CONNECTION: gettext_noop(
        "Enter the API key and password again (in Kartra: Integrations > API > My API), then resume sending."
    ),
    Next.STOP_APP: gettext_noop(
        "Check the app id (in Kartra: Settings > Integrations > My Apps), then resume sending."
    ),
    Next.STOP_COMMAND: gettext_noop("Ask Kartra to allow this command for your app."),
    Next.DONE_IF_UNKNOWN_BEFORE: gettext_noop("It was done before; nothing is left to do."),
    Next.HOLD: gettext_noop("Kartra does not document this code; look at the lead in Kartra and decide."),
}
_ADVICE: dict[str, str] = {
    "201": gettext_noop("Use an address that begins with https://."),
    "202": gettext_noop("Enter the API key (in Kartra: Integrations > API > My API)."),
    "203": gettext_noop("The API key is wrong; copy it again from Kartra: Integrations > API > My API."),
    "204": gettext_noop("The Kartra account of this key is switched off; look into its billing in Kartra."),
    "206": _BUG,
    "212": _NO_TAG,
    "214": _NO_TAG,
    "209": _NO_LIST,
    "231": _NO_LIST,
    "251": gettext_noop("It was refunded before, whole or in part: look at the sale in Kartra before anything else."),
    "219": _NO_SEQUENCE,
    "220": _NO_SEQUENCE,
    "223": _BUG,
    "224": _BUG,
    "230": gettext_noop("Look at the number on the box of the step in Kartra's sequence."),
    "233": gettext_noop("The API password is wrong; copy it again from Kartra: Integrations > API > My API."),
    "234": gettext_noop("Kartra has no lead of this address or id; check the spelling."),
    "236": _BUG,
    "238": gettext_noop("Enter the app id (in Kartra: Settings > Integrations > My Apps)."),
    "239": gettext_noop(
        "The app id is wrong or the app is switched off; see Settings > Integrations > My Apps in Kartra."
    ),
    "240": gettext_noop("The Kartra account that owns the app is switched off; look into its billing in Kartra."),
    "242": gettext_noop(
        "Kartra does not allow this machine's address for the app; have the address allowed in the app's settings."
    ),
    "243": gettext_noop("Kartra has no such lead; create it first, or check the address."),
    "250": gettext_noop("The refund period is over; refund it at the payment processor if you must."),
    "254": _BUG,
    "257": gettext_noop("Check the calendar's name, and that its set-up in Kartra is complete."),
    "258": gettext_noop("Check the name of the class, and that it is of that calendar."),
    "260": gettext_noop("Give the date and hour in the form the page asks for."),
    "261": gettext_noop("Choose a date that is still to come, in Kartra's time zone."),
    "266": gettext_noop("Money may have moved; check the payment processor before anything else."),
    "267": gettext_noop("It may have been cancelled; look at the subscription in Kartra."),
}


def next_step(code: str) -> Next:
    """What to do after this code; HOLD for one that is not documented. An error without a code says nothing of what was
    done: it is looked for."""
    if not code:
        return Next.VERIFY
    known = CODES.get(code)
    return known.next if known else Next.HOLD


def advice(code: str) -> str:
    """What a person is to do after this code: one sentence with a full stop."""
    return _ADVICE.get(code, _ADVICE_BY_NEXT[next_step(code)])


class KartraError(Exception):
    """Base of all. `code` is Kartra's own number ("212"), "" when no answer was read. `message` is what Kartra said; where it said
    nothing, the English words of `trouble` with `told` in their places."""

    def __init__(self, code: str = "", message: "str | Trouble" = "", **told: object) -> None:
        self.code = code
        message = message or (CODES[code].words if code in CODES else Trouble.NO_REASON)
        self.trouble, self.told = message if isinstance(message, Trouble) else None, told
        self.message = filled(message, told)
        super().__init__(self.message)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code!r})"


class NotSent(KartraError):
    """Never left us. Sending again is safe."""


class Throttled(KartraError):
    """Turned away at the door (20 calls a second per app). Nothing was done; wait a second or more."""


class OutcomeUnknown(KartraError):
    """Left us, and no answer that can be read came back. Look before repeating."""


class Rejected(KartraError):
    """Kartra said no. Repeating cannot help."""


class CommandRefused(Rejected):
    """This app may not use this command (262)."""


class CredentialsRefused(KartraError):
    """Our keys or our app, not this change. `scope` is "connection" or "app"."""

    @property
    def scope(self) -> str:
        return "app" if next_step(self.code) is Next.STOP_APP else "connection"


def refusal(code: str, message: str) -> KartraError:
    """The exception for a whole call that Kartra refused with this code."""
    step = next_step(code)
    if step in (Next.STOP_CONNECTION, Next.STOP_APP):
        return CredentialsRefused(code, message)
    if step is Next.STOP_COMMAND:
        return CommandRefused(code, message)
    if step is Next.WAIT:
        return Throttled(code, message)
    return Rejected(code, message)
