"""The theme's settings: its names, and its colours set to our values (tokens.css). Plain data, read by settings."""

from typing import Any

from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

STATIC = "/static/kartra_mirror/"
ICON = f"{STATIC}icon.svg"
STYLES = ("tokens.css", "parts.css", "frame.css", "pages.css")
SCRIPTS = ("frame.js", "live.js")
GREYS = {
    "50": "#f8f9fb",
    "100": "#f3f4f8",
    "200": "#e6e8ee",
    "300": "#c9cdd6",
    "400": "#9aa1af",
    "500": "#636a77",
    "600": "#5b6270",
    "700": "#2a2e3a",
    "800": "#2a2e3a",
    "900": "#171a22",
    "950": "#0f1117",
}
"""From light to dark: 200 and 700 are lines, 900 and 950 are the dark card and page."""
VIOLETS = dict.fromkeys(("50", "100"), "#f3effe") | dict.fromkeys(("200", "300", "400", "500"), "#a78bfa")
VIOLETS |= dict.fromkeys(("600", "700"), "#6d28d9") | dict.fromkeys(("800", "900", "950"), "#251f3d")
TEXTS = {
    "subtle-light": "#5b6270",
    "subtle-dark": "#a9b0be",
    "default-light": "#16181d",
    "default-dark": "#eceef3",
    "important-light": "#16181d",
    "important-dark": "#eceef3",
}

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Kartra Mirror",
    "SITE_HEADER": "Kartra Mirror",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: ICON}],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [lambda request, name=name: STATIC + name for name in STYLES],
    "SCRIPTS": [lambda request, name=name: STATIC + name for name in SCRIPTS],
    "COLORS": {"base": GREYS, "primary": VIOLETS, "font": TEXTS},
    "BORDER_RADIUS": "6px",
    "ACCOUNT": {
        "navigation": [
            {"title": _("Your profile"), "link": reverse_lazy("admin:own_sign_in")},
            {"title": _("Change password"), "link": reverse_lazy("admin:password_change")},
        ]
    },
    # The menu is kartra_mirror/frame/menu.py.
    "SIDEBAR": {"show_search": False, "show_all_applications": False, "navigation": []},
}
