"""A whole installation of its own: PostgreSQL, Redis, a Kartra sandbox, the Procfile's processes, and somebody who restarts what ends."""

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from tests.chaos.servers import ROOT, Postgres, Redis, free_port, wait_for
from tests.deploy.serving import AS_SYSTEMD
from tests.drill.ears import Ears

BIN = Path(sys.executable).parent
HOST = "mirror.example.com"
RESTART_S = 5.0
"""As in deploy/systemd."""
PROCFILE = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())


class Processes:
    """The Procfile's. What ends by itself is started anew after a while, as systemd does; what is killed by us, once we say. The
    address of web stays open meanwhile, as kartra-mirror-web.socket keeps it."""

    def __init__(self, folder: Path, env: dict[str, str], door: socket.socket) -> None:
        self._folder, self._env, self._door, self._over = folder, env, door, threading.Event()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._guard = threading.Lock()
        self.ended: list[str] = []
        """Those that ended by themselves."""
        self._watch = threading.Thread(target=self._keep, daemon=True)

    def start_all(self) -> None:
        for name in PROCFILE:
            self.start(name)
        self._watch.start()

    def start(self, name: str, command: list[str] | None = None, **env: str) -> None:
        program, *args = shlex.split(PROCFILE[name])
        handed: tuple[int, ...] = ()
        if name == "web":
            handed, env = (self._door.fileno(),), {**env, "LISTEN_FDS": "1"}
            command = [sys.executable, "-c", AS_SYSTEMD, str(handed[0])]
        with self._guard, (self._folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [*(command or []), str(BIN / program), *args],
                cwd=ROOT,
                env={**self._env, **env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=handed,
            )

    def kill(self, name: str) -> None:
        """SIGKILL, children too; it stays away until it is started."""
        with self._guard:
            process = self._running.pop(name)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def end(self, name: str, seconds: float = 60.0) -> None:
        """SIGTERM; what does not end in time is killed."""
        with self._guard:
            process = self._running.pop(name)
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop_all(self) -> None:
        self._over.set()
        for name in list(self._running):
            self.end(name, 5.0)

    def _keep(self) -> None:
        due: dict[str, float] = {}
        while not self._over.wait(0.5):
            for name, process in list(self._running.items()):
                if process.poll() is None:
                    due.pop(name, None)
                elif name not in due:
                    self.ended.append(name)
                    due[name] = time.monotonic() + RESTART_S
                elif time.monotonic() >= due[name] and self._running.get(name) is process:
                    self.start(name)


class House:
    """All of it in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.var = folder, folder / "var"
        self.logs = folder / "logs"
        self.logs.mkdir()
        self.ears = Ears(folder)
        self.door = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self._stops = [self.ears.stop, self.door.close]
        self.port, self.kartra_port = self.door.getsockname()[1], free_port()

    def start_servers(self) -> None:
        """Raises `Missing` where this machine has none."""
        (self.folder / "redis").mkdir()
        self.redis = Redis(self.folder / "redis", keeps=True)
        self._stops.append(self.redis.stop)
        self.postgres = Postgres(self.folder)
        self._stops.append(self.postgres.stop)
        os.environ.update(self._environment())
        self.processes = Processes(self.logs, dict(os.environ), self.door)
        self._stops.append(self.processes.stop_all)

    def _environment(self) -> dict[str, str]:
        """As `make env` writes it, save for what is told at once and looked for sooner."""
        return {
            "DJANGO_SETTINGS_MODULE": "kartra_mirror.settings",
            "SECRET_KEY": Fernet.generate_key().decode() * 2,
            "FIELD_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
            "DIGEST_KEYS": Fernet.generate_key().decode(),
            "EMBEDDED": "0",
            "DEBUG": "0",
            "LOG_LEVEL": "INFO",
            "VAR_DIR": str(self.var),
            "ALIVE_FILE": str(self.folder / "alive"),
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": self.redis.url,
            "PUBLIC_URL": f"https://{HOST}",
            "ALLOWED_HOSTS": HOST,
            "PROXY_COUNT": "1",
            "PLAIN_HTTP_HOSTS": "127.0.0.1",
            "WEB_HOST": "127.0.0.1",
            "WEB_PORT": str(self.port),
            "ALERT_AFTER_MIN": "0.1",
            "VERIFY_SETTLE_S": "10,20,60",
            **self.ears.environment(),
        }

    def start_kartra(self, leads: int) -> None:
        """The pretend one, a process of its own."""
        command = [sys.executable, "manage.py", "sandbox", "--port", str(self.kartra_port), "--leads", str(leads)]
        with (self.logs / "kartra.log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._stops += [process.wait, process.kill]
        wait_for(self.kartra_port, 60.0)

    def kartra(self, name: str, body: dict[str, Any] | None = None, **query: Any) -> Any:
        """Ask, or with a body tell, the Kartra sandbox's control address."""
        url = f"http://127.0.0.1:{self.kartra_port}/__sandbox__/{name}?{urllib.parse.urlencode(query)}"
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=60) as answer:
            return json.load(answer)

    def status(self) -> tuple[int, str]:
        """The exit code of `manage.py status --json`, and what it printed."""
        command = [sys.executable, "manage.py", "status", "--json"]
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, start_new_session=True)
        return answer.returncode, answer.stdout if answer.returncode == 0 else answer.stderr

    def stop(self) -> None:
        """All of it, whatever comes."""
        for stop in reversed(self._stops):
            with contextlib.suppress(Exception):
                stop()
        shutil.rmtree(self.folder, ignore_errors=True)
