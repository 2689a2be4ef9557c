"""Load a file of transactions that Kartra exported into our copy, and say which were missing."""

from integrations.management.import_command import ImportCommand
from leads.models import ImportKind


class Command(ImportCommand):
    help = (
        "Load transactions that Kartra exported (CSV) into our copy and say which were missing. Nothing is sent to Kartra. "
        "Bad rows go to FILE.rejected.csv. Interrupted, the same command goes on where it was."
    )
    kind = ImportKind.TRANSACTIONS
    example = "full_amount='Total'"
