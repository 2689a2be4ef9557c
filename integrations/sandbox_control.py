"""The Kartra sandbox: whether a connection leads to it, and a word with its control address. See docs/sandbox.md."""

import json
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from integrations.models import Connection

TIMEOUT_S = 60


def is_pretend(connection: Connection) -> bool:
    """Whether it reaches the Kartra sandbox of this installation."""
    return urlsplit(connection.api_url).netloc == urlsplit(settings.SANDBOX_URL).netloc


def ask(name: str, given: dict[str, Any] | None = None, *, timeout_s: float = TIMEOUT_S) -> Any:
    """Its answer at `/__sandbox__/<name>`; with `given` it is told something. Raises OSError if it does not answer."""
    data = json.dumps(given).encode() if given is not None else None
    request = urllib.request.Request(f"{settings.SANDBOX_URL}/__sandbox__/{name}", data)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=timeout_s) as answer:
        return json.load(answer)
