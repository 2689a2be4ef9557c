"""What the pretend Kartra posts by itself: events as JSON, payment messages as forms. Loopback receivers only."""

import http.client
import ipaddress
import json
import queue
import threading
import time
from collections import deque
from typing import Any
from urllib.parse import urlencode, urlsplit

from integrations.sandbox.store import Store

LEAD_KEYS = (
    "id", "first_name", "middle_name", "last_name", "last_name2", "email", "phone_country_code", "phone", "company",
    "address", "city", "zip", "state", "country", "date_joined", "website", "ip", "ip_country", "facebook", "twitter",
    "linkedin", "sales_tax_id", "lead_picture", "source", "score", "referring_id", "blacklisted", "source_id",
    "gdpr_lead_status", "gdpr_lead_status_date", "gdpr_lead_status_ip", "gdpr_lead_communications",
    "lead_preferred_time_zone", "owner_id", "username", "instagram", "member_id",
)  # fmt: skip
"""The lead's keys in a delivery as captured; `custom_fields` comes last."""


def texts(value: Any) -> Any:
    """Every scalar as text, as in the deliveries that were captured."""
    if isinstance(value, dict):
        return {key: texts(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [texts(inner) for inner in value]
    return "" if value is None else str(value)


def custom_values(lead: dict[str, Any], fields: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every custom field of the account with the lead's value, in the shape in which it is read."""
    found = []
    for field in fields:
        value = lead["custom"].get(field["name"], "")
        if field["type"] not in ("input_field", "text_area"):
            chosen = value if isinstance(value, list) else [value] if value else []
            value = [
                {"option_id": number, "option_value": words}
                for number, words in field["options"]
                if str(number) in chosen
            ]
        found.append(
            {
                "field_id": field["id"],
                "field_identifier": field["name"],
                "field_type": field["type"],
                "field_value": value,
            }
        )
    return found


def event_body(
    lead: dict[str, Any], action: str, details: dict[str, Any], fields: list[dict[str, Any]]
) -> dict[str, Any]:
    """An event in the order and shape of the captured deliveries."""
    told: dict[str, Any] = {key: lead.get(key, "") for key in LEAD_KEYS}
    told.update(owner_id="1", member_id="0", custom_fields=custom_values(lead, fields))
    return {"action": action, "action_details": texts(details), "lead": texts(told)}


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
