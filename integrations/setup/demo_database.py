"""Whether the demo may work here: on a database of its own, embedded and marked, and on nothing else.

The demo makes a superuser with a printed password and a connection that sends. A real installation is never touched.
"""

import datetime as dt
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection as database
from django.utils.translation import gettext as _

from integrations import clock, sandbox_control
from integrations.models import Connection, Heartbeat, Installation
from integrations.sending import installation
from leads.models import Account

FILLED = "demo filled"


def refusal() -> str:
    """Why the demo may not work on what the settings name, in a sentence; empty where it may."""
    if problem := _settings_problem():
        return _(
            "The demo runs only on a database of its own, and %(problem)s. To try the demo beside a real installation, "
            "start it from another folder, without that .env file and those variables."
        ) % {"problem": problem}
    if not _is_own_database():
        return _(
            "The demo runs only on a database of its own, and %(path)s was not made by it. Give it another folder: "
            "VAR_DIR=var-demo make run"
        ) % {"path": settings.DATABASES["default"]["NAME"]}
    return ""


def claim() -> None:
    """Mark the database as the demo's own, and the folder as this database's. Only where there is no `refusal`."""
    here = installation.current()
    Installation.objects.filter(pk=here.pk).update(is_demo=True)
    if here.marked_at is None:
        installation.mark(here, None)


def is_being_filled() -> bool:
    """Whether this is the demo's database, and not all is there yet."""
    return filled_at() is None and Installation.objects.filter(is_demo=True).exists()


def filled_at() -> dt.datetime | None:
    """When the demo had put everything there: what came later, somebody did who tries it."""
    return Heartbeat.objects.filter(name=FILLED).values_list("at", flat=True).first()


def note_filled() -> None:
    Heartbeat.objects.create(name=FILLED, at=clock.now())


def _settings_problem() -> str:
    where = settings.DATABASES["default"]
    if not settings.EMBEDDED:
        return _("the environment or .env sets up a real installation (SECRET_KEY, DATABASE_URL or EMBEDDED=0)")
    if database.vendor != "sqlite" or Path(str(where["NAME"])).resolve() != settings.VAR_DIR / "db.sqlite3":
        return _("DATABASE_URL names another one")
    if settings.REDIS_URL:
        return _("REDIS_URL names a Redis that others may use")
    if not settings.KEYS_ARE_KEPT:
        return _("the environment or .env has the keys or the address of a real installation")
    return ""


def _is_own_database() -> bool:
    """Marked by the demo, empty, or made by the demo before there were marks: its connection was the first."""
    tables = set(database.introspection.table_names())
    if Installation._meta.db_table in tables and Installation.objects.filter(is_demo=True).exists():
        return True
    users, accounts = get_user_model().objects.all(), Account.objects.all()
    if not any(rows.model._meta.db_table in tables and rows.exists() for rows in (users, accounts)):
        return True
    if Connection._meta.db_table not in tables or not (settings.VAR_DIR / "login.txt").exists():
        return False
    first = Connection.objects.order_by("pk").only("api_url").first()
    return first is not None and sandbox_control.is_pretend(first)
