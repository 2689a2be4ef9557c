"""What the sandbox knows while it runs: the account, its faults and switches, who may call and how often, and what came of it."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from integrations.sandbox.commands import api
from integrations.sandbox.commands.errors import WORDS
from integrations.sandbox.faults import Faults
from integrations.sandbox.posts import Posts
from integrations.sandbox.store import demo
from integrations.sandbox.store.account import Account
from integrations.sandbox.store.rows import Store
from integrations.sandbox.store.switches import Switches

APP_ID, UNLIMITED_APP_ID = "sandbox-app", "sandbox-app-unlimited"
KEY, PASSWORD = "sandbox-key", "sandbox-password"  # a pretend account's


class SandboxState:
    """A Kartra sandbox without its address."""

    own_name = ""
    """By which it may be called besides loopback, "" for none."""

    def __init__(self, *, db: str = ":memory:") -> None:
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
                    "refuse": "",
                    "refused_commands": [],
                },
            )
        self.access: dict[str, Any] = self.store.meta("access", {})

    def account(self, number: int = 1) -> Account:
        return Account(self.store, number, self.posts, test_mode=lambda: bool(self.switches["test_mode"]))

    def fill(self, leads: int) -> None:
        """Make demo leads in an empty account."""
        if leads and not self.store.count_leads(1):
            demo.fill(self.account(), leads)

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

    def close(self) -> None:
        self.stopping.set()
        for timer in list(self._timers):
            timer.cancel()
        self.posts.stop()
        self.store.close()
