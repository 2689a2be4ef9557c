"""Keys of the embedded set-up: made once, kept in VAR_DIR and readable by their owner alone.

Used where the environment gives none and nothing is reached over https; a real installation has keys of its own.
"""

import json
import os
import secrets
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet

NAMES = ("SECRET_KEY", "FIELD_ENCRYPTION_KEYS", "DIGEST_KEYS")


def make() -> dict[str, str]:
    """New keys, by their names in the environment."""
    return {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "FIELD_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "DIGEST_KEYS": secrets.token_urlsafe(32),
    }


def kept_in(var_dir: Path) -> dict[str, str]:
    """The keys of this folder, made on the first call. Two processes that start at once get the same keys."""
    path = var_dir / "keys.json"
    if not path.exists():
        var_dir.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=var_dir)  # mode 0600
        with os.fdopen(handle, "w") as file:
            json.dump(make(), file)
        try:
            os.link(name, path)  # fails if another process was first
        except FileExistsError:
            pass
        finally:
            os.unlink(name)
    found: dict[str, str] = json.loads(path.read_text())
    return {"DIGEST_KEYS": found.get("DIGEST_KEY", ""), **found}  # as an earlier version called it
