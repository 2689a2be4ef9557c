"""The five groups a new installation has. Made once, by its first `migrate`; afterwards they belong to whoever edits them."""

from decimal import Decimal
from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy

LOOK = {
    "leads": (
        "account",
        "activity",
        "bulkrun",
        "calendar",
        "calendarclass",
        "customfield",
        "lead",
        "leadchange",
        "mailinglist",
        "membership",
        "membershiplevel",
        "page",
        "product",
        "recurringsubscription",
        "segment",
        "sequence",
        "tag",
        "transaction",
    ),
    "integrations": ("apicall", "attempt", "delivery"),
}

VIEWER = tuple(f"{app}.view_{model}" for app, models in LOOK.items() for model in models)

ON_LEADS = tuple(
    f"leads.{name}"
    for name in (
        "create_lead",
        "update_lead",
        "assign_tag",
        "unassign_tag",
        "subscribe_list",
        "unsubscribe_list",
        "give_points",
        "remove_points",
        "subscribe_sequence",
        "unsubscribe_sequence",
        "subscribe_calendar",
        "cancel_calendar",
    )
)
"""Changes of a lead that move no money."""

PLANS = ("leads.cancel_subscription", "leads.pause_subscription", "leads.unpause_subscription")
SEGMENTS = ("leads.add_segment",)
PEOPLE = ("auth.view_user", "auth.add_user", "auth.change_user", "auth.view_group")

GROUPS: dict[str, tuple[str, ...]] = {
    "Viewer": VIEWER,
    "Support": (*VIEWER, *ON_LEADS, *PLANS, "leads.refund_transaction"),
    "Marketer": (*VIEWER, *ON_LEADS, *SEGMENTS, "leads.start_bulkrun", "leads.steer_bulkrun"),
    "Manager": (
        *VIEWER,
        *ON_LEADS,
        *PLANS,
        *PEOPLE,
        *SEGMENTS,
        "leads.change_segment",
        "leads.delete_segment",
        "leads.approve_bulkrun",
        "leads.resubscribe_list",
        "leads.refund_transaction",
        "leads.edit_subscription",
        "leads.start_bulkrun",
        "leads.steer_bulkrun",
        "leads.decide_change",
        "leads.export_lead",
        "leads.forget_lead",
        "leads.view_import",
        "leads.add_import",
        "leads.change_account",
        "integrations.view_connection",
        "integrations.view_webhookendpoint",
        "integrations.create_customfield",
    ),
    "Engineer": (
        *VIEWER,
        *PEOPLE,
        "leads.change_account",
        "leads.view_import",
        "leads.add_import",
        "leads.forget_lead",
        "integrations.view_connection",
        "integrations.add_connection",
        "integrations.change_connection",
        "integrations.view_webhookendpoint",
        "integrations.add_webhookendpoint",
        "integrations.change_webhookendpoint",
        "integrations.rotate_webhookendpoint",
        "integrations.replay_delivery",
        "integrations.see_webhook_addresses",
        "integrations.switch_sending",
        "integrations.use_console",
        "integrations.create_customfield",
    ),
}

WORDS = {
    "Viewer": gettext_lazy("looks at everything, changes nothing"),
    "Support": gettext_lazy("changes one lead at a time, refunds up to a bound"),
    "Marketer": gettext_lazy("bulk actions up to a size"),
    "Manager": gettext_lazy("all bulk actions, decisions, money, files, colleagues"),
    "Engineer": gettext_lazy("connections, addresses, the sending switch, colleagues"),
}
"""What each does, in a few words, where somebody is put into one."""

LIMITS: dict[str, dict[str, Any]] = {
    "Support": {"refund_ceiling": Decimal("100.00")},
    "Marketer": {"largest_run": 5000},
}
"""How far they go alone; see `leads.access`. Support lacks the permission to start bulk actions altogether."""


def make(apps: Any = apps, using: str = "default", **kwargs: Any) -> None:
    """After `migrate`: make the groups where there is none of them yet, with the models of `apps`. The receiver of
    `post_migrate`; permissions are made by then."""
    group_model = apps.get_model("auth", "Group")
    groups = group_model.objects.using(using)
    if groups.filter(name__in=GROUPS).exists():
        return
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    limits = apps.get_model("leads", "GroupLimits").objects.using(using)
    known = {
        f"{app}.{codename}": pk
        for pk, app, codename in permissions.values_list("pk", "content_type__app_label", "codename")
    }
    for name, wanted in GROUPS.items():
        group = groups.create(name=name)
        group.permissions.set([known[permission] for permission in wanted])
        limits.create(group=group, **LIMITS.get(name, {}))


class WiringConfig(AppConfig):
    """The wiring as an app of Django's: its groups are made when all permissions are there."""

    name = "kartra_mirror"

    def ready(self) -> None:
        # After auth's own receiver, for the last app that has models.
        post_migrate.connect(make, sender=apps.get_app_config("integrations"))
