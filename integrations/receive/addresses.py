"""The addresses that are valid, in a file of this machine: while the database is away a stranger gets 404 all the same, and fills
nothing. It holds digests, which nobody can turn into an address."""

import json
import logging
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from django.db import DatabaseError

from integrations.models import WebhookEndpoint
from integrations.process_state import process_state
from integrations.receive import spool

logger = logging.getLogger(__name__)

EVERY_S = 60.0
"""An address that was made or ended on another machine is known here so soon after a message comes."""


class Unknown(Exception):
    """There is no such file: nobody can tell who is a stranger."""


def known(asked: Sequence[str]) -> tuple[int, bool] | None:
    """The id of the webhook endpoint that a token of these digests opens, and whether it is the old token. Raises Unknown."""
    try:
        kept = json.loads(_file().read_text())
    except (OSError, ValueError) as error:
        raise Unknown from error
    found = next((kept[digest] for digest in asked if digest in kept), None)
    return None if found is None else (found[0], found[1])


def are_known() -> bool:
    """Whether there is such a file."""
    return _file().exists()


def renew() -> None:
    """Write down the addresses that are valid now. What the database or the disk says against it is logged: the file so far stays."""
    process_state.addresses_kept_until = time.monotonic() + EVERY_S
    try:
        rows = WebhookEndpoint.objects.standing().values_list("pk", "token_digest", "old_token_digest")
        kept: dict[str, tuple[int, bool]] = {}
        for pk, digest, old in rows:
            kept |= {digest: (pk, False)} | ({old: (pk, True)} if old else {})
        text = json.dumps(kept, sort_keys=True)
        if not _file().exists() or _file().read_text() != text:
            _write(text)
        process_state.addresses_kept = frozenset(kept)
    except (OSError, DatabaseError) as error:
        logger.warning("The addresses could not be kept in a file of this machine (%s).", type(error).__name__)


def renew_if_old(asked: Sequence[str]) -> None:
    """The same, once a minute in each process, and at once when a message came by an address that it does not hold yet: by the
    next one the database may be away."""
    if time.monotonic() >= process_state.addresses_kept_until or process_state.addresses_kept.isdisjoint(asked):
        renew()


def _write(text: str) -> None:
    handle, name = tempfile.mkstemp(dir=spool.folder())  # 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, _file())
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _file() -> Path:
    return spool.folder() / "addresses"
