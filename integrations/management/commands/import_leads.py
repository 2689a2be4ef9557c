"""Load a file of leads that Kartra exported into our copy."""

from integrations.management.loading import LoadCommand
from leads.models import ImportKind


class Command(LoadCommand):
    help = (
        "Load leads that Kartra exported (CSV) into our copy. Nothing is sent to Kartra. Bad rows go to FILE.rejected.csv. "
        "Interrupted, the same command goes on where it was."
    )
    kind = ImportKind.LEADS
    example = "email='Email Address'"
