"""What goes wrong between us and Kartra, in codes with the words that people read. This room is plain Python: the words are marked
for translators, and whoever shows them translates them (`integrations.sending.error_messages`)."""

from __future__ import annotations

import enum


def gettext_noop(text: str) -> str:
    """The text as it is. Tools that collect texts for translators know this name."""
    return text


class Trouble(enum.StrEnum):
    """A code, and its words as `label`."""

    label: str

    def __new__(cls, code: str, label: str) -> Trouble:
        member = str.__new__(cls, code)
        member._value_, member.label = code, label
        return member

    # nothing was sent
    BAD_HOST = "bad_host", gettext_noop("The API address %(host)s cannot be used")
    BAD_ADDRESS = (
        "bad_address",
        gettext_noop("The API address cannot be used; it should look like https://app.kartra.com/api"),
    )
    NO_HOST = "no_host", gettext_noop("The host %(host)s cannot be found; check the API address")
    NOT_REACHED = "not_reached", gettext_noop("%(host)s cannot be reached; check the API address, or try again later")
    NOT_CONNECTED = "not_connected", gettext_noop("%(host)s did not take the connection in time; try again later")
    NOT_SECURE = (
        "not_secure",
        gettext_noop("No secure connection to %(host)s could be made; check the API address"),
    )
    NO_TURN = "no_turn", gettext_noop("Kartra's speed limit left no room for this call.")
    NO_TURN_WITHIN = (
        "no_turn_within",
        gettext_noop("Kartra's speed limit left no room for this call within %(wait)s seconds. Please try again."),
    )
    NO_LIMITER = "no_limiter", gettext_noop("The speed limiter does not answer.")
    NOT_HERE = (
        "not_here",
        gettext_noop(
            "This machine does not have the mark of this database's installation (in VAR_DIR, or in Redis), so the database "
            "is probably a copy: nothing is updated from Kartra or sent to it. If the original still runs, leave it so. If this "
            "is where the installation is now, say so on the connection's page, or type: connect NAME --here"
        ),
    )
    KEY_LOST = (
        "key_lost",
        gettext_noop(
            "The encryption key with which the API key and password of %(name)s were stored is not among "
            "FIELD_ENCRYPTION_KEYS. Put it back, or enter both again on the connection's page."
        ),
    )
    NO_REDIS = (
        "no_redis",
        gettext_noop("The speed limiter (Redis) does not answer, so nothing is sent to Kartra until it does."),
    )
    # no answer that can be read
    NO_REASON = "no_reason", gettext_noop("Kartra gave no reason")
    HTTP = "http", gettext_noop("Kartra answered HTTP %(status)s, which says nothing of the call")
    TOO_SLOW = "too_slow", gettext_noop("Kartra did not answer in time")
    NO_END = "no_end", gettext_noop("Kartra's answer did not end in time")
    TOO_LONG = "too_long", gettext_noop("Kartra's answer is too long to be one of its API")
    BROKE_OFF = "broke_off", gettext_noop("Kartra's answer broke off")
    CONNECTION_FAILED = "connection_failed", gettext_noop("The connection to Kartra failed")
    CONNECTION_BROKE = "connection_broke", gettext_noop("The connection to Kartra broke off before an answer came")
    NO_TEXT = "no_text", gettext_noop("Kartra's answer cannot be read: it is no text")
    EMPTY_ANSWER = "empty_answer", gettext_noop("Kartra's answer was empty")
    NO_JSON = "no_json", gettext_noop("Kartra's answer cannot be read: it is no JSON")
    WEB_PAGE = "web_page", gettext_noop("Kartra's answer cannot be read: it is a web page")
    OTHER_JSON = "other_json", gettext_noop("Kartra's answer cannot be read: it is JSON of another form")
    NO_RESULT = "no_result", gettext_noop("Kartra's answer has neither a status nor a result")
    NO_COMMAND = "no_command", gettext_noop("Kartra's answer does not mention %(command)s")
    NO_KEY = "no_key", gettext_noop("Kartra's answer has no %(key)s")
    NO_LEAD = "no_lead", gettext_noop("Kartra's answer has no lead in it")
    NO_TRANSACTION = "no_transaction", gettext_noop("Kartra's answer has no transaction in it")
    NO_SUBSCRIPTION = "no_subscription", gettext_noop("Kartra's answer has no subscription in it")
    OTHER_LEAD = "other_lead", gettext_noop("Kartra answered with a lead of another address")
    NOT_SAID_WHOSE = "not_said_whose", gettext_noop("Kartra's answer does not say whose it is")
    OUR_FAULT = "our_fault", gettext_noop("Our own code failed while the call was made (%(name)s).")
    # a message that cannot be read
    EMPTY_MESSAGE = "empty_message", gettext_noop("The message is empty.")
    NO_OBJECT = "no_object", gettext_noop("The message is JSON, but not an object.")
    TOO_DEEP = "too_deep", gettext_noop("The message is nested too deeply to be one of Kartra's.")
    MESSAGE_UNREADABLE = "message_unreadable", gettext_noop("The message cannot be read. %(why)s")
    NOT_JSON_PAGE = "not_json_page", gettext_noop("This is a web page, not JSON.")
    AROUND_JSON = "around_json", gettext_noop("There is something else around the JSON.")
    JSON_MISSING = "json_missing", gettext_noop("There is no JSON in it.")
    TOO_MANY_FIELDS = "too_many_fields", gettext_noop("The form has too many fields to be one of Kartra's.")
    FORM_UNREADABLE = "form_unreadable", gettext_noop("The form cannot be read.")
    NO_EVENT = "no_event", gettext_noop("The message is a form without the event in it.")
    PAYMENT_HERE = (
        "payment_here",
        gettext_noop("This is a payment message: in Kartra its address has to be the one that ends in /ipn/."),
    )
    EVENT_HERE = (
        "event_here",
        gettext_noop("This is an event: in Kartra its address has to be the one without ipn/ at its end."),
    )
    NO_ACTION = "no_action", gettext_noop("The message names no action.")
    LONG_ADDRESS = "long_address", gettext_noop("The message holds an address that is longer than any can be.")
    ODD_ID = "odd_id", gettext_noop("The message names a lead by an id that is none of Kartra's.")
    NAMES_NO_LEAD = "names_no_lead", gettext_noop("The message names no lead.")
    NAMES_NO_TAG = "names_no_tag", gettext_noop("The message names no tag.")
    NAMES_NO_LIST = "names_no_list", gettext_noop("The message names no list.")
    NAMES_NO_SEQUENCE = "names_no_sequence", gettext_noop("The message names no sequence.")
    NAMES_NO_MEMBERSHIP = "names_no_membership", gettext_noop("The message names no membership.")
    NAMES_NO_CLASS = "names_no_class", gettext_noop("The message names no calendar and class.")
    COULD_NOT_READ = "could_not_read", gettext_noop("It could not be read (%(name)s).")
    NO_PAYMENT = "no_payment", gettext_noop("The message has none of the fields of a payment.")


def filled(message: str | Trouble, told: dict[str, object]) -> str:
    """What Kartra said, as it is; or the words of a trouble with what belongs into their places, "%(host)s", in English."""
    if not isinstance(message, Trouble):
        return message
    places = {name: value.label if isinstance(value, Trouble) else value for name, value in told.items()}
    return message.label % places if places else message.label
