"""How one request is answered: the control address, the page, and a call to the API with the fault that waits for it."""

import json
import random
import socket
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from integrations.sandbox import control, page
from integrations.sandbox.commands import api
from integrations.sandbox.commands.errors import WORDS, Refused
from integrations.sandbox.faults import AFTER, BEFORE, Fault
from integrations.sandbox.forms import parse
from integrations.sandbox.state import SandboxState
from integrations.sandbox.wire.foreign import foreign

MAX_BODY = 8 * 1024 * 1024
HTML = "<!DOCTYPE html><html><head><title>Attention</title></head><body><h1>Sorry, you have been blocked</h1></body></html>"


class Handler(BaseHTTPRequestHandler):
    """One connection of a client. `sandbox` is the one it came to."""

    protocol_version = "HTTP/1.1"
    server_version = "nginx"
    sys_version = ""
    wbufsize = -1  # buffered: one packet an answer
    disable_nagle_algorithm = True
    sandbox: SandboxState

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
            if refusal := foreign(self.headers, changes=self.command != "GET", own_name=self.sandbox.own_name):
                self.close_connection = True
                self._json(403, {"error": refusal})
                return
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
        elif sheet := page.style(parts.path):
            self._reply(200, sheet, "text/css; charset=UTF-8", Cache_Control="max-age=60")
        else:
            status, text = page.show(self.sandbox, parts.path, query)
            self._reply(status, text, Content_Security_Policy=page.POLICY)

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
            "at": at,
            "app_id": str(form.get("app_id") or ""),
            "cmds": cmds,
            "lead": reference,
            "result": "",
            "query": urlsplit(self.path).query,
            "form": {k: v for k, v in form.items() if k not in ("app_id", "api_key", "api_password")},
        }
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
        if fault and name == "carried out as far as k, then dropped":
            entries = form.get("actions")
            if isinstance(entries, dict) and fault.k:
                sandbox.answer({**form, "actions": dict(list(entries.items())[: fault.k])}, late_s)
            self._drop()
            return f"dropped after {fault.k} actions"
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
