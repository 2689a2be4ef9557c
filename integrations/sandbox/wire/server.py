"""The sandbox at its address on loopback. How one request is answered, faults included, is in `handler`."""

import sys
import threading
from http.server import ThreadingHTTPServer
from typing import Any

from integrations.sandbox.state import SandboxState
from integrations.sandbox.wire.handler import Handler


class Sandbox(SandboxState):
    """A Kartra sandbox on loopback. `url` is the API's address. Threads end with `stop`.

    With a name of its own, as a container has among its neighbours, it listens everywhere and answers to that name too."""

    def __init__(self, *, port: int = 0, db: str = ":memory:", host: str = "127.0.0.1", own_name: str = "") -> None:
        super().__init__(db=db)
        self.own_name = own_name
        host = "0.0.0.0" if own_name else host
        handler = type("Handler", (Handler,), {"sandbox": self})
        self._server = _Server((host, port), handler)
        self.base = f"http://{own_name or host}:{self._server.server_address[1]}"
        self.url = f"{self.base}/api"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

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
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to speak of."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)
