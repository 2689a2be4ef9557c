"""What is said about how the web process, and what it keeps, can be reached, by `check` and when gunicorn starts."""

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks

from kartra_mirror.private_files import open_to_others


def check_public_url(app_configs: Any = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """That passwords and messages do not cross the net in the clear by oversight."""
    address = urlsplit(settings.PUBLIC_URL)
    if settings.DEBUG or settings.EMBEDDED or address.scheme == "https" or _is_loopback(address.hostname or ""):
        return []
    return [
        checks.Warning(
            f"PUBLIC_URL is {settings.PUBLIC_URL}: passwords, sessions and messages from Kartra cross the net in the clear, and "
            "cookies are not marked as secure.",
            hint="Put a proxy with a certificate in front (deploy/Caddyfile or deploy/nginx.conf), and set PUBLIC_URL=https://… "
            "and PROXY_COUNT=1.",
            id="kartra_mirror.W001",
        )
    ]


def check_var_dir(app_configs: Any = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """That nobody else of the machine reads what is kept in VAR_DIR. One of ours is narrowed when we start."""
    if not open_to_others(settings.VAR_DIR):
        return []
    return [
        checks.Warning(
            f"VAR_DIR is {settings.VAR_DIR}, which other users of this machine may open. Keys and people's data are kept there.",
            hint=f"Name a folder of its own, or take it from others: chmod 700 {settings.VAR_DIR}",
            id="kartra_mirror.W002",
        )
    ]


def about_the_proxy() -> str:
    """What is wrong with https and nobody to tell of it; "" where nothing is. Said at the start, as no request would get through."""
    if not settings.SECURE or settings.DEBUG or settings.PROXY_COUNT or not settings.SECURE_SSL_REDIRECT:
        return ""
    return (
        "PUBLIC_URL is https and PROXY_COUNT is 0: no proxy is believed that a request came by https, so each is sent there again "
        "and again. Set PROXY_COUNT=1 with one proxy in front."
    )


def _is_loopback(name: str) -> bool:
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
