"""Loading a text as a file, in one go."""

import io

import pytest

from leads import importing
from leads.models import ImportKind, ImportReject
from tests.factories import AccountFactory
from tests.files import confirm_ids


class Loaded:
    """An import that was carried through, and its bad rows: [(line, reason)]."""

    def __init__(self, job):
        self.job = job
        self.rejects = [(row.line, row.words) for row in ImportReject.objects.filter(file=job).order_by("line")]
        self.cells = list(ImportReject.objects.filter(file=job).order_by("line").values_list("cells", flat=True))

    def __getattr__(self, name):
        return self.job.counts.get(name, 0) if name in ("created", "updated", "unchanged") else getattr(self.job, name)

    @property
    def numbers(self):
        return self.job.rows, self.created, self.updated, self.unchanged, self.job.rejected


@pytest.fixture
def account(db):
    return AccountFactory()


@pytest.fixture
def load(account):
    """Loads a text or bytes: load("email\\na@example.com\\n", {"email": "email"})."""

    def carry(content, mapping=None, kind=ImportKind.LEADS, day_first=None, dry_run=False, believed=True, **options):
        file = io.BytesIO(content if isinstance(content, bytes) else content.encode())
        job = importing.create(account, kind, file, "export.csv")
        importing.match(job, {**job.mapping, **(mapping or {})}, day_first=day_first, **options)
        if believed:
            confirm_ids(job, file)
        assert (importing.check if dry_run else importing.start)(job, file)
        assert not importing.work(job, file)
        return Loaded(job)

    return carry
