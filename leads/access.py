"""What a person may do alone: in which accounts, on how many leads, up to which refund.

Asked by the lists (only rows of a person's accounts are shown) and by `leads.changes` (nothing beyond it is recorded).
Nobody, as on the command line, is not bound. Each model says how its rows lead to an account; none is known here by name.
"""

from decimal import Decimal
from typing import Any, TypeVar

from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _

from leads.models import Account, StaffLimits
from leads.models.account_path import NoAccountPath, account_path

Rows = TypeVar("Rows", bound=Model)

RequestUser = User | AnonymousUser
"""Who makes a request."""
Author = RequestUser | None
"""Who asks for something; None is the command line or a worker."""

BULK = "leads.start_bulkrun"
EXPORT = "leads.export_lead"
REFUND = "leads.refund_transaction"


class NotAllowed(ValueError):
    """It is more than this person may do alone. The text is a sentence for them."""


def user_of(by: Author) -> User | None:
    """The person as a stored user, or None for nobody."""
    return by if isinstance(by, User) and by.pk else None


def signed_in(user: RequestUser) -> User:
    """The person behind a page that only those who are signed in reach."""
    if (person := user_of(user)) is None:
        raise PermissionDenied
    return person


def groups_with(*permissions: str) -> dict[str, list[str]]:
    """The names of the groups that give each of these permissions. One query, none for no permission."""
    found: dict[str, list[str]] = {permission: [] for permission in permissions}
    if not found:
        return found
    rows = Permission.objects.filter(codename__in=[each.partition(".")[2] for each in permissions])
    told = rows.filter(group__isnull=False).order_by("group__name")
    for app, codename, name in told.values_list("content_type__app_label", "codename", "group__name"):
        if f"{app}.{codename}" in found:
            found[f"{app}.{codename}"].append(name)
    return found


def who_may(permission: str) -> str:
    """Which groups may do something, as a sentence for somebody who may not; "" where no group may."""
    names = groups_with(permission)[permission]
    return words_of_groups(names)


def words_of_groups(names: list[str]) -> str:
    return _("Can be done by: %(groups)s.") % {"groups": ", ".join(names)} if names else ""


def accounts_of(user: Author) -> frozenset[int] | None:
    """The accounts a person is limited to, by primary key; None: all. Asked once for a request."""
    person: Any = user_of(user)
    if person is None or person.is_superuser:
        return None
    if not hasattr(person, "accounts_known"):
        limits = StaffLimits.objects.filter(user=person, limited=True).first()
        person.accounts_known = frozenset(limits.accounts.values_list("pk", flat=True)) if limits else None
    known: frozenset[int] | None = person.accounts_known
    return known


def mine(model: type[Model], user: Author) -> Q | None:
    """Which rows of the model a person is shown, as a condition; None: all.

    A model that does not say to which account its rows belong is shown to nobody, whoever asks."""
    accounts = accounts_of(user)
    try:
        path = account_path(model)
    except NoAccountPath:
        return Q(pk__in=[])
    return None if accounts is None or path is None else Q(**{f"{path}__in": accounts})


def only_mine(rows: QuerySet[Rows], user: Author) -> QuerySet[Rows]:
    """The rows of the person's accounts, and those that belong to no account; see `mine`."""
    condition = mine(rows.model, user)
    return rows if condition is None else rows.filter(condition)


def works_in(user: Author, account: int | None) -> bool:
    """Whether a person works in an account, by its primary key; what is of no account yet is of nobody limited."""
    mine = accounts_of(user)
    return mine is None or account in mine


def largest_run(user: Author, groups: "QuerySet[Group] | None" = None) -> int | None:
    """The most leads a person may change at once; None: any number. 1: no bulk actions. `groups`: were they in these."""
    most = _bound(user, groups, BULK, "largest_run")
    return None if most is None else max(int(most), 1)


def refund_ceiling(user: Author, groups: "QuerySet[Group] | None" = None) -> Decimal | None:
    """The most a person may give back of one sale; None: all of it. `groups`: were they in these."""
    most = _bound(user, groups, REFUND, "refund_ceiling")
    return None if most is None else Decimal(most)


def _bound(user: Author, groups: "QuerySet[Group] | None", permission: str, field: str) -> Any:
    """The widest bound among what gives the person the permission (a group, or nothing but the person itself), and no wider
    than any group that binds without giving: the bound of a group holds for all its people, whoever gives them the right.

    Rights add up, so a group that gives the right with a wider bound, or with none, widens it (docs/decisions/0019)."""
    person = user_of(user)
    if groups is None and (person is None or person.is_superuser):
        return None
    app, codename = permission.split(".")
    theirs = Group.objects.filter(user=person) if groups is None else groups
    giving = theirs.filter(permissions__codename=codename, permissions__content_type__app_label=app)
    binding = theirs.exclude(pk__in=giving.values("pk")).exclude(**{f"limits__{field}": None})
    bounds = list(giving.values_list(f"limits__{field}", flat=True))
    own = person.user_permissions.filter(codename=codename, content_type__app_label=app) if person else None
    widest = None if None in bounds or (own is not None and own.exists()) else max(bounds, default=0)
    strictest = [bound for bound in (widest, *binding.values_list(f"limits__{field}", flat=True)) if bound is not None]
    return min(strictest, default=None)


def goes_as_far(user: Author, other: Author, groups: "QuerySet[Group] | None" = None) -> bool:
    """Whether the bounds of a person are as wide as those of another; `groups`: were the other in these."""
    bulk = largest_run(user), largest_run(other, groups)
    refund = refund_ceiling(user), refund_ceiling(other, groups)
    return all(mine is None or (theirs is not None and theirs <= mine) for mine, theirs in (bulk, refund))


def check_account(user: Author, account: Account) -> None:
    """NotAllowed unless the person may work in the account."""
    mine = accounts_of(user)
    if mine is not None and account.pk not in mine:
        raise NotAllowed(_("You do not work in this account. Ask a manager to give you access to it."))


def check_run(user: Author, size: int) -> None:
    """NotAllowed if so many leads are more than the person may change at once."""
    most = largest_run(user) if size > 1 else None
    if most is None or size <= most:
        return
    if most == 1:
        raise NotAllowed(_("You change one lead at a time. Ask a manager to start this bulk action."))
    words = _(
        "You may change up to %(most)s leads at once, and these are %(size)s. Ask a manager to start this bulk action."
    )
    raise NotAllowed(words % {"most": f"{most:,}", "size": f"{size:,}"})


def check_refund(user: Author, amount: Decimal | None, given_back: Decimal) -> None:
    """NotAllowed if the refund, with what was given back of this sale before, is over what the person may give alone."""
    most = refund_ceiling(user)
    if most is None:
        return
    if amount is None:
        words = _(
            "Kartra has not confirmed the amount of this sale. Update it from Kartra first (Transactions, Find "
            "in Kartra), or ask "
            "a manager to give this refund."
        )
        raise NotAllowed(words)
    if amount + given_back <= most:
        return
    words = _("You may refund up to %(most)s of one sale. This comes to %(total)s. Ask a manager to do it.")
    if given_back:
        words = _(
            "You may refund up to %(most)s of one sale. With the %(before)s refunded before, this comes to %(total)s. "
            "Ask a manager to do it."
        )
    told = {"most": f"{most:,.2f}", "before": f"{given_back:,.2f}", "total": f"{amount + given_back:,.2f}"}
    raise NotAllowed(words % told)
