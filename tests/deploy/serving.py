"""gunicorn as it is shipped, that is stopped and started on one address, and posts that go on meanwhile."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time

from django.db import connections

from tests.abuse.web import wait_for_answer
from tests.chaos.servers import ROOT, free_port
from tests.processes import database_url

HANDED_ON = 3
"""The number at which systemd hands on a socket."""
AS_SYSTEMD = f'import os, sys; os.environ["LISTEN_PID"] = str(os.getpid()); os.dup2(int(sys.argv[1]), {HANDED_ON}); os.execv(sys.argv[2], sys.argv[2:])'


class Gunicorn:
    """The web process on a port of its own, or on a socket that somebody else keeps open (as systemd does)."""

    def __init__(self, folder, *, kept_open=False):
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=2048) if kept_open else None
        self.port = self._socket.getsockname()[1] if self._socket else free_port()
        self._log = (folder / "web.log").open("ab")
        self.start()
        wait_for_answer(self.port)

    def start(self):
        command = [sys.executable, "-m", "gunicorn", "kartra_mirror.wsgi", "--config", "kartra_mirror/gunicorn.py"]
        env = {
            **os.environ,
            "DATABASE_URL": database_url(),
            "WEB_PORT": str(self.port),
            "ALLOWED_HOSTS": "127.0.0.1",
            "WEB_SILENCE_S": "2",
        }
        handed = ()
        if self._socket:
            handed = (self._socket.fileno(),)
            command = [sys.executable, "-c", AS_SYSTEMD, str(handed[0]), *command]
            env["LISTEN_FDS"] = "1"
            del env["WEB_PORT"]
        connections.close_all()
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=self._log, stderr=self._log, pass_fds=handed, close_fds=True
        )

    def restart(self):
        self.process.terminate()
        assert self.process.wait(60) == 0
        self.start()

    def reload(self):
        self.process.send_signal(signal.SIGHUP)
        time.sleep(3.0)  # it says nothing when it is done; posts go on meanwhile

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        finally:
            self.process.kill()
            self._log.close()
            if self._socket:
                self._socket.close()


class Posting:
    """So many posts to one address, from several senders at once, each with a body of its own."""

    def __init__(self, port, path, number, senders=4):
        self.port, self.path, self.number = port, path, number
        self.answers, self._next, self._lock = {}, 0, threading.Lock()
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(senders)]
        for thread in self._threads:
            thread.start()

    def wait_for(self, answered, seconds=120.0):
        ends = time.monotonic() + seconds
        while len(self.answers) < answered:
            assert time.monotonic() < ends, f"{len(self.answers)} of {self.number} were answered."
            time.sleep(0.02)

    def bodies(self):
        return {self._body(number) for number in range(self.number)}

    def refused(self):
        """{number: what came instead of 200}"""
        return {number: answer for number, answer in self.answers.items() if answer != 200}

    def _body(self, number):
        return b'{"action": "assign_tag", "lead": {"id": "%d"}}' % number

    def _send(self):
        while True:
            with self._lock:
                number, self._next = self._next, self._next + 1
            if number >= self.number:
                return
            self.answers[number] = self._post(self._body(number))

    def _post(self, body):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=90)
        with contextlib.closing(link):
            try:
                link.request("POST", self.path, body, {"Content-Type": "application/json", "Connection": "close"})
                return link.getresponse().status
            except OSError as error:
                return type(error).__name__
            except http.client.HTTPException as error:
                return type(error).__name__
