"""Load a file of leads that Kartra exported into our copy."""

from integrations.management.import_command import ImportCommand
from leads.models import ImportKind


class Command(ImportCommand):
    help = (
        "Load leads that Kartra exported (CSV) into our copy. Nothing is sent to Kartra. Bad rows go to FILE.rejected.csv. "
        "Interrupted, the same command goes on where it was."
    )
    kind = ImportKind.LEADS
    example = "email='Email Address'"
