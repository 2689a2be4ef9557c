"""What is known of one lead, arranged for its page. Reads only; a bounded number of queries."""

import zlib
from typing import Any

from django.db.models import Max, QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _, gettext_lazy

from integrations.models import ApiCall, Cause
from kartra_mirror.admin.leads.one_lead import ties, timeline
from leads import kinds, orders as charges
from leads.access import RequestUser
from leads.changes import conflicts
from leads.fields import LEAD_FIELDS
from leads.filters import duplicates
from leads.kinds.writable_fields import CUSTOM
from leads.labels import STATUS_WORDS
from leads.models import OPEN, ChangeStatus, CustomField, Lead, LeadChange, Reason
from leads.orders import Order

SHOWN = 50

GDPR_STATUS = {
    "0": gettext_lazy("GDPR is switched off for the account"),
    "1": gettext_lazy("not subject to GDPR"),
    "2": gettext_lazy("accepted"),
    "3": gettext_lazy("not accepted"),
    "4": gettext_lazy("unknown (the place could not be determined)"),
    "5": gettext_lazy("pending"),
}

MONEY_KINDS = [name for name, kind in kinds.ALL.items() if kind.money]


def of(lead: Lead, user: RequestUser, tab: str = "", rows: str = "", until: str = "") -> dict[str, Any]:
    """Everything the page shows beside its form. `tab`, `rows` and `until`: which part of the timeline, how much
    of it, and up to which day."""
    wishes = _wishes(lead)
    return {
        **wishes,
        **_facts(lead),
        **timeline.of(lead, user, timeline.tab_of(tab), rows, until),
        **ties.of(lead, user, wishes["still_open"]),
        **_money(lead, user),
        "second": duplicates.likely(lead),
    }


def mark(lead: Lead) -> str:
    """What changes whenever the page would say something else: cheap to ask for, so that an open page may ask often."""
    still_open = lead.changes.filter(status__in=OPEN).order_by("pk").values_list("pk", "status")[:SHOWN]
    last = lead.changes.aggregate(Max("pk"), Max("settled_at"))
    told = lead.activities.aggregate(Max("pk"))
    moved = (lead.changed_seq, lead.read_at, lead.dirty_at, lead.absent_at, lead.gone_at, lead.orders_read_at)
    known = (*moved, *last.values(), *told.values(), *still_open, timezone.localdate())
    return f"{zlib.crc32(repr(known).encode()):08x}"


def label(name: str) -> str:
    """A field's name as the page shows it."""
    words = str(getattr(Lead._meta.get_field(name), "verbose_name", name)).replace("gdpr", "GDPR")
    return words[:1].upper() + words[1:]


def _money_in_a_line(orders: list[Order], plans: list[Any]) -> str:
    """ "126.00 paid in 2 orders, 20.00 given back; 1 plan active"."""
    taken = charges.together(order.sums("taken") for order in orders)
    returned = charges.together(order.sums("returned") for order in orders)
    active = sum(plan.status.lower() == "active" for plan in plans)
    failed = sum(charge.effect == "failed" for order in orders for charge in order.charges)
    paid = [order for order in orders if order.taken or order.untold]
    told = [_("%(sum)s paid, orders: %(orders)s") % {"sum": taken or "0.00", "orders": len(paid)}]
    if orders and not paid:
        told = [_("nothing paid")]
    if returned:
        told.append(_("%(sum)s refunded") % {"sum": returned})
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
    still_open = list(lead.changes.filter(status__in=OPEN).select_related("requested_by", "run").order_by("pk")[:SHOWN])
    by_field: dict[str, list[Any]] = {}
    own = {name.removeprefix(CUSTOM) for change in still_open for name in change.parameters if name.startswith(CUSTOM)}
    fields = CustomField.objects.filter(account=lead.account_id, identifier__in=own) if own else []
    options = {f"{CUSTOM}{each.identifier}": each.options for each in fields}
    for change in still_open:
        if change.family == "profile":
            for name, value in change.parameters.items():
                by_field.setdefault(name, []).append(_at_field(change, lead, name, value, options))
    return {
        "still_open": still_open,
        "by_field": by_field,
        "to_decide": [
            (change, conflicts.answers_to(change).items(), conflicts.dropped(lead, change))
            for change in still_open
            if change.status == ChangeStatus.UNDECIDED and change.decided_with_id is None
        ],
    }


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
            if not field.group and field.name != "score" and (value := getattr(lead, field.name)) not in ("", None)
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
        return _("Not in Kartra yet, so there is nothing to check.")
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


# --- money


def _money(lead: Lead, user: RequestUser) -> dict[str, Any]:
    """Charges by order, subscriptions, and what this person may do with them."""
    orders = charges.orders_of(lead)
    plans = list(lead.recurring_subscriptions.select_related("product")[:SHOWN])
    return {
        "orders": orders,
        "money_words": _money_in_a_line(orders, plans) if orders or plans else "",
        "most_charges": charges.MOST,
        "subscriptions": plans,
        "may": {name: user.has_perm(kinds.get_kind(name).permission) for name in MONEY_KINDS},
    }
