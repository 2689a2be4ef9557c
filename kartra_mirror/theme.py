"""The theme's settings: names and the side bar. Plain data, read by settings."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _


def _may(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.user.has_perm(permission)


def _link(title: Any, icon: str, app: str, model: str, **more: Any) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{model}_changelist"),
        "permission": _may(f"{app}.view_{model}"),
        **more,
    }


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Kartra Mirror",
    "SITE_HEADER": "Kartra Mirror",
    "SITE_SYMBOL": "flip",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: "/static/kartra_mirror/icon.svg"}
    ],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [lambda request: "/static/kartra_mirror/mirror.css"],
    "ACCOUNT": {
        "navigation": [
            {"title": _("Your sign-in"), "link": reverse_lazy("admin:own_sign_in")},
            {"title": _("Change password"), "link": reverse_lazy("admin:password_change")},
        ]
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "title": _("Leads"),
                "items": [
                    {"title": _("Home"), "icon": "home", "link": reverse_lazy("admin:index")},
                    _link(_("Leads"), "group", "leads", "lead"),
                    _link(_("Segments"), "filter_alt", "leads", "segment"),
                    _link(
                        _("Bulk actions"),
                        "playlist_add_check",
                        "leads",
                        "bulkrun",
                        badge="kartra_mirror.admin.bulk.runs.running_badge",
                    ),
                    {
                        "title": _("Needs your decision"),
                        "icon": "balance",
                        "link": reverse_lazy("admin:decisions"),
                        "permission": _may("leads.view_leadchange"),
                    },
                    {
                        "title": _("Failed changes"),
                        "icon": "error",
                        "link": reverse_lazy("admin:failures"),
                        "permission": _may("leads.view_leadchange"),
                    },
                    _link(_("Requested changes"), "pending_actions", "leads", "leadchange"),
                    _link(_("Timeline"), "history", "leads", "activity"),
                    {
                        "title": _("Changed in Kartra"),
                        "icon": "sync_problem",
                        "link": reverse_lazy("admin:leads_activity_without_us"),
                        "permission": _may("leads.view_activity"),
                    },
                    _link(_("Imports"), "upload_file", "leads", "import"),
                    _link(_("Requests of people"), "privacy_tip", "leads", "datasubjectrequest"),
                ],
            },
            {
                "title": _("In the account"),
                "collapsible": True,
                "items": [
                    _link(_("Tags"), "sell", "leads", "tag"),
                    _link(_("Lists"), "list_alt", "leads", "mailinglist"),
                    _link(_("Sequences"), "mail", "leads", "sequence"),
                    _link(_("Calendars"), "calendar_month", "leads", "calendar"),
                    _link(_("Memberships"), "card_membership", "leads", "membership"),
                    _link(_("Custom fields"), "edit_note", "leads", "customfield"),
                    _link(_("Pages"), "web", "leads", "page"),
                    _link(_("Products"), "shopping_bag", "leads", "product"),
                    _link(_("Transactions"), "payments", "leads", "transaction"),
                    _link(_("Subscriptions"), "autorenew", "leads", "recurringsubscription"),
                ],
            },
            {
                "title": "Kartra",
                "items": [
                    _link(_("Connections"), "cable", "integrations", "connection"),
                    _link(_("Addresses for Kartra"), "door_front", "integrations", "webhookendpoint"),
                    _link(_("Messages from Kartra"), "inbox", "integrations", "delivery"),
                    _link(_("Calls to Kartra"), "outbox", "integrations", "apicall"),
                    {
                        "title": _("Health"),
                        "icon": "monitor_heart",
                        "link": reverse_lazy("admin:health"),
                        "permission": _may("integrations.view_apicall"),
                    },
                    {
                        "title": _("API console"),
                        "icon": "terminal",
                        "link": reverse_lazy("admin:integrations_connection_console"),
                        "permission": _may("integrations.use_console"),
                    },
                ],
            },
            {
                "title": _("People"),
                "items": [_link(_("Users"), "person", "auth", "user"), _link(_("Groups"), "groups", "auth", "group")],
            },
        ],
    },
}
