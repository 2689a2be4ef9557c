"""Loading a text as a file that Kartra exported, in one go."""

import io

from leads import importing
from leads.models import ImportKind


def loaded(account, content, mapping=None, dry_run=False):
    """The import, carried through."""
    file = io.BytesIO(content.encode())
    job = importing.create(account, ImportKind.LEADS, file, "export.csv")
    importing.match(job, {**job.mapping, **(mapping or {})})
    (importing.check if dry_run else importing.start)(job, file)
    importing.work(job, file)
    return job
