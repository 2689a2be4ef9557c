"""The server: the API's door (credentials, rate, faults), the control address, the page."""

import json
import random
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from integrations.sandbox import api, control, demo, page
from integrations.sandbox.account import Account
from integrations.sandbox.errors import WORDS, Refused
from integrations.sandbox.faults import AFTER, BEFORE, Fault, Faults
from integrations.sandbox.forms import parse
from integrations.sandbox.store import Store
from integrations.sandbox.switches import Switches
from integrations.sandbox.webhooks import Posts

APP_ID, UNLIMITED_APP_ID = "sandbox-app", "sandbox-app-unlimited"
KEY, PASSWORD = "sandbox-key", "sandbox-password"  # a pretend account's
MAX_BODY = 8 * 1024 * 1024
HTML = "<!DOCTYPE html><html><head><title>Attention</title></head><body><h1>Sorry, you have been blocked</h1></body></html>"


class Sandbox:
    """A pretend Kartra on loopback. `url` is the API's address. Threads end with `stop`."""

    def __init__(self, *, port: int = 0, db: str = ":memory:", host: str = "127.0.0.1") -> None:
        self.store = Store(db)
        self.switches: Switches = Switches(self.store)
        self.faults: Faults = Faults()
        self.posts: Posts = Posts(self.store)
        self.calls: deque[dict[str, Any]] = deque(maxlen=200_000)
        self.throttled = 0
        self._arrivals: dict[str, deque[float]] = {}
        self._timers: set[threading.Timer] = set()
        self._guard = threading.Lock()
        self.stopping = threading.Event()
        if self.store.meta("access", None) is None:
            self.store.set_meta(
                "access",
                {
                    "apps": {APP_ID: {"unlimited": False}, UNLIMITED_APP_ID: {"unlimited": True}},
                    "accounts": {KEY: {"number": 1, "password": PASSWORD}},
                    "refuse": "", "refused_commands": [],
                },
            )  # fmt: skip
        self.access: dict[str, Any] = self.store.meta("access", {})
        handler = type("Handler", (_Handler,), {"sandbox": self})
        self._server = _Server((host, port), handler)
        self.base = f"http://{host}:{self._server.server_address[1]}"
        self.url = f"{self.base}/api"

    def account(self, number: int = 1) -> Account:
        return Account(self.store, number, self.posts, test_mode=lambda: bool(self.switches["test_mode"]))

    def fill(self, leads: int) -> None:
        """Make demo leads in an empty account."""
        if leads and not self.store.count_leads(1):
            demo.fill(self.account(), leads)

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def serve(self) -> None:
        """Serve until interrupted."""
        try:
            self._server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            self.stop()

    def stop(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        for timer in list(self._timers):
            timer.cancel()
        self.posts.stop()
        self.store.close()

    def save_access(self) -> None:
        self.store.set_meta("access", self.access)

    # --- the API's door

    def throttle(self, app_id: str, at: float) -> bool:
        """Whether this call is over 20 in any one second for its app."""
        app = self.access["apps"].get(app_id)
        if app is not None and app["unlimited"]:
            return False
        with self._guard:
            arrivals = self._arrivals.setdefault(app_id, deque())
            while arrivals and at - arrivals[0] >= 1.0:
                arrivals.popleft()
            if len(arrivals) >= int(self.switches["limit_per_s"]):
                self.throttled += 1
                return True
            arrivals.append(at)
        return False

    def refusal(self, form: dict[str, Any], cmds: list[str]) -> str:
        """The code with which the call is turned away for its credentials, or ""."""
        if self.switches["https_required"]:
            return "201"
        app_id, key, password = (str(form.get(name) or "") for name in ("app_id", "api_key", "api_password"))
        if self.access["refuse"]:
            return str(self.access["refuse"])
        if not app_id:
            return "238"
        if app_id not in self.access["apps"]:
            return "239"
        if not key:
            return "202"
        account = self.access["accounts"].get(key)
        if account is None:
            return "203"
        if account["password"] != password:
            return "233"
        if any(cmd in self.access["refused_commands"] for cmd in cmds):
            return "262"
        return ""

    def later(self, seconds: float) -> Callable[[Callable[[], Any]], None]:
        """Runs a write now, or so many seconds later."""

        def run(write: Callable[[], Any]) -> None:
            if seconds <= 0:
                write()
                return
            timer = threading.Timer(seconds, write)
            timer.daemon = True
            self._timers.add(timer)
            timer.start()

        return run

    def answer(self, form: dict[str, Any], late_s: float) -> dict[str, Any]:
        """What Kartra says to a call that got in."""
        cmds = api.cmds_of(form)
        code = self.refusal(form, cmds)
        if code:
            return {"status": "Error", "message": WORDS[code], "type": code}
        number = self.access["accounts"][str(form["api_key"])]["number"]
        return api.answer(self.account(number), form, self.switches, self.later(late_s))

    def stats(self) -> dict[str, Any]:
        """Calls, 429s, and the most calls of one app in any one second."""
        worst: dict[str, int] = {}
        windows: dict[str, deque[float]] = {}
        for call in sorted(self.calls, key=lambda c: c["at"]):
            window = windows.setdefault(call["app_id"], deque())
            window.append(call["at"])
            while call["at"] - window[0] >= 1.0:
                window.popleft()
            worst[call["app_id"]] = max(worst.get(call["app_id"], 0), len(window))
        return {
            "calls": len(self.calls),
            "throttled": self.throttled,
            "worst_second": worst,
            "posts_failed": self.posts.failed,
        }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to speak of."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "nginx"
    sys_version = ""
    wbufsize = -1  # buffered: one packet an answer
    disable_nagle_algorithm = True
    sandbox: Sandbox

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: calls are in the call log."""

    def do_GET(self) -> None:
        self._guarded(self._get)

    def do_POST(self) -> None:
        self._guarded(self._post)

    def do_DELETE(self) -> None:
        self._guarded(self._post)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _body(self) -> bytes:
        try:
            size = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            size = 0
        return self.rfile.read(min(max(size, 0), MAX_BODY))

    def _reply(self, status: int, text: str | bytes, kind: str = "text/html; charset=UTF-8", **headers: str) -> None:
        payload = text.encode("utf-8", "replace") if isinstance(text, str) else text
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(payload)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(payload)
        self.wfile.flush()

    def _json(self, status: int, value: Any) -> None:
        self._reply(status, json.dumps(value), "application/json")

    def _get(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        if parts.path.startswith("/__sandbox__/"):
            self._json(*control.handle(self.sandbox, "GET", parts.path.removeprefix("/__sandbox__/"), query, {}))
        elif parts.path.rstrip("/") == "/api":
            self._reply(200, "<html><body>Kartra API</body></html>")
        else:
            status, text = page.show(self.sandbox, parts.path, query)
            self._reply(status, text)

    def _post(self) -> None:
        parts = urlsplit(self.path)
        body = self._body()
        if parts.path.startswith("/__sandbox__/"):
            try:
                given = json.loads(body or b"{}")
            except ValueError:
                given = None
            if not isinstance(given, dict):
                self._json(400, {"error": "The body must be a JSON object."})
                return
            name = parts.path.removeprefix("/__sandbox__/")
            self._json(*control.handle(self.sandbox, self.command, name, dict(parse_qsl(parts.query)), given))
        elif parts.path.rstrip("/") == "/api" and self.command == "POST":
            self._api(body)
        elif self.command == "POST":
            where = page.act(
                self.sandbox, parts.path, dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
            )
            self._reply(303, "", Location=where)
        else:
            self._reply(405, "Method not allowed")

    # --- a call to the API

    def _api(self, body: bytes) -> None:
        sandbox, at, began = self.sandbox, time.time(), time.monotonic()
        form = parse(body)
        cmds = api.cmds_of(form)
        lead = form.get("lead") if isinstance(form.get("lead"), dict) else {}
        get_lead = form.get("get_lead") if isinstance(form.get("get_lead"), dict) else {}
        named = {**(get_lead or {}), **(lead or {})}
        reference = str(named.get("id") or named.get("email") or "")
        entry: dict[str, Any] = {
            "at": at, "app_id": str(form.get("app_id") or ""), "cmds": cmds, "lead": reference, "result": "",
            "query": urlsplit(self.path).query,
            "form": {k: v for k, v in form.items() if k not in ("app_id", "api_key", "api_password")},
        }  # fmt: skip
        sandbox.calls.append(entry)
        if sandbox.throttle(entry["app_id"], time.monotonic()):
            entry["result"] = "429"
            self._reply(429, "Too many requests")
            return
        fault = sandbox.faults.take(cmds, reference)
        entry["fault"] = fault.fault if fault else ""
        try:
            entry["result"] = self._carry_out(form, cmds, fault, entry)
        finally:
            entry["ms"] = round((time.monotonic() - began) * 1000, 1)

    def _carry_out(self, form: dict[str, Any], cmds: list[str], fault: Fault | None, entry: dict[str, Any]) -> str:
        sandbox = self.sandbox
        name = fault.fault if fault else ""
        wait_ms = float(sandbox.switches["latency_ms"])
        if wait_ms:
            sandbox.stopping.wait(wait_ms / 1000)
        if sandbox.switches["down"]:
            self._reply(502, "<html><body>502 Bad Gateway</body></html>")
            return "502"
        if fault and name in BEFORE:
            return self._before(fault)
        if sandbox.switches["firewall"] and any(c in text for text in _texts(form) for c in "<>{}[]\\"):
            self._reply(200, HTML)
            return "firewall"
        if fault and name == "slow":
            sandbox.stopping.wait(fault.seconds)
        late_s = float(sandbox.switches["effects_late_s"])
        if fault and name == "carried out late":

            def do_late() -> None:
                sandbox.answer(form, 0)
                entry["carried_out_at"] = time.time()

            sandbox.later(fault.seconds)(do_late)
            self._drop()
            return "dropped; carried out late"
        if fault and name == "action k fails":
            body = self._with_failure(form, fault, late_s)
        elif fault and name == "whole call refused":
            body = Refused(fault.code).body()
        else:
            body = sandbox.answer(form, late_s)
        if fault and name in AFTER:
            return self._after(fault, body)
        return self._shaped(fault, body, cmds)

    def _before(self, fault: Fault) -> str:
        if fault.fault == "refused before":
            self._drop()
        elif fault.fault == "hung, then nothing":
            self.sandbox.stopping.wait(fault.seconds)
            self._drop()
        elif fault.fault == "429":
            self.sandbox.throttled += 1
            self._reply(429, "Too many requests")
        elif fault.fault == "html, nothing done":
            self._reply(200, HTML)
        else:
            self._reply(502, "<html><body>502 Bad Gateway</body></html>")
        return fault.fault

    def _after(self, fault: Fault, body: dict[str, Any]) -> str:
        if fault.fault == "carried out, then hung":
            self.sandbox.stopping.wait(fault.seconds)
            self._drop()
        elif fault.fault == "carried out, then dropped":
            self._drop()
        elif fault.fault == "carried out, then 502":
            self._reply(502, "<html><body>502 Bad Gateway</body></html>")
        elif fault.fault == "carried out, then broken JSON":
            self._reply(200, json.dumps(body)[:-7])
        elif fault.fault == "carried out, then HTML":
            self._reply(200, HTML)
        else:
            self._reply(200, "")
        return fault.fault

    def _drop(self) -> None:
        """End the connection without an answer."""
        self.close_connection = True
        try:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            self.connection.close()
        except OSError:
            pass

    def _with_failure(self, form: dict[str, Any], fault: Fault, late_s: float) -> dict[str, Any]:
        """The call with action k left undone and answered with an error."""
        entries = form.get("actions")
        if not isinstance(entries, dict) or str(fault.k) not in entries:
            return self.sandbox.answer(form, late_s)
        cmd = str(entries[str(fault.k)].get("cmd", "")) if isinstance(entries[str(fault.k)], dict) else ""
        error = {"status": "Error", "message": WORDS.get(fault.code, "Unexpected error"), "type": fault.code}
        rest = {key: value for key, value in entries.items() if key != str(fault.k)}
        if not rest:
            return error
        body = self.sandbox.answer({**form, "actions": rest}, late_s)
        if "actions" not in body:
            return body
        actions = list(body["actions"])
        actions.insert(min(fault.k, len(actions)), {cmd: error})
        return {"status": self.sandbox.switches["half_failed_status"], "actions": actions}

    def _shaped(self, fault: Fault | None, body: dict[str, Any], cmds: list[str]) -> str:
        name = fault.fault if fault else ""
        code = str(body.get("type", "")) if body.get("status") == "Error" else "ok"
        if name == "answer 302":
            self._reply(302, "", Location="http://127.0.0.1:9/")
            return code
        if name == "entry missing from actions" and body.get("actions"):
            body = {**body, "actions": body["actions"][:-1]}
        elif name == "actions as object" and "actions" in body:
            body = {**body, "actions": {str(index): entry for index, entry in enumerate(body["actions"])}}
        elif name == "result at top level" and len(body.get("actions", [])) == 1:
            body = {"status": body["status"], **body["actions"][0]}
        text = json.dumps(body)
        if name == "type as number":
            text = json.dumps(_numbers(body))
        if name == "php warning before json":
            text = (
                "<br />\n<b>Warning</b>:  Undefined index: foo in <b>/var/www/api.php</b> on line <b>31</b><br />\n"
                + text
            )
        if name == "drip":
            self._drip(text, fault.seconds if fault else 1.0)
            return code
        self._reply(200, text)
        return code

    def _drip(self, text: str, seconds: float) -> None:
        payload = text.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        for byte in payload:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            if self.sandbox.stopping.wait(seconds / len(payload) * random.uniform(0.8, 1.2)):
                return


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: int(v) if k == "type" and str(v).isdecimal() else _numbers(v) for k, v in value.items()}
    return [_numbers(inner) for inner in value] if isinstance(value, list) else value


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in _texts(inner)]
    return [value] if isinstance(value, str) else []
