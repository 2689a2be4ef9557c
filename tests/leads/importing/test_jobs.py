"""An import that is cut off anywhere, or done by two at once, ends as one that was not."""

import io
import itertools

import pytest
from django.db import IntegrityError, transaction

from leads import importing
from leads.importing import batches
from leads.models import Import, ImportChunk, ImportKind, ImportReject, ImportSeen, Lead
from tests.factories import AccountFactory, StaffFactory
from tests.files import confirm_ids

pytestmark = pytest.mark.django_db

ROWS = "".join(f"{n},lead{n}@example.com,Name{n},VIP\n" if n % 7 else f"{n},bad,,\n" for n in range(1, 101))
TEXT = "id,email,first name,tags\n" + ROWS + "3,lead3@example.com,again,\n"


PIECE = 512
"""Of the stored file, so that it has several."""


def work(job, file, **how):
    return importing.work(job, file, batch=10, **how)


def kept(job):
    return importing.open_kept(job, piece=PIECE)


def made(keep=True, text=TEXT):
    file = io.BytesIO(text.encode())
    return importing.create(AccountFactory(), ImportKind.LEADS, file, "export.csv", keep=keep, piece=PIECE), file


def end_of(job):
    job.refresh_from_db()
    leads = Lead.objects.filter(account=job.account).order_by("email").values_list("email", "first_name")
    rejects = ImportReject.objects.filter(file=job).order_by("line").values_list("line", "reason")
    return job.state, job.rows, job.rejected, job.counts, list(leads), list(rejects)


def test_uploaded_file_is_read_from_its_pieces():
    job, file = made()
    assert ImportChunk.objects.filter(file=job).count() == len(TEXT) // PIECE + 1
    stored = kept(job)
    assert stored.read() == file.getvalue()
    stored.seek(700)
    assert stored.read(100) == file.getvalue()[700:800]


def test_slices_end_as_one_go():
    whole, file = made()
    importing.start(whole)
    assert not work(whole, file)

    sliced, _ = made()
    importing.start(sliced)
    slices = 0
    while work(sliced, kept(sliced), until_s=0):
        slices += 1

    assert slices > 5
    assert end_of(sliced)[1:] == end_of(whole)[1:]
    assert end_of(whole)[:4] == ("finished", 101, 15, {"created": 86, "updated": 0, "unchanged": 0, "new_leads": 0})


@pytest.mark.parametrize("where", ["before", "after"])
def test_cut_off_in_any_batch_it_goes_on_and_ends_the_same(monkeypatch, where):
    whole, file = made()
    importing.start(whole)
    work(whole, file)
    job, _ = made()
    importing.start(job)
    write, calls = batches.LeadRows.write, itertools.count()

    def killed(self, rows, **options):
        if next(calls) % 2 == 0:
            if where == "after":
                write(self, rows, **options)
            raise KeyboardInterrupt
        return write(self, rows, **options)

    monkeypatch.setattr(batches.LeadRows, "write", killed)
    cut = 0
    while True:
        try:
            if not work(job, kept(job), until_s=0):
                break
        except KeyboardInterrupt:
            cut += 1
            job = Import.objects.get(pk=job.pk)

    assert cut > 5
    assert end_of(job) == end_of(whole)


def test_second_worker_writes_nothing_that_the_first_wrote():
    job, _ = made()
    importing.start(job)
    one, two = Import.objects.get(pk=job.pk), Import.objects.get(pk=job.pk)
    work(one, kept(one), until_s=0)

    reader = batches.LeadRows(two.account, two.headers, two.mapping, day_first=False, options={})
    rows = list(itertools.islice(batches.records(kept(two), "utf-8", ",", two.position, two.line), 10))
    assert not batches.load_batch(two, reader, rows)

    assert Import.objects.get(pk=job.pk).rows == 10
    assert two.position == one.position


def test_check_counts_starts_again_and_leaves_no_lead():
    job, file = made()
    confirm_ids(job, file)
    importing.check(job, file)
    work(job, file)
    assert (job.state, job.rows, job.rejected, job.counts["created"]) == ("checked", 101, 15, 86)
    assert not Lead.objects.exists()
    assert job.percent == 100

    assert importing.start(job)
    assert (job.position, job.rows, job.expected["created"]) == (job.data_start, 0, 86)
    work(job, file)
    assert (job.state, job.rows, job.rejected, job.counts["created"]) == ("finished", 101, 15, 86)


def test_started_twice_is_started_once():
    job, file = made()
    assert importing.start(job)
    assert not importing.start(job)
    work(job, file)
    assert not importing.start(job)
    assert not importing.check(job, file)
    assert Lead.objects.count() == 86


def test_cancelled_half_way_keeps_what_was_loaded_and_stops():
    job, _ = made()
    importing.start(job)
    work(job, kept(job), until_s=0)

    assert importing.cancel(job)
    assert not importing.cancel(job)
    assert not work(job, kept(job))

    assert (job.state, job.rows) == ("cancelled", 10)
    assert not ImportChunk.objects.exists()
    assert not ImportSeen.objects.exists()


def test_file_and_digests_are_removed_at_the_end_bad_rows_stay():
    job, _ = made()
    importing.start(job)
    work(job, kept(job))
    assert (ImportChunk.objects.count(), ImportSeen.objects.count(), ImportReject.objects.count()) == (0, 0, 15)


def test_only_those_whose_file_is_here_are_for_the_workers():
    here, _ = made()
    there, _ = made(keep=False)
    importing.start(here)
    importing.start(there)
    assert list(Import.objects.going()) == [here]


def test_interrupted_command_is_found_again_by_the_file_and_mapping():
    job, file = made(keep=False)
    digest, size = importing.digest_of(file)
    assert (digest, size) == (job.digest, len(TEXT))
    assert importing.unfinished(job.account, ImportKind.LEADS, digest, {}) is None
    importing.start(job)
    assert importing.unfinished(job.account, ImportKind.LEADS, digest, {"email": "email"}) == job
    assert importing.unfinished(job.account, ImportKind.LEADS, digest, {"email": "id"}) is None
    assert importing.unfinished(AccountFactory(), ImportKind.LEADS, digest, {}) is None


def test_days_come_first_where_the_file_shows_it():
    text = "email,date joined\na@example.com,03/04/2026\nb@example.com,13/04/2026\n"
    job, file = made(text=text)
    importing.start(job, file)
    work(job, file)
    dates = Lead.objects.order_by("email").values_list("date_joined", flat=True)
    assert [f"{date:%d %m}" for date in dates] == ["03 04", "13 04"]


def test_who_began_it_is_kept():
    user = StaffFactory()
    job = importing.create(AccountFactory(), ImportKind.LEADS, io.BytesIO(TEXT.encode()), "x" * 300, by=user)
    assert (job.created_by, len(job.file_name)) == (user, 255)


@pytest.mark.parametrize("wrong", [{"state": "finished"}, {"position": 10**9}, {"rejected": 5}])
def test_what_must_never_be_is_refused_by_the_database(wrong):
    job, _ = made()
    with pytest.raises(IntegrityError), transaction.atomic():
        Import.objects.filter(pk=job.pk).update(**wrong)
