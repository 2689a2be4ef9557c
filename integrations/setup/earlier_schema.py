"""A database of an earlier, unreleased version: its migrations are not those of this one, though the first has the same name, so
`migrate` would take its tables for ours and leave them half made.
"""

from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.utils.translation import gettext as _

OURS = ("leads", "integrations", "kartra_mirror")


def refusal(using: str = "default") -> str:
    """Why nothing may be done with this database, in a sentence; empty where its migrations are ours."""
    loader = MigrationLoader(connections[using], ignore_no_migrations=True)
    recorded = {key for key in loader.applied_migrations if key[0] in OURS}
    if not recorded - set(loader.disk_migrations):
        return ""
    return _(
        "%(database)s was made by an earlier version of Kartra Mirror, whose tables this one cannot take over; nothing was "
        "changed. Name an empty database, or for the demo another folder: VAR_DIR=var-new make run"
    ) % {"database": connections[using].settings_dict["NAME"]}
