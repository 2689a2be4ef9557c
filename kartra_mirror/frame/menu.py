"""The menu at the side: twelve entries at most; what else there is are tabs of one of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Value
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from leads import access
from leads.models import BulkRun, LeadChange, Occurrence, RunDraft


@dataclass(frozen=True)
class Page:
    """One page, or list with all that hangs below its address. `view` is the name of its address in the admin."""

    title: Any
    view: str
    permission: str = ""


@dataclass(frozen=True)
class Entry:
    """One line of the menu; it opens the first of its pages that a person may see, the others are tabs of it."""

    title: Any
    icon: str
    pages: tuple[Page, ...]
    number: Callable[[HttpRequest], int] | None = None
    warns: bool = False


def _list(title: Any, model: str, app: str = "leads") -> Page:
    return Page(title, f"{app}_{model}_changelist", f"{app}.view_{model}")


def running(request: HttpRequest) -> int:
    """Bulk actions under way."""
    return _under_way(request)["run"]


def held(request: HttpRequest) -> int:
    """Times of schedules that wait for an answer."""
    return _under_way(request)["held"] if request.user.has_perm("leads.view_schedule") else 0


def _under_way(request: HttpRequest) -> dict[str, int]:
    """Both numbers, by one query for a request."""
    known: dict[str, int] | None = getattr(request, "menu_numbers", None)
    if known is None:
        runs = access.only_mine(BulkRun.objects.under_way(), request.user)
        times = access.only_mine(Occurrence.objects.held(), request.user)
        counted = [
            rows.order_by().annotate(what=Value(what)).values_list("what").annotate(n=Count("pk"))
            for rows, what in ((runs, "run"), (times, "held"))
        ]
        known = {"run": 0, "held": 0} | dict(counted[0].union(counted[1], all=True))
        request.menu_numbers = known  # type: ignore[attr-defined]
    return known


def to_do(request: HttpRequest) -> int:
    """Questions, causes for which changes failed, and bulk actions that wait for this person's yes or no."""
    user, number = request.user, 0
    if user.has_perm("leads.view_leadchange"):
        questions = access.only_mine(LeadChange.objects.questions(), user).order_by().values_list("kind", "code")
        causes = access.only_mine(LeadChange.objects.failed(), user).order_by().values_list("kind", "code").distinct()
        told = causes.annotate(n=Value(1)).union(questions.annotate(n=Count("pk")), all=True)
        number += sum(n for _kind, _code, n in told)
    if user.has_perm("leads.approve_bulkrun"):
        drafts = RunDraft.objects.asked_for().exclude(created_by=user.pk)
        number += access.only_mine(drafts, user).count()
    return number


WORK = (
    Entry(_("Home"), "home", (Page(_("Home"), "index"),)),
    Entry(
        _("Leads"),
        "people",
        (
            _list(_("Leads"), "lead"),
            _list(_("Transactions"), "transaction"),
            _list(_("Subscriptions"), "recurringsubscription"),
        ),
    ),
    Entry(_("Segments"), "filter", (_list(_("Segments"), "segment"), _list(_("Lists of people"), "peoplelist"))),
    Entry(_("Bulk actions"), "bolt", (_list(_("Bulk actions"), "bulkrun"),), number=running),
    Entry(_("Recipes"), "repeat", (_list(_("Recipes"), "recipe"),)),
    Entry(_("Schedule"), "clock", (_list(_("Schedule"), "schedule"),), number=held, warns=True),
)
WATCH = (
    Entry(
        _("To do"),
        "bell",
        (
            Page(_("Decisions"), "decisions", "leads.view_leadchange"),
            Page(_("Failed changes"), "failures", "leads.view_leadchange"),
            Page(_("Approvals"), "approvals", "leads.approve_bulkrun"),
            _list(_("Requests of people"), "datasubjectrequest"),
        ),
        number=to_do,
        warns=True,
    ),
    Entry(
        _("Activity"),
        "sync",
        (
            _list(_("Requested changes"), "leadchange"),
            _list(_("Timeline"), "activity"),
            Page(_("Changed in Kartra"), "leads_activity_without_us", "leads.view_activity"),
        ),
    ),
    Entry(_("Imports"), "file", (_list(_("Imports"), "import"),)),
)
ACCOUNT = (
    Entry(
        _("Catalogue"),
        "box",
        (
            _list(_("Tags"), "tag"),
            _list(_("Lists"), "mailinglist"),
            _list(_("Sequences"), "sequence"),
            _list(_("Products"), "product"),
            _list(_("Calendars"), "calendar"),
            _list(_("Memberships"), "membership"),
            _list(_("Custom fields"), "customfield"),
            _list(_("Pages"), "page"),
        ),
    ),
    Entry(
        _("Kartra"),
        "plug",
        (
            _list(_("Connections"), "connection", "integrations"),
            _list(_("Webhook addresses"), "webhookendpoint", "integrations"),
            _list(_("Messages from Kartra"), "delivery", "integrations"),
            _list(_("Calls to Kartra"), "apicall", "integrations"),
            Page(_("Health"), "health", "integrations.view_apicall"),
            Page(_("API console"), "integrations_connection_console", "integrations.use_console"),
        ),
    ),
    Entry(_("Team"), "people", (_list(_("Users"), "user", "auth"), _list(_("Groups"), "group", "auth"))),
)
GROUPS: tuple[tuple[Any, tuple[Entry, ...]], ...] = (("", WORK), ("", WATCH), (_("Account"), ACCOUNT))


def of(request: HttpRequest) -> dict[str, Any]:
    """For the templates: {"menu": [{"title", "entries": [{"title", "icon", "url", "on", "counts", "number", "warns"}]}],
    "frame_tabs": [{"title", "url", "on"}]}: what this person may open, and the tabs of the entry that the page belongs to."""
    user = request.user
    if not user.is_authenticated:
        return {"menu": [], "frame_tabs": []}
    seen = [
        (title, [(entry, _pages(entry, user)) for entry in entries if _pages(entry, user)]) for title, entries in GROUPS
    ]
    every = [page for _title, entries in seen for _entry, pages in entries for page in pages]
    here = _here(request.path, [url for _page, url in every])
    tabs: list[dict[str, Any]] = []
    menu = []
    for title, entries in seen:
        shown = []
        for entry, pages in entries:
            on = any(url == here for _page, url in pages)
            if on and len(pages) > 1:
                tabs = [{"title": page.title, "url": url, "on": url == here} for page, url in pages]
            number = entry.number(request) if entry.number else 0
            shown.append(
                {
                    "title": entry.title,
                    "icon": entry.icon,
                    "url": pages[0][1],
                    "on": on,
                    "counts": entry.number is not None,
                    "number": number,
                    "warns": entry.warns,
                }
            )
        if shown:
            menu.append({"title": title, "entries": shown})
    return {"menu": menu, "frame_tabs": tabs}


def pages(user: access.RequestUser) -> list[tuple[str, str]]:
    """Every page of the menu that this person may open: its title and its address."""
    return [
        (str(page.title), url) for _title, entries in GROUPS for entry in entries for page, url in _pages(entry, user)
    ]


def _pages(entry: Entry, user: access.RequestUser) -> list[tuple[Page, str]]:
    return [
        (page, reverse(f"admin:{page.view}"))
        for page in entry.pages
        if not page.permission or user.has_perm(page.permission)
    ]


def _here(path: str, urls: list[str]) -> str:
    """The longest of the addresses under which the page lies; home is only itself."""
    home = reverse("admin:index")
    under = [url for url in urls if path.startswith(url) and (url != home or path == home)]
    return max(under, key=len, default="")
