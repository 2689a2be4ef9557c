"""The embedded broker: kombu's virtual transport over folders, one file per waiting message.

A message is written aside and renamed into its queue, so no reader ever sees half of one. Its file name comes from what it
says, so one that already waits is not put a second time: work is found in the database, one message is as good as ten.
"""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, virtual
from kombu.utils.json import dumps, loads

POLL_S = 0.1


def register() -> None:
    """Make `filebroker://` known to kombu."""
    TRANSPORT_ALIASES["filebroker"] = "kartra_mirror.file_broker:Transport"


def _asks_for(message: dict[str, Any]) -> str:
    """What a message asks for: its task and arguments, whatever its ids and times are."""
    headers = message.get("headers") or {}
    wanted = [headers.get("task"), headers.get("argsrepr"), headers.get("kwargsrepr")]
    return json.dumps(wanted if wanted[0] else message, sort_keys=True, default=str)


class Channel(virtual.Channel):
    """Queues are folders under the `folder` transport option; messages are files in them, taken oldest first."""

    def _folder(self, queue: str) -> Path:
        folder = Path(self.connection.client.transport_options["folder"]) / queue.replace("/", "_")
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        folder = self._folder(queue)
        target = folder / f"{hashlib.sha256(_asks_for(message).encode()).hexdigest()[:32]}.message"
        handle, name = tempfile.mkstemp(dir=folder, suffix=".aside")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(dumps(message).encode())
            os.replace(name, target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        folder = self._folder(queue)
        for path in sorted(folder.glob("*.message"), key=_age):
            taken = path.with_suffix(f".{os.getpid()}-{id(self):x}.taken")
            try:
                os.rename(path, taken)  # whoever renames it has it
            except FileNotFoundError:
                continue
            try:
                message: dict[str, Any] = loads(taken.read_bytes())
                return message
            except ValueError:
                continue  # not a message; nothing of ours is lost with it
            finally:
                taken.unlink(missing_ok=True)
        raise Empty

    def _size(self, queue: str) -> int:
        return sum(1 for _ in self._folder(queue).glob("*.message"))

    def _purge(self, queue: str) -> int:
        count = 0
        for path in self._folder(queue).glob("*.message"):
            path.unlink(missing_ok=True)
            count += 1
        return count


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


class Transport(virtual.Transport):
    """Local to one machine; several processes may publish and listen."""

    Channel = Channel
    implements = virtual.Transport.implements.extend(asynchronous=False, exchange_type=frozenset({"direct"}))
    global_state = virtual.BrokerState()
    default_port = None
    polling_interval = POLL_S
    driver_type = "filebroker"
    driver_name = "filebroker"

    def driver_version(self) -> str:
        return "1"

    @property
    def default_connection_params(self) -> dict[str, Any]:
        return {}
