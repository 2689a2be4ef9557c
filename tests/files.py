"""Loading a text as a file that Kartra exported, in one go."""

import io

from leads import importing
from leads.importing import ids
from leads.models import ImportKind


def confirm_ids(job, file):
    """As if Kartra had been asked about the ids of the file, and agreed."""
    importing.survey(job, file)
    if ids.verdict(job.options) == ids.UNSURE:
        importing.looked_up(job, [(row, row.id) for row in ids.people(job.options)])


def loaded(account, content, mapping=None, dry_run=False):
    """The import, carried through."""
    file = io.BytesIO(content.encode())
    job = importing.create(account, ImportKind.LEADS, file, "export.csv")
    importing.match(job, {**job.mapping, **(mapping or {})})
    confirm_ids(job, file)
    (importing.check if dry_run else importing.start)(job, file)
    importing.work(job, file)
    return job
