"""The theme's settings: names and the side bar. Plain data, read by settings."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy


def _may(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.user.has_perm(permission)


def _link(title: str, icon: str, app: str, model: str, **more: Any) -> dict[str, Any]:
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
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: "/static/kartra_mirror/icon.svg"}],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [lambda request: "/static/kartra_mirror/mirror.css"],
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "title": "Leads",
                "items": [
                    {"title": "Home", "icon": "home", "link": reverse_lazy("admin:index")},
                    _link("Leads", "group", "leads", "lead"),
                    _link("Segments", "filter_alt", "leads", "segment"),
                    _link(
                        "Bulk actions", "playlist_add_check", "leads", "bulkrun",
                        badge="kartra_mirror.admin.runs.running_badge",
                    ),
                    {
                        "title": "Needs your decision", "icon": "balance", "link": reverse_lazy("admin:decisions"),
                        "permission": _may("leads.view_leadchange"),
                    },
                    {
                        "title": "Failed changes", "icon": "error", "link": reverse_lazy("admin:failures"),
                        "permission": _may("leads.view_leadchange"),
                    },
                    _link("Requested changes", "pending_actions", "leads", "leadchange"),
                    _link("Timeline", "history", "leads", "activity"),
                    {
                        "title": "Changed in Kartra", "icon": "sync_problem",
                        "link": reverse_lazy("admin:leads_activity_without_us"), "permission": _may("leads.view_activity"),
                    },
                    _link("Imports", "upload_file", "leads", "import"),
                ],
            },
            {
                "title": "In the account",
                "collapsible": True,
                "items": [
                    _link("Tags", "sell", "leads", "tag"),
                    _link("Lists", "list_alt", "leads", "mailinglist"),
                    _link("Sequences", "mail", "leads", "sequence"),
                    _link("Calendars", "calendar_month", "leads", "calendar"),
                    _link("Memberships", "card_membership", "leads", "membership"),
                    _link("Custom fields", "edit_note", "leads", "customfield"),
                    _link("Pages", "web", "leads", "page"),
                    _link("Products", "shopping_bag", "leads", "product"),
                    _link("Transactions", "payments", "leads", "transaction"),
                    _link("Subscriptions", "autorenew", "leads", "recurringsubscription"),
                ],
            },
            {
                "title": "Kartra",
                "items": [
                    _link("Connections", "cable", "integrations", "connection"),
                    _link("Addresses for Kartra", "door_front", "integrations", "door"),
                    _link("Messages from Kartra", "inbox", "integrations", "delivery"),
                    _link("Calls to Kartra", "outbox", "integrations", "apicall"),
                    {
                        "title": "Health", "icon": "monitor_heart", "link": reverse_lazy("admin:health"),
                        "permission": _may("integrations.view_apicall"),
                    },
                    {
                        "title": "API console", "icon": "terminal", "link": reverse_lazy("admin:integrations_connection_console"),
                        "permission": _may("integrations.use_console"),
                    },
                ],
            },
            {"title": "People", "items": [_link("Users", "person", "auth", "user"), _link("Groups", "groups", "auth", "group")]},
        ],
    },
}  # fmt: skip
