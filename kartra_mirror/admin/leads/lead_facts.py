"""What is known of one lead, arranged for its page: at a glance, then by tab. Reads only; a bounded number of queries."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _, gettext_lazy

from integrations.models import ApiCall, Cause
from kartra_mirror.admin.leads import provenance
from kartra_mirror.ui import trail_links
from leads import kinds, orders as charges
from leads.access import RequestUser
from leads.changes import conflicts
from leads.fields import LEAD_FIELDS
from leads.filters import duplicates
from leads.labels import STATUS_WORDS, overtaken_words
from leads.models import OPEN, ChangeStatus, CustomField, Lead, LeadChange, Reason
from leads.orders import Order

SHOWN = 50
LATELY = 8

GDPR_STATUS = {
    "0": gettext_lazy("GDPR is switched off for the account"),
    "1": gettext_lazy("not subject to GDPR"),
    "2": gettext_lazy("accepted"),
    "3": gettext_lazy("not accepted"),
    "4": gettext_lazy("unknown (the place could not be determined)"),
    "5": gettext_lazy("pending"),
}

MONEY_KINDS = [name for name, kind in kinds.ALL.items() if kind.money]


def of(lead: Lead, user: RequestUser) -> dict[str, Any]:
    """Everything the page shows beside its form."""
    shown = {**_wishes(lead), **_facts(lead), **_timeline(lead, user), **_relations(lead, user), **_money(lead, user)}
    return {**shown, "glance": _glance(lead, shown), "second": duplicates.likely(lead)}


def label(name: str) -> str:
    """A field's name as the page shows it."""
    words = str(getattr(Lead._meta.get_field(name), "verbose_name", name)).replace("gdpr", "GDPR")
    return words[:1].upper() + words[1:]


# --- at a glance


def _glance(lead: Lead, shown: dict[str, Any]) -> list[tuple[Any, Any]]:
    """The lines a person on the phone is asked for first: [(label, text)], only what is known."""
    phone = " ".join(part for part in (lead.phone_country_code and f"+{lead.phone_country_code}", lead.phone) if part)
    place = ", ".join(part for part in (lead.city, lead.state, lead.country) if part)
    lines = [
        (_("Phone"), phone),
        (_("Company"), lead.company),
        (_("Where"), place),
        (_("Points"), f"{lead.score:,}" if lead.score is not None else ""),
        (_("Mail"), _("Kartra sends no mail to this address.") if lead.blacklisted else ""),
        (_("GDPR status"), _said("gdpr_lead_status", lead.gdpr_lead_status, lead) if lead.gdpr_lead_status else ""),
        (_("Money"), _money_in_a_line(shown["orders"], shown["subscriptions"])),
    ]
    return [(name, text) for name, text in lines if text]


def _money_in_a_line(orders: list[Order], plans: list[Any]) -> str:
    """ "126.00 paid in 2 orders, 20.00 given back; 1 plan active"."""
    if not orders and not plans:
        return _("nothing known")
    taken = charges.together(order.sums("taken") for order in orders)
    returned = charges.together(order.sums("returned") for order in orders)
    active = sum(plan.status.lower() == "active" for plan in plans)
    failed = sum(charge.effect == "failed" for order in orders for charge in order.charges)
    paid = [order for order in orders if order.taken or order.untold]
    told = [_("%(sum)s paid, orders: %(orders)s") % {"sum": taken or "0.00", "orders": len(paid)}]
    if orders and not paid:
        told = [_("nothing paid")]
    if returned:
        told.append(_("%(sum)s given back") % {"sum": returned})
    if failed:
        told.append(_("failed payments: %(number)s") % {"number": failed})
    if active:
        told.append(_("plans active: %(number)s") % {"number": active})
    if any(order.untold for order in orders):
        told.append(_("not all amounts are known"))
    return "; ".join(told)


# --- wishes


def _wishes(lead: Lead) -> dict[str, Any]:
    """The lead's changes; those that are open by the field they are about; conflicts."""
    rows = list(
        lead.changes.select_related("requested_by", "run", "superseded_by__requested_by").order_by("-pk")[:SHOWN]
    )
    still_open = list(lead.changes.filter(status__in=OPEN).select_related("requested_by", "run").order_by("pk")[:SHOWN])
    by_field: dict[str, list[Any]] = {}
    options = {
        f"custom.{each.identifier}": each.options for each in CustomField.objects.filter(account=lead.account_id)
    }
    for change in still_open:
        if change.family == "profile":
            for name, value in change.parameters.items():
                by_field.setdefault(name, []).append(_at_field(change, lead, name, value, options))
    return {
        "wishes": [(change, _state_words(change)) for change in rows],
        "open_wishes": [(change, STATUS_WORDS[change.status]) for change in still_open],
        "by_field": by_field,
        "to_decide": [
            (change, conflicts.answers_to(change).items(), conflicts.dropped(lead, change))
            for change in still_open
            if change.status == ChangeStatus.UNDECIDED and change.decided_with_id is None
        ],
    }


def _state_words(change: LeadChange) -> str:
    return overtaken_words(change) if change.status == ChangeStatus.SUPERSEDED else str(STATUS_WORDS[change.status])


