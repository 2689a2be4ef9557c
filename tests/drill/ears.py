"""Whoever is told: the address of ALERT_URL, that of HEARTBEAT_URL, and the mails, as files."""

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Ears:
    """A server on loopback that keeps what it is told, and a folder for mails."""

    def __init__(self, folder: Path) -> None:
        self.mails = folder / "mails"
        self.mails.mkdir()
        self.heard: list[tuple[float, str]] = []
        """When, by time.monotonic(), and what was posted to ALERT_URL."""
        self.beats: list[float] = []
        ears = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                ears.heard.append((time.monotonic(), str(json.loads(body)["text"])))
                self._done()

            def do_GET(self) -> None:
                ears.beats.append(time.monotonic())
                self._done()

            def _done(self) -> None:
                with contextlib.suppress(OSError):
                    self.send_response(200)
                    self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def environment(self) -> dict[str, str]:
        return {
            "ALERT_URL": f"{self.url}/alert",
            "HEARTBEAT_URL": f"{self.url}/beat",
            "ADMINS": "operator@example.com",
            "EMAIL_URL": f"filemail:///{self.mails}",
        }

    def when_told(self, words: str, since: float) -> float | None:
        """When, after `since`, both a mail and a message said so; None: not yet. What is over does not count."""
        times = [at for at, text in list(self.heard) if at >= since and words in text and ": over:" not in text]
        return min(times) if times and self._mailed(words) else None

    def _mailed(self, words: str) -> bool:
        return any(words in " ".join(path.read_text().split()) for path in self.mails.iterdir())

    def forget_mails(self) -> None:
        for path in self.mails.iterdir():
            path.write_text("")  # a process may have it open

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
