"""The permissions of the kinds of change, and the five groups a new installation has: made once, by its first `migrate`. One that
nobody has changed gets what a later version adds; the others belong to whoever changed them. Which groups may do a kind of change,
the kind says itself.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.apps import AppConfig, apps
from django.core import checks
from django.core.exceptions import FieldDoesNotExist
from django.db import transaction
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy

from kartra_mirror.edge.checks import check_public_url, check_var_dir
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
        "peoplelist",
        "product",
        "recipe",
        "recurringsubscription",
        "schedule",
        "segment",
        "sequence",
        "tag",
        "transaction",
    ),
    "integrations": ("apicall", "attempt", "delivery"),
}

VIEWER = tuple(f"{app}.view_{model}" for app, models in LOOK.items() for model in models)

SEGMENTS = ("leads.add_segment", "leads.add_watch", "leads.add_peoplelist")
PLANS = ("leads.add_recipe", "leads.add_schedule")
RIGHTS = ("leads.forget_lead", "leads.export_person", "leads.view_datasubjectrequest")
PEOPLE = ("auth.view_user", "auth.add_user", "auth.change_user", "auth.view_group")

GROUPS: dict[str, tuple[str, ...]] = {
    "Viewer": VIEWER,
    "Support": VIEWER,
    "Marketer": (*VIEWER, *SEGMENTS, *PLANS, "leads.start_bulkrun", "leads.steer_bulkrun"),
    "Manager": (
        *VIEWER,
        *PEOPLE,
        *SEGMENTS,
        *PLANS,
        "leads.change_segment",
        "leads.change_watch",
        "leads.delete_segment",
        "leads.change_recipe",
        "leads.delete_recipe",
        "leads.change_schedule",
        "leads.change_peoplelist",
        "leads.delete_peoplelist",
        "leads.approve_bulkrun",
        "leads.resubscribe_list",
        "leads.start_bulkrun",
        "leads.steer_bulkrun",
        "leads.decide_change",
        "leads.export_lead",
        *RIGHTS,
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
        *RIGHTS,
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
    "Support": gettext_lazy("changes one lead at a time, refunds up to a limit"),
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


@dataclass(frozen=True)
class GroupState:
    """A group of ours as it stands. `wanted`: what a new installation gives it. `given`: what it had when it was last given
    something, as far as those permissions are there still; None: not known."""

    name: str
    has: frozenset[str]
    wanted: frozenset[str]
    given: frozenset[str] | None

    @property
    def lacks(self) -> list[str]:
        return sorted(self.wanted - self.has)

    @property
    def besides(self) -> list[str]:
        return sorted(self.has - self.wanted)

    @property
    def is_changed(self) -> bool:
        """Whether somebody gave it something, or took something away, and it is not as a new one would be."""
        return self.has not in (self.given, self.wanted)

    @property
    def new(self) -> list[str]:
        """What it was never given."""
        return sorted(self.wanted - self.has - (self.given or frozenset()))


class Groups:
    """The groups of ours in a database, with the models of `apps`."""

    def __init__(self, apps: Any = apps, using: str = "default") -> None:
        self.groups = apps.get_model("auth", "Group").objects.using(using)
        self.limits = apps.get_model("leads", "GroupLimits").objects.using(using)
        permissions = apps.get_model("auth", "Permission").objects.using(using)
        self.known = {
            f"{app}.{codename}": pk
            for pk, app, codename in permissions.values_list("pk", "content_type__app_label", "codename")
        }

    def wanted(self) -> dict[str, frozenset[str]]:
        """What a new installation gives to each group, as far as it is there: an app may not be migrated yet."""
        return {name: frozenset(wanted & self.known.keys()) for name, wanted in permissions_of_groups().items()}

    def make(self) -> None:
        """All five, where there is none of them yet."""
        for name, wanted in self.wanted().items():
            group = self.groups.create(name=name)
            group.permissions.set([self.known[permission] for permission in wanted])
            self.limits.create(group=group, given=sorted(wanted), **LIMITS.get(name, {}))

    def states(self) -> list[GroupState]:
        """Those that are there; one that was deleted or renamed is no concern of ours any more."""
        wanted = self.wanted()
        return [self._state(group, wanted[group.name]) for group in self.groups.filter(name__in=wanted).order_by("pk")]

    def _state(self, group: Any, wanted: frozenset[str]) -> GroupState:
        rows = group.permissions.values_list("content_type__app_label", "codename")
        limits = self.limits.filter(group=group).first()
        given = None if limits is None or limits.given is None else frozenset(limits.given) & self.known.keys()
        return GroupState(group.name, frozenset(f"{app}.{name}" for app, name in rows), wanted, given)

    def give(self, state: GroupState) -> None:
        """Give the group what it lacks, and remember what it has then. Safe to repeat; nothing is taken away."""
        has = state.has | state.wanted
        if state.given == has and not state.lacks:
            return
        group = self.groups.get(name=state.name)
        group.permissions.add(*(self.known[permission] for permission in state.lacks))
        self.limits.update_or_create(group=group, defaults={"given": sorted(has)})


def make(apps: Any = apps, using: str = "default", stdout: Any = None, verbosity: int = 0, **kwargs: Any) -> None:
    """After `migrate`: make what is missing of the kinds' permissions, and the groups where there is none of them yet; give new
    permissions to a group that nobody changed, and name the others. The receiver of `post_migrate`; the permissions of the
    models are made by then."""
    try:
        apps.get_model("leads", "GroupLimits")._meta.get_field("given")
    except (LookupError, FieldDoesNotExist):  # migrated back to a time before this
        return
    with transaction.atomic(using):
        _make_permissions(apps, using)
        groups = Groups(apps, using)
        states = groups.states()
        if not states:
            groups.make()
        for state in states:
            if not state.is_changed:
                groups.give(state)
    left = [state for state in states if state.is_changed and state.new]
    if stdout is not None and verbosity >= 1:
        for state in left:
            stdout.write(
                f"  The group {state.name} was changed by hand and is left without what is new: {', '.join(state.new)}.\n"
                "  manage.py groups shows it, groups --sync gives it.\n"
            )


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
        checks.register(check_public_url, checks.Tags.security)
        from kartra_mirror.entry import second_factor, sessions  # noqa: F401  (its receiver)

        checks.register(second_factor.check_mode, checks.Tags.security)
        checks.register(check_var_dir, checks.Tags.security)