def _at_field(change: LeadChange, lead: Lead, name: str, value: Any, options: dict[str, list[Any]]) -> dict[str, Any]:
    """What is shown beside a field about a wish: its value, its state, and whether Kartra holds something else by now."""
    names = {str(number): str(words) for number, words in options.get(name, [])}
    return {
        "change": change,
        "value": ", ".join(names.get(str(each), str(each)) for each in (value if isinstance(value, list) else [value])),
        "words": STATUS_WORDS[change.status],
        "conflict": change.reason == Reason.CONFLICT and name in conflicts.conflicts_of(lead, change),
        "dropped": conflicts.dropped(lead, change),
    }


# --- facts


def _facts(lead: Lead) -> dict[str, Any]:
    return {
        "facts": [
            (label(field.name), _said(field.name, value, lead))
            for field in LEAD_FIELDS
            if not field.group and (value := getattr(lead, field.name)) not in ("", None)
        ],
        "custom_facts": [
            (identifier, ", ".join(str(option[1]) for option in value) if isinstance(value, list) else value)
            for identifier, value in sorted(lead.custom_values.items())
            if value
        ],
        "extra": sorted(lead.extra.items()),
        "addresses": lead.emails.all()[:10],
        "calls": _calls(lead).select_related("made_by")[:SHOWN],
        "absence": _absence(lead),
    }


def _calls(lead: Lead) -> QuerySet[ApiCall]:
    """Those that somebody wanted. Of an address that Kartra has no lead of, those too that found it so."""
    calls = ApiCall.objects.filter(lead=lead)
    return calls if lead.absent_at else calls.exclude(writes=False, cause=Cause.REFRESH)


def _absence(lead: Lead) -> str:
    """What is known of an address that Kartra has no lead of; empty of every other lead."""
    if not lead.absent_at or lead.kartra_id:
        return ""
    asked = ApiCall.objects.filter(lead=lead, writes=False, finished_at__lte=lead.absent_at).order_by("-pk").first()
    if asked is None:
        return _("Not in Kartra yet, so there is nothing to read.")
    at = date_format(timezone.localtime(asked.finished_at), "j M Y H:i")
    return _("Asked Kartra on %(at)s: it has no lead of this address.") % {"at": at}


def _said(name: str, value: Any, lead: Lead) -> Any:
    """A fact as the page says it. Kartra's own times name their zone."""
    if name == "gdpr_lead_status_date":
        return _("%(when)s, Kartra's time (%(zone)s)") % {"when": value, "zone": lead.account.time_zone}
    if name == "gdpr_lead_status":
        return f"{value}: {GDPR_STATUS.get(str(value), _('not documented'))}"
    if name == "gdpr_lead_communications":
        return _("%(value)s (Kartra's own value; its pages contradict each other about what it means)") % {
            "value": value
        }
    if name == "blacklisted":
        return _("yes: Kartra sends no mail to this address") if value else _("no")
    return value


def _timeline(lead: Lead, user: RequestUser) -> dict[str, Any]:
    """The last lines with what is behind each: [(activity, [Link])]."""
    rows = lead.activities.select_related("account", "change__run", "change__requested_by")[:SHOWN]
    told = [(row, trail_links.links(row, user)) for row in rows]
    return {"timeline": told, "lately": told[:LATELY]}


# --- ties


def _relations(lead: Lead, user: RequestUser) -> dict[str, Any]:
    """Tags, lists, sequences, bookings and memberships, each row with its story and the links behind it."""
    purchases = provenance.purchases_of(lead)
    rows = {
        "tags": lead.leadtags.select_related("tag").order_by("tag__name"),
        "lists": lead.listsubscriptions.select_related("mailing_list").order_by("-active", "mailing_list__name"),
        "sequences": lead.sequenceenrollments.select_related("sequence").order_by("sequence__name"),
        "bookings": lead.calendarenrollments.select_related("calendar_class__calendar").order_by("-starts_at"),
        "memberships": lead.membershipgrants.select_related("level__membership"),
    }
    loaded = {
        name: list(each.select_related("activity", "change__run", "change__requested_by"))
        for name, each in rows.items()
    }
    told: dict[str, Any] = {
        name: [(row, provenance.sentence(row, purchases), _links(row, user)) for row in each]
        for name, each in loaded.items()
    }
    told["bookings"] = [
        (*each, lead.account.time_of_kartra(each[0].starts_at) if each[0].starts_at else _("time not told"))
        for each in told["bookings"]
    ]
    return told


def _links(row: Any, user: RequestUser) -> list[trail_links.Link]:
    if row.change is not None:
        return trail_links.of_change(row.change, user)
    found = trail_links.of_cause(row.activity, user)
    return [found] if found else []


# --- money


def _money(lead: Lead, user: RequestUser) -> dict[str, Any]:
    """Charges by order, subscriptions, and what this person may do with them."""
    return {
        "orders": charges.orders_of(lead),
        "most_charges": charges.MOST,
        "subscriptions": list(lead.recurring_subscriptions.select_related("product")[:SHOWN]),
        "may": {name: user.has_perm(kinds.get_kind(name).permission) for name in MONEY_KINDS},
    }
