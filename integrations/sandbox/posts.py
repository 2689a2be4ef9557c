"""What the Kartra sandbox posts by itself: events as JSON, payment messages as forms. Loopback receivers only."""

import http.client
import ipaddress
import json
import queue
import threading
import time
from collections import deque
from typing import Any
from urllib.parse import urlencode, urlsplit

from integrations.sandbox.store.rows import Store


class Posts:
    """Registered receivers and a bounded pool that posts to them. A post that fails is counted, not repeated."""

    def __init__(self, store: Store, workers: int = 6) -> None:
        self._store = store
        self.receivers: list[dict[str, Any]] = store.meta("receivers", [])
        self.log: deque[dict[str, Any]] = deque(maxlen=20_000)
        self.failed = 0
        self._waiting: queue.Queue[tuple[dict[str, Any], str, Any] | None] = queue.Queue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    def register(
        self, url: str, *, account: int = 1, kind: str = "outbound", events: list[str] | None = None, secret: str = ""
    ) -> None:
        """Post events (all, or those named) of an account to this address. ValueError unless it is on loopback."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not _on_loopback(parts.hostname or ""):
            raise ValueError("Receivers are http addresses on this machine only.")
        entry = {"url": url, "account": account, "kind": kind, "events": events, "secret": secret}
        kept = [r for r in self.receivers if (r["url"], r["kind"]) != (url, kind)]
        self.receivers = [*kept, entry]
        self._store.set_meta("receivers", self.receivers)

    def clear(self) -> None:
        self.receivers = []
        self._store.set_meta("receivers", [])

    def send(self, account: int, kind: str, event: str, body: dict[str, Any]) -> None:
        for receiver in self.receivers:
            if receiver["account"] != account or receiver["kind"] != kind:
                continue
            if receiver["events"] is None or event in receiver["events"]:
                self._waiting.put((receiver, event, body))

    def waiting(self) -> int:
        return self._waiting.unfinished_tasks

    def stop(self) -> None:
        for _ in self._threads:
            self._waiting.put(None)

    def _work(self) -> None:
        while (item := self._waiting.get()) is not None:
            receiver, event, body = item
            try:
                status = _post(receiver, body)
            except OSError as error:
                status, self.failed = 0, self.failed + 1
                event = f"{event} ({type(error).__name__})"
            except http.client.HTTPException:
                status, self.failed = 0, self.failed + 1
            self.log.append({"at": time.time(), "kind": receiver["kind"], "event": event, "status": status})
            self._waiting.task_done()
        self._waiting.task_done()


def _on_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _post(receiver: dict[str, Any], body: dict[str, Any]) -> int:
    parts = urlsplit(receiver["url"])
    if receiver["kind"] == "ipn":
        secret = receiver["secret"] or "N/A"
        payload, kind = urlencode({**body, "secret_key": secret}).encode(), "application/x-www-form-urlencoded"
    else:
        payload, kind = json.dumps(body).encode(), "application/json"
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=10)
    try:
        connection.request("POST", parts.path or "/", payload, {"Content-Type": kind, "User-Agent": "Kartra"})
        response = connection.getresponse()
        response.read(1000)
        return response.status
    finally:
        connection.close()
