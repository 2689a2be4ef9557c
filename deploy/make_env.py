"""`make env`: a filled .env for a new installation, with keys made here and now. Needs nothing but Python.

It never writes over a file that is there: the keys in it open what the database holds.
"""

import argparse
import base64
import os
import re
import secrets
import sys
from pathlib import Path
from urllib.parse import urlsplit

TEXT = """\
# Written by `make env`. The first three are kept nowhere else: without them secrets in the database cannot be opened, and neither
# webhook addresses nor forgotten people are known again. Keep a copy apart from the database. .env.example names all settings.
SECRET_KEY={secret_key}
FIELD_ENCRYPTION_KEYS={field_key}
DIGEST_KEYS={digest_key}

PUBLIC_URL={public_url}
ALLOWED_HOSTS={host}
PROXY_COUNT=1

# who is told when something needs a person; mails leave by the server that EMAIL_URL names
ADMINS={mail}
MAIL_FROM={mail}
#EMAIL_URL=smtp+tls://user:password@smtp.example.com:587
METRICS_TOKEN={metrics_token}

POSTGRES_PASSWORD={database_password}
# for systemd; docker-compose.yml has its own three
DATABASE_URL=postgres://mirror:{database_password}@127.0.0.1:5432/mirror
REDIS_URL=redis://127.0.0.1:6379/0
VAR_DIR=/var/lib/kartra-mirror
"""


class Unfit(ValueError):
    """What was typed cannot be meant; says why."""


def address_of(text: str) -> tuple[str, str]:
    """(PUBLIC_URL, the name in it) of a name, or of a whole address where it is not https on the usual port."""
    address = text if "://" in text else f"https://{text}"
    parts = urlsplit(address.rstrip("/"))
    name = parts.hostname or ""
    if parts.scheme not in ("http", "https") or parts.path or not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", name):
        raise Unfit(f"{text!r} is no name of a machine. It looks like mirror.example.com.")
    return parts.geturl(), name


def mail_of(text: str) -> str:
    if not re.fullmatch(r"[^\s@,=#\"'$]+@[^\s@,=#\"'$]+", text):
        raise Unfit(f"{text!r} is no mail address.")
    return text


def filled(host: str, mail: str) -> str:
    """The text of .env, with new keys."""
    public_url, name = address_of(host)
    return TEXT.format(
        secret_key=secrets.token_urlsafe(50),
        field_key=base64.urlsafe_b64encode(os.urandom(32)).decode(),
        digest_key=secrets.token_urlsafe(32),
        metrics_token=secrets.token_urlsafe(32),
        database_password=secrets.token_hex(24),
        public_url=public_url,
        host=name,
        mail=mail_of(mail),
    )


def asked(question: str, answer: str) -> str:
    """The answer, asked for at a terminal where it was not given."""
    if answer or not sys.stdin.isatty():
        return answer
    return input(f"{question}: ").strip()


def main() -> int:
    parser = argparse.ArgumentParser(description="Write a filled .env for a new installation.")
    parser.add_argument("--file", type=Path, default=Path(".env"))
    parser.add_argument("--host", default="", help="the name by which people and Kartra reach it")
    parser.add_argument("--mail", default="", help="who is told when something needs a person")
    options = parser.parse_args()
    if options.file.exists():
        print(
            f"{options.file} is there already, with the keys of an installation. Nothing was changed.", file=sys.stderr
        )
        return 1
    host = asked("The name by which people and Kartra reach it, such as mirror.example.com", options.host)
    mail = asked("The mail address that is told when something needs a person", options.mail)
    if not host or not mail:
        print("Say for whom: make env HOST=mirror.example.com MAIL=you@example.com", file=sys.stderr)
        return 2
    try:
        text = filled(host, mail)
        handle = os.open(options.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except Unfit as problem:
        print(problem, file=sys.stderr)
        return 2
    except OSError as problem:
        print(f"{options.file} could not be written: {problem.strerror}.", file=sys.stderr)
        return 1
    with os.fdopen(handle, "w") as file:
        file.write(text)
    print(f"{options.file} is written, for you alone to read. Keep a copy of it apart from the database.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
