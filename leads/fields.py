"""The fields of a lead that Kartra can tell, each with all that is true of it: one entry here and one column of `Lead`.

Names are Kartra's, and the columns' of `Lead`; the plain client has a list of its own. Custom fields are rows, not entries.
"""

from dataclasses import dataclass
from typing import Any, Literal

from django.utils.translation import gettext_lazy as _, gettext_noop

PERSON, CONTACT = gettext_noop("Person"), gettext_noop("Contact")
BUSINESS, WEB = gettext_noop("Business"), gettext_noop("Web")


@dataclass(frozen=True)
class LeadField:
    """One field. A field without a `group` is one that Kartra takes from nobody; `email` it takes as an address of its own."""

    name: str
    words: Any
    """What people call the column of a file."""
    group: str = ""
    """Under which heading of a form it is typed."""
    headers: tuple[str, ...] = ()
    """Headers of a file that mean it besides its name, folded: small letters, nothing between the words."""
    value: Literal["text", "number", "flag", "moment"] = "text"
    told_by_reads: bool = True
    """Whether a read of the lead tells it; some are told by messages and exports alone."""
    kartra_header: str = ""
    """Its column in the files that Kartra's own import takes; empty where that takes none."""
    help_text: Any = ""

    @property
    def is_writable(self) -> bool:
        """Whether Kartra takes it as a value of an edit."""
        return bool(self.group) and self.name != "email"


LEAD_FIELDS = (
    LeadField("email", _("Email"), PERSON, ("email", "emailaddress", "mail", "leademail"), kartra_header="Email"),
    LeadField(
        "first_name",
        _("First name"),
        PERSON,
        ("firstname", "first", "givenname", "forename"),
        kartra_header="First name",
    ),
    LeadField("middle_name", _("Middle name"), PERSON, ("middlename", "middle"), kartra_header="Middle name"),
    LeadField(
        "last_name", _("Last name"), PERSON, ("lastname", "last", "surname", "familyname"), kartra_header="Last name"
    ),
    LeadField("last_name2", _("Second last name"), PERSON, ("lastname2", "secondlastname")),
    LeadField(
        "lead_picture",
        _("Picture"),
        PERSON,
        ("picture", "leadpicture"),
        help_text=_("Address of a small picture."),
    ),
    LeadField("phone_country_code", _("Phone country code"), CONTACT, ("phonecountrycode", "countrycode", "phonecode")),
    LeadField("phone", _("Phone"), CONTACT, ("phone", "phonenumber", "telephone", "mobile"), kartra_header="Phone"),
    LeadField("address", _("Address"), CONTACT, ("address", "street", "streetaddress"), kartra_header="Address"),
    LeadField("zip", _("Zip"), CONTACT, ("zip", "zipcode", "postcode", "postalcode"), kartra_header="Zip"),
    LeadField("city", _("City"), CONTACT, ("city", "town"), kartra_header="City"),
    LeadField("state", _("State"), CONTACT, ("state", "region", "province"), kartra_header="State"),
    LeadField(
        "country",
        _("Country"),
        CONTACT,
        kartra_header="Country",
        help_text=_("As Kartra shows it: a name, such as Canada."),
    ),
    LeadField(
        "lead_preferred_time_zone",
        _("Preferred time zone"),
        CONTACT,
        ("timezone", "preferredtimezone"),
        kartra_header="Time zone",
        help_text=_("Exactly as Kartra's own list has it; other names may be ignored or refused."),
    ),
    LeadField("ip", _("IP address"), CONTACT, ("ip", "ipaddress")),
    LeadField(
        "company",
        _("Company"),
        BUSINESS,
        ("company", "companyname", "organisation", "organization"),
        kartra_header="Company",
    ),
    LeadField("sales_tax_id", _("Sales tax id"), BUSINESS, told_by_reads=False),
    LeadField(
        "business_type",
        _("Business type"),
        BUSINESS,
        told_by_reads=False,
        help_text=_("A number; which one means what stands in Kartra."),
    ),
    LeadField("website", _("Website"), WEB, ("website", "url", "site"), kartra_header="Website"),
    LeadField("facebook", _("Facebook"), WEB, kartra_header="Facebook"),
    LeadField("twitter", _("Twitter (X)"), WEB, ("twitter", "x", "twitterx"), kartra_header="X"),
    LeadField("linkedin", _("LinkedIn"), WEB, ("linkedin",), kartra_header="LinkedIn"),
    LeadField(
        "google_plus",
        _("Google Plus"),
        WEB,
        told_by_reads=False,
        help_text=_("Kartra's older fields only."),
    ),
    LeadField("username", _("Username")),
    LeadField("instagram", _("Instagram"), told_by_reads=False, kartra_header="Instagram"),
    LeadField("ip_country", _("Country of the IP address"), headers=("ipcountry",)),
    LeadField("source", _("Source"), headers=("source", "leadsource")),
    LeadField("source_id", _("Source id")),
    LeadField("referring_id", _("Referring id"), told_by_reads=False),
    LeadField("score", _("Score"), headers=("score", "points", "leadscore"), value="number"),
    LeadField("blacklisted", _("Blacklisted"), value="flag"),
    LeadField(
        "date_joined",
        _("Date joined"),
        headers=("datejoined", "joined", "dateadded", "created", "createdat", "datecreated", "subscribedon"),
        value="moment",
    ),
    LeadField("gdpr_lead_status", _("GDPR status")),
    LeadField("gdpr_lead_status_date", _("GDPR status since")),
    LeadField("gdpr_lead_status_ip", _("GDPR status from IP")),
    LeadField("gdpr_lead_communications", _("GDPR communications")),
    LeadField("notes", _("Notes"), headers=("notes", "note")),
)
"""In the order in which forms, facts and files show them."""

BY_NAME = {field.name: field for field in LEAD_FIELDS}
FIELDS = tuple(BY_NAME)
WRITABLE = tuple(field.name for field in LEAD_FIELDS if field.is_writable)
"""What Kartra takes in an edit; beside them the email and the custom fields."""
NOT_READ = frozenset(field.name for field in LEAD_FIELDS if not field.told_by_reads)
