"""Files of bad rows that `import_leads` left beside what it loaded: the rows that name a person are taken out.

Where it wrote one is kept with the import. One that was moved, or is on another machine, nobody finds from here.
"""

import csv
from collections import Counter
from pathlib import Path

from leads.importing.jobs import REJECT_FILE
from leads.models import Import
from leads.person.naming import REMOVED, Person
from leads.person.parts import Counts

FILES = "files"
"""Under this name files are counted beside tables."""


def blank(person: Person) -> Counts:
    """Take the person out of every such file of the account that is still there. How many files held one."""
    jobs = Import.objects.filter(account=person.account_id, options__has_key=REJECT_FILE)
    found = {Path(job.options[REJECT_FILE]) for job in jobs}
    return Counter({FILES: sum(_without(path, person) for path in found)})


def _without(path: Path, person: Person) -> bool:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file))
    except (OSError, ValueError, csv.Error):
        return False
    kept = [cells if not person.is_in_cells(cells[1:]) else [*cells[:1], REMOVED] for cells in lines]
    if kept == lines:
        return False
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(kept)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        return False
    return True
