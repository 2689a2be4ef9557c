"""gunicorn as it is shipped, on a free port of loopback, and clients that talk to it byte by byte."""

import contextlib
import os
import select
import socket
import subprocess
import sys
import time
from pathlib import Path

from django.db import connections

from tests.chaos.servers import ROOT, free_port
from tests.processes import database_url


class Web:
    """The server's process. `temporary` is the folder where it may put files; `most` the highest number of bytes seen there."""

    def __init__(self, folder: Path, **environment):
        self.port, self.folder = free_port(), folder
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.most = 0
        command = [sys.executable, "-m", "gunicorn", "kartra_mirror.wsgi", "--config", "kartra_mirror/gunicorn.py"]
        connections.close_all()
        self._log = (folder / "web.log").open("wb")
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=self._log,
            stderr=self._log,
            env={
                **os.environ,
                "DATABASE_URL": database_url(),
                "TMPDIR": str(self.temporary),
                "WEB_PORT": str(self.port),
                "ALLOWED_HOSTS": "127.0.0.1",
                **environment,
            },
        )
        wait_for_answer(self.port)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(15)
        finally:
            self.process.kill()
            self._log.close()

    def log(self):
        return (self.folder / "web.log").read_text()

    def on_disk(self):
        """Bytes in the folder for temporary files now."""
        found = 0
        for path in self.temporary.rglob("*"):
            with contextlib.suppress(OSError):
                found += path.stat().st_size
        self.most = max(self.most, found)
        return found

    def memory(self):
        """The most memory that a worker ever had, in bytes; None where the system does not say."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        if not children.exists():
            return None
        peaks = [Path(f"/proc/{pid}/status").read_text() for pid in children.read_text().split()]
        return max(int(text.partition("VmHWM:")[2].split()[0]) * 1024 for text in peaks)


def wait_for_answer(port, path="/healthz", seconds=20.0):
    ends = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            if ask(port, path)[0] == 200:
                return
        assert time.monotonic() < ends, "The server did not start."
        time.sleep(0.1)


def head(method, path, **headers):
    lines = [f"{method} {path} HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def ask(port, path, method="GET", body=b"", timeout=5.0, **headers):
    """(status, seconds) of a request that is sent at once."""
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout) as link:
        link.settimeout(timeout)
        link.sendall(head(method, path, Host="127.0.0.1", Content_Length=len(body), Connection="close", **headers))
        link.sendall(body)
        return status_of(link), time.monotonic() - begun


def status_of(link):
    """The status of the answer on a socket; 0: the server hung up without one."""
    got = b""
    with contextlib.suppress(OSError):
        while b"\r\n" not in got and (more := link.recv(4096)):
            got += more
    return int(got.split()[1]) if got.startswith(b"HTTP/") else 0


def pour(web, path, pieces, *, through=None, **headers):
    """Send pieces of a body until the server answers or hangs up: (status, bytes sent). `through`: the port of a proxy."""
    sent = 0
    with socket.create_connection(("127.0.0.1", through or web.port), 5) as link:
        link.settimeout(5)
        link.sendall(head("POST", path, Host="127.0.0.1", **headers))
        try:
            for piece in pieces:
                if select.select([link], [], [], 0)[0]:
                    break
                link.sendall(piece)
                sent += len(piece)
                web.on_disk()
        except OSError:
            pass
        return status_of(link), sent


BOUNDARY = "boundary-of-a-test"
PIECE = b"x" * 65536


def multipart(size, fields=(), file_name="people.csv"):
    """A form with a file of about so many bytes, in pieces."""
    for name, value in fields:
        yield f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    yield (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{file_name}"\r\n'
        "Content-Type: text/csv\r\n\r\n"
    ).encode()
    for _ in range(size // len(PIECE) + 1):
        yield PIECE
    yield f"\r\n--{BOUNDARY}--\r\n".encode()


def chunked(pieces):
    for piece in pieces:
        yield f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    yield b"0\r\n\r\n"
