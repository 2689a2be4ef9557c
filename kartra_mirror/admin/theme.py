"""The theme's settings: names, colours, the side bar. Plain data, read by settings."""

from typing import Any

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Kartra Mirror",
    "SITE_HEADER": "Kartra Mirror",
    "SITE_SYMBOL": "flip",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": ["/static/kartra_mirror/mirror.css"],
    "SIDEBAR": {"show_search": False, "show_all_applications": False},
}
