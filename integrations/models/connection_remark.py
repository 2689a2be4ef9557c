"""What we say of a connection, in codes with the words that people read: what a check of it found, and why reading is stopped."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from leads.models.remarks import vocabulary


@vocabulary
class ConnectionRemark(models.TextChoices):
    # its address
    NO_ADDRESS = "no_api_address", _("This is no address. Kartra's is https://app.kartra.com/api")
    NO_SCHEME = "no_scheme", _("The API address begins with https://, as in https://app.kartra.com/api")
    KEYS_IN_ADDRESS = (
        "keys_in_address",
        _("The API address holds no name, password or question mark; keys are entered apart."),
    )
    PLAIN_HTTP = (
        "plain_http",
        _(
            "Over http:// others could read the keys, so only %(hosts)s may use it. Use "
            "https://%(host)s…, or add the host to PLAIN_HTTP_HOSTS."
        ),
    )
    NOT_KARTRAS = (
        "not_kartras",
        _("%(host)s is not Kartra's: keys go to %(hosts)s only. Add the host to KARTRA_HOSTS if it is meant."),
    )
    KEYS_AGAIN = (
        "keys_again",
        _("You changed the address or the app id, so enter key and password again."),
    )
    # its check
    WORKS_ONE = "works_one", _("Kartra answers and takes these keys; the account has %(number)s list.")
    WORKS = "works", _("Kartra answers and takes these keys; the account has %(number)s lists.")
    FAILED = "check_failed", "%(message)s"
    OTHER_SERVER = (
        "other_server",
        _("Something other than Kartra's API answers at this address. Check the address, or try again later."),
    )
    OTHER_ACCOUNT = (
        "other_account",
        _(
            "These keys are of another Kartra account: it has none of the leads and lists that our copy of "
            "%(name)s has. "
            "Make a connection of its own for that account."
        ),
    )
    # reads
    MANY_DELETED = (
        "many_deleted",
        _(
            "%(gone)s of the last %(read)s leads we checked are deleted in Kartra. That is more than "
            "%(limit)s, so updates are stopped until somebody decides: the keys may be those of another "
            "account."
        ),
    )
