"""The permissions of the kinds of change, and the five groups a new installation has: made once, by its first `migrate`; afterwards
they belong to whoever edits them. What may be done with a kind of change, and which groups may, the kind says itself."""

from decimal import Decimal
from typing import Any

from django.apps import AppConfig, apps
from django.core import checks
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy

from leads.kind import every_kind

LAST = "integrations"
"""The last app that has models. Django tells of the end of `migrate` app by app, of those with models alone."""

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

SEGMENTS = ("leads.add_segment",)
PEOPLE = ("auth.view_user", "auth.add_user", "auth.change_user", "auth.view_group")

GROUPS: dict[str, tuple[str, ...]] = {
    "Viewer": VIEWER,
    "Support": VIEWER,
    "Marketer": (*VIEWER, *SEGMENTS, "leads.start_bulkrun", "leads.steer_bulkrun"),
    "Manager": (
        *VIEWER,
        *PEOPLE,
        *SEGMENTS,
        "leads.change_segment",
        "leads.delete_segment",
        "leads.approve_bulkrun",
        "leads.resubscribe_list",
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
"""What each may do besides changes of leads."""

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


def permissions_of_groups() -> dict[str, set[str]]:
    """What a new installation gives to each group."""
    return {
        name: {*others, *(kind.permission for kind in every_kind() if name in kind.groups)}
        for name, others in GROUPS.items()
    }


def make(apps: Any = apps, using: str = "default", **kwargs: Any) -> None:
    """After `migrate`: make what is missing of the kinds' permissions, and the groups where there is none of them yet, with the
    models of `apps`. The receiver of `post_migrate`; the permissions of the models are made by then."""
    try:
        limits_model = apps.get_model("leads", "GroupLimits")
    except LookupError:  # migrated back to a time before the groups
        return
    _make_permissions(apps, using)
    groups = apps.get_model("auth", "Group").objects.using(using)
    if groups.filter(name__in=GROUPS).exists():
        return
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    known = {
        f"{app}.{codename}": pk
        for pk, app, codename in permissions.values_list("pk", "content_type__app_label", "codename")
    }
    for name, wanted in permissions_of_groups().items():
        group = groups.create(name=name)
        group.permissions.set([known[permission] for permission in wanted])
        limits_model.objects.using(using).create(group=group, **LIMITS.get(name, {}))


def _make_permissions(apps: Any, using: str) -> None:
    """`Meta.permissions` is read before any kind is known, so those of the kinds are rows of their own making. One that is
    there stays as it is, and with it who has it."""
    content_types = apps.get_model("contenttypes", "ContentType").objects.using(using)
    of_changes = content_types.get(app_label="leads", model="leadchange")
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    known = set(permissions.filter(content_type=of_changes).values_list("codename", flat=True))
    names = {kind.permission.removeprefix("leads."): kind.permission_words for kind in every_kind()}
    permissions.bulk_create(
        permissions.model(content_type=of_changes, codename=codename, name=words)
        for codename, words in names.items()
        if codename not in known
    )


def check_last_app(apps: Any = apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """That nothing comes after what the groups are made after: of a later app they would lack the permissions."""
    last = [app.label for app in apps.get_app_configs() if app.models_module is not None][-1]
    if last == LAST:
        return []
    return [
        checks.Error(
            f"Permissions and groups are made after {LAST}, but {last} is the last app in INSTALLED_APPS that has models.",
            hint=f"Put {last} before {LAST}, or name it in kartra_mirror.groups.LAST.",
            id="kartra_mirror.E001",
        )
    ]


class WiringConfig(AppConfig):
    """The wiring as an app of Django's: its groups are made when all permissions are there."""

    name = "kartra_mirror"

    def ready(self) -> None:
        # After auth's own receiver, for the last app that has models.
        post_migrate.connect(make, sender=apps.get_app_config(LAST))
        checks.register(check_last_app)
