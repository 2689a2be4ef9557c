"""What we write on disk is for the user we run as, and for nobody else: VAR_DIR is 0700, its files 0600.

Static files are the exception: whatever serves them has to read them.
"""

import os
import stat
import sys
from pathlib import Path

OTHERS = 0o077
OURS = ("keys.json", "db.sqlite3", "installation", "rate_limit", "calls", "broker", "forgotten")
"""By these a folder that is there already is known as ours: of any other (/tmp, /var/lib) nothing is taken from others."""


def keep_private(var_dir: Path) -> None:
    """Make VAR_DIR, or narrow the one that an earlier version left open; and have all that this process and its children write
    private from now on."""
    if "collectstatic" not in sys.argv:
        os.umask(OTHERS)
    if not var_dir.exists():
        var_dir.parent.mkdir(parents=True, exist_ok=True)
        var_dir.mkdir(mode=0o700, exist_ok=True)
    if open_to_others(var_dir) and _is_ours(var_dir):
        var_dir.chmod(0o700)
        for folder, folders, files in os.walk(var_dir):
            for name in (*folders, *files):
                _narrow(Path(folder, name))


def open_to_others(path: Path) -> bool:
    return bool(path.stat().st_mode & OTHERS)


def _is_ours(folder: Path) -> bool:
    return folder.stat().st_uid == os.geteuid() and (
        any((folder / name).exists() for name in OURS) or not any(folder.iterdir())
    )


def _narrow(path: Path) -> None:
    """Take from others what is of ours. What went away meanwhile, or is another user's, is left."""
    try:
        known = path.lstat()
        if known.st_uid == os.geteuid() and not stat.S_ISLNK(known.st_mode) and known.st_mode & OTHERS:
            path.chmod(stat.S_IMODE(known.st_mode) & ~OTHERS)
    except OSError:
        pass
