"""People of groups, and a sale that may be too much for them."""

from decimal import Decimal

from django.contrib.auth.models import Group
from django.utils import timezone

from leads import changes, kinds
from leads.models import Lead, StaffLimits, Transaction
from tests.factories import StaffFactory

LEADS, USERS = "/admin/leads/lead/", "/admin/auth/user/"


def member(*names, **given):
    user = StaffFactory(**given)
    user.groups.set(Group.objects.filter(name__in=names))
    return user


def limited(user, *accounts):
    StaffLimits.objects.create(user=user, limited=True).accounts.set(accounts)
    return user


def sale(lead, amount="80.00", id="70001"):
    return Transaction.objects.create(
        account=lead.account,
        kartra_id=id,
        lead=lead,
        type="sale",
        full_amount=Decimal(amount),
        reported=False,
        at=timezone.now(),
    )


def leads_list_of(client, user):
    client.force_login(user)
    return client.get(LEADS).content.decode()


def give_all_points(account, by):
    return changes.record_run(
        account, Lead.objects.filter(account=account), kinds.get_kind("give_points"), {"points": 5}, by=by
    )
