"""The proxies of deploy/, with those very files: only addresses and certificates are replaced."""

import os
import re
import shutil
import subprocess

import pytest

from tests.chaos.servers import ROOT, free_port, wait_for


def caddy_version():
    """The installed one, as (2, 6, 2); (0, 0, 0) where there is none."""
    if shutil.which("caddy") is None:
        return (0, 0, 0)
    version = subprocess.run(["caddy", "version"], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, re.match(r"v?(\d+)\.(\d+)\.(\d+)", version).groups()))


class Proxy:
    """A proxy's process on a free port of loopback, in front of another port."""

    def __init__(self, name, upstream, folder):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
        self.port, self.folder = free_port(), folder
        command, environment = {"caddy": self._caddy, "nginx": self._nginx}[name](upstream)
        self._log = (folder / "proxy.log").open("wb")
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=self._log, stderr=self._log, env={**os.environ, **environment}
        )
        wait_for(self.port)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            self._log.close()

    def log(self):
        """All that it wrote, wherever in its folder."""
        return "".join(path.read_text(errors="replace") for path in self.folder.rglob("*") if path.is_file())

    def _caddy(self, upstream):
        environment = {
            "MIRROR_ADDRESS": f"http://127.0.0.1:{self.port}",
            "MIRROR_UPSTREAM": f"127.0.0.1:{upstream}",
            "XDG_DATA_HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder),
        }
        if caddy_version() < (2, 6, 3):
            environment["MIRROR_BUFFERING"] = "buffer_requests"
        return ["caddy", "run", "--config", str(ROOT / "deploy/Caddyfile")], environment

    def _nginx(self, upstream):
        """Without certificates, on other ports, its own folders below ours."""
        text = (ROOT / "deploy/nginx.conf").read_text()
        kept = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        for old, new in (
            ("listen 80 default_server;", f"listen 127.0.0.1:{free_port()} default_server;"),
            ("listen 443 ssl http2;", f"listen 127.0.0.1:{self.port};"),
            ("server 127.0.0.1:8000;", f"server 127.0.0.1:{upstream};"),
            ("error_log /var/log/nginx/error.log warn;", "error_log stderr warn;"),
            ("http {", "http {" + "".join(f"{name}_temp_path {self.folder}/{name};" for name in kept)),
        ):
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        text = re.sub(r"ssl_certificate\w* .*;", "", text)
        (self.folder / "nginx.conf").write_text(text)
        directives = f"daemon off; pid {self.folder}/pid;{' user root;' if os.getuid() == 0 else ''}"
        return ["nginx", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-g", directives], {}
