"""Servers of our own on free ports: Redis, PostgreSQL, and two pushers that are killed now and then."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests import under_faketime

ROOT = Path(__file__).resolve().parent.parent.parent


class Missing(Exception):
    """This machine does not have the server."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_for(port: int, seconds: float = 20.0) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"Nothing answers on port {port}.")


class Redis:
    """A Redis that keeps nothing, or with `keeps` as docker-compose.yml has it."""

    def __init__(self, folder: Path, *, keeps: bool = False) -> None:
        if shutil.which("redis-server") is None:
            raise Missing("redis-server is not installed")
        self.folder, self.port, self._keeps = folder, free_port(), keeps
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                "redis-server",
                "--port",
                str(self.port),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "yes" if self._keeps else "no",
                "--maxmemory-policy",
                "noeviction",
                "--dir",
                str(self.folder),
            ],
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_for(self.port)

    def flush(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port), 2) as link:
            link.sendall(b"FLUSHALL\r\n")
            link.recv(64)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


class Postgres:
    """A PostgreSQL of our own in a folder, run as another user where we are root."""

    def __init__(self, folder: Path) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if Path("/usr/lib/postgresql").exists() else []
        self._as = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if not found or (self._as and shutil.which("runuser") is None):
            raise Missing("PostgreSQL's own programs are not installed")
        self._bin, self.port = found[-1], free_port()
        # A folder that the other user may enter.
        self.folder = Path(tempfile.mkdtemp(prefix="chaos-pg-"))
        if self._as:
            shutil.chown(self.folder, "postgres")
        self._run("initdb", "-D", str(self.folder), "-U", "chaos", "--auth", "trust", "--no-sync")
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "chaos", "chaos")

    @property
    def url(self) -> str:
        return f"postgres://chaos@127.0.0.1:{self.port}/chaos"

    def _run(self, program: str, *args: str) -> None:
        subprocess.run([*self._as, str(self._bin / program), *args], check=True, capture_output=True, cwd="/")

    def _ctl(self, verb: str) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off"
        self._run(
            "pg_ctl", verb, "-D", str(self.folder), "-w", "-m", "fast", "-l", str(self.folder / "log"), "-o", options
        ) if verb != "start" else self._run(
            "pg_ctl", "start", "-D", str(self.folder), "-w", "-l", str(self.folder / "log"), "-o", options
        )

    def start(self) -> None:
        self._ctl("start")

    def halt(self) -> None:
        """Stop it, and keep what it holds."""
        self._ctl("stop")

    def restart(self) -> None:
        self._ctl("restart")

    def stop(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self._run("pg_ctl", "stop", "-D", str(self.folder), "-m", "immediate")
        shutil.rmtree(self.folder, ignore_errors=True)


class Pushers:
    """`manage.py push` processes with this environment; with `ahead`, their clocks are so many seconds ahead."""

    def __init__(self, number: int, log: Path, ahead: Sequence[int] = ()) -> None:
        self._log = open(log, "ab")  # noqa: SIM115
        self._ahead = ahead
        self._all = [self._start(index) for index in range(number)]
        self.killed = 0

    def _start(self, index: int) -> subprocess.Popen[bytes]:
        command, environment = [sys.executable, "manage.py", "push"], os.environ.copy()
        if self._ahead:
            command = under_faketime.command("manage.py", "push")
            environment = under_faketime.environment(self._ahead[index])
        return subprocess.Popen(command, cwd=ROOT, stdout=self._log, stderr=self._log, env=environment)

    def kill_one(self, index: int) -> None:
        """SIGKILL, and another in its place."""
        self._all[index].send_signal(signal.SIGKILL)
        self._all[index].wait()
        self._all[index] = self._start(index)
        self.killed += 1

    def died(self) -> int:
        """How many ended by themselves; started again."""
        dead = [index for index, each in enumerate(self._all) if each.poll() is not None]
        for index in dead:
            self._all[index] = self._start(index)
        return len(dead)

    def stop(self) -> None:
        for each in self._all:
            each.terminate()
        for each in self._all:
            try:
                each.wait(20)
            except subprocess.TimeoutExpired:
                each.kill()
        self._log.close()
