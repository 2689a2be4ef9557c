"""Where `connect` has Kartra's keys from: a file, the environment, a prompt; the command line too, with a warning."""

import os
import stat
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations.management.arguments import secret_asked

NAMES = {"app_id": "KARTRA_APP_ID", "api_key": "KARTRA_API_KEY", "api_password": "KARTRA_API_PASSWORD"}
SECRET = ("api_key", "api_password")
LONGEST_FILE = 10_000


def add_secrets(parser: CommandParser) -> None:
    seen = "; seen by others of this machine and kept by the shell when given here"
    parser.add_argument("--app-id", default="", help="of your app (Kartra: Settings > Integrations > My Apps)")
    parser.add_argument("--api-key", default="", help=f"of the account (Kartra: Integrations > API > My API){seen}")
    parser.add_argument("--api-password", default="", help=f"of the account{seen}")
    parser.add_argument(
        "--secrets-file",
        default="",
        metavar="PATH",
        help=f"lines of NAME=value ({', '.join(NAMES.values())}) in a file that only you may read; - is standard input",
    )


def secrets_of(command: BaseCommand, options: Mapping[str, Any], *, needed: bool) -> dict[str, str]:
    """App id, key and password, "" where none is given: from the command line, else the file, else the environment, else, where
    they are `needed` and somebody sits at a terminal, asked for. Raises CommandError."""
    if given := [f"--{name.replace('_', '-')}" for name in SECRET if options[name]]:
        command.stderr.write(
            f"{' and '.join(given)} on the command line: other users of this machine can see it, and the shell keeps it. Use "
            "--secrets-file, the environment or the prompt."
        )
    in_file = _file(options["secrets_file"]) if options["secrets_file"] else {}
    found = {
        name: options[name] or in_file.get(variable, "") or os.environ.get(variable, "")
        for name, variable in NAMES.items()
    }
    if needed and options["secrets_file"] != "-":
        for name in NAMES:
            found[name] = found[name] or secret_asked(f"{name.replace('_', ' ').capitalize()}: ")
    return found


def _file(path: str) -> dict[str, str]:
    if path == "-":
        return _lines(sys.stdin, "standard input")
    try:
        with open(path, encoding="utf-8") as lines:
            if stat.S_IMODE(os.fstat(lines.fileno()).st_mode) & 0o077:
                raise CommandError(f"{path} may be read by others. Take that away first: chmod 600 {path}")
            return _lines(lines, path)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None


def _lines(lines: TextIO, where: str) -> dict[str, str]:
    """The values by their names. What is wrong is named by its line, never by what stands there."""
    found: dict[str, str] = {}
    try:
        text = lines.read(LONGEST_FILE)
    except UnicodeDecodeError:
        raise CommandError(f"{where} is no text.") from None
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, sign, value = line.removeprefix("export ").partition("=")
        name, value = name.strip(), value.strip()
        if not sign or name not in NAMES.values() or name in found:
            raise CommandError(
                f"Line {number} of {where} is not one of {', '.join(f'{each}=…' for each in NAMES.values())}, each once.",
                returncode=2,
            )
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[name] = value
    return found
