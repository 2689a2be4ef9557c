"""Exports: nothing in them runs in a spreadsheet, they import back to the same mirror, and Kartra's limits are kept."""

import csv
import datetime as dt
import io

import pytest
from django.utils import timezone
from hypothesis import given, settings, strategies as st

from leads import exporting, importing
from leads.csv_cells import joined, shield, split, unshield
from leads.exporting import KartraFiles, frozen, mirror_lines, told
from leads.importing.columns import LEADS, by_words
from leads.models import (
    CustomField,
    ImportKind,
    Lead,
    LeadTag,
    ListSubscription,
    MailingList,
    Tag,
)
from tests.factories import AccountFactory, LeadFactory
from tests.files import confirm_ids

EXECUTES = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
HOSTILE = [
    '=cmd|"/c calc"!A1',
    "+1 555",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    " =1+1",
    "'=1",
    "''+1",
    "'fine",
    "＝1+1",
    "a;=b",
    "a\\;b",
    "\\",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_runs_and_each_comes_back(text):
    assert not shield(text).lstrip(" ").startswith(EXECUTES)
    assert unshield(shield(text)) == text
    assert split(joined([text, "VIP"])) == (text, "VIP") or text.strip() != text


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=30), st.lists(st.text(min_size=1, max_size=12), unique=True, max_size=4))
def test_any_text_and_any_names_come_back(text, names):
    assert unshield(shield(text)) == text
    assert not shield(text).lstrip(" ").startswith(EXECUTES)
    wanted = [name for name in names if name.strip("\\ ") and name.strip(" ") == name.strip()]
    assert split(joined(wanted)) == tuple(wanted)


def tied(lead, tags=(), lists=(), left=()):
    for name in tags:
        tag, _ = Tag.objects.get_or_create(account=lead.account, name=name)
        LeadTag.objects.create(lead=lead, tag=tag, since=timezone.now(), source="refresh")
    for name in (*lists, *left):
        thing, _ = MailingList.objects.get_or_create(account=lead.account, name=name)
        ListSubscription.objects.create(
            lead=lead, mailing_list=thing, active=name in lists, since=timezone.now(), source="refresh"
        )


def full_account():
    account = AccountFactory()
    for identifier, type, options in (
        ("shirt_size", "drop_down", [["611", "Large; wide"]]),
        ("interests", "checkbox", [["1", "art"], ["2", "=sea"]]),
        ("crm_ref", "input_field", []),
    ):
        CustomField.objects.create(account=account, identifier=identifier, type=type, options=options)
    ada = LeadFactory(
        account=account,
        kartra_id="5",
        email="ada@example.com",
        first_name='=HYPERLINK("x")',
        phone="+1 555",
        score=-5,
        notes='two\r\nlines, "quoted"; and more',
        blacklisted=False,
        city="Zürich",
        last_name="'+quoted",
        date_joined=dt.datetime(2026, 11, 1, 6, 30, tzinfo=dt.UTC),
        custom_values={
            "shirt_size": [["611", "Large; wide"]],
            "interests": [["1", "art"], ["2", "=sea"]],
            "crm_ref": "@x",
        },
    )
    tied(ada, ["VIP", "a;b", "=tag", " spaced "], ["Buyers"], ["News"])
    LeadFactory(account=account, kartra_id=None, email="bo@example.com", first_name="", custom_values={})
    LeadFactory(account=account, kartra_id="7", email="", first_name="no address")
    return account


def state_of(account):
    fields = [name for name in (*LEADS, "custom_values") if name not in ("id", "tags", "lists", "left_lists")]
    leads = Lead.objects.filter(account=account).order_by("email", "kartra_id")
    ties = LeadTag.objects.filter(lead__account=account).order_by("tag__name").values_list("lead__email", "tag__name")
    lists = ListSubscription.objects.filter(lead__account=account).order_by("mailing_list__name")
    return (
        list(leads.values("kartra_id", *fields)),
        list(ties),
        list(lists.values_list("lead__email", "mailing_list__name", "active")),
    )


def as_file(lines):
    text = io.StringIO(newline="")
    csv.writer(text).writerows(lines)
    return io.BytesIO(text.getvalue().encode("utf-8-sig"))


def loaded(account, lines):
    file = as_file(lines)
    job = importing.create(account, ImportKind.LEADS, file, "export.csv")
    importing.match(job, job.mapping, separator=";")
    confirm_ids(job, file)
    importing.start(job, file)
    importing.work(job, file)
    return job


@pytest.mark.django_db
def test_export_imports_back_to_the_same_mirror_and_changes_nothing():
    account = full_account()
    before = state_of(account), list(Lead.objects.order_by("pk").values())

    job = loaded(account, mirror_lines(account, frozen(Lead.objects.filter(account=account))))

    assert (job.rows, job.rejected, job.counts["unchanged"]) == (3, 0, 3)
    assert (state_of(account), list(Lead.objects.order_by("pk").values())) == before


@pytest.mark.django_db
def test_export_fills_an_empty_mirror_to_the_same():
    account, empty = full_account(), AccountFactory()
    for field in CustomField.objects.filter(account=account):
        CustomField.objects.create(account=empty, identifier=field.identifier, type=field.type, options=field.options)

    job = loaded(empty, mirror_lines(account, frozen(Lead.objects.filter(account=account))))

    assert (job.rows, job.rejected, job.counts["created"]) == (3, 0, 3)
    one, other = state_of(account), state_of(empty)
    assert other == one


@pytest.mark.django_db
def test_no_cell_of_an_export_runs():
    account = full_account()
    for line in mirror_lines(account, frozen(Lead.objects.all())):
        for cell in line:
            for part in [cell, *cell.split(";")]:
                assert not part.startswith(EXECUTES)
    for lines in KartraFiles(account, told(frozen(Lead.objects.all()))).files():
        assert not [cell for line in lines for cell in line if cell.startswith(EXECUTES)]


@pytest.mark.django_db
def test_every_header_of_the_export_is_known_to_the_import():
    header = next(mirror_lines(AccountFactory(), []))
    assert [by_words("leads", words) for words in header] == list(LEADS)


@pytest.mark.django_db
def test_kartras_form_keeps_kartras_limits():
    account = AccountFactory()
    for number in range(60):
        CustomField.objects.create(account=account, identifier=f"field_{number:02}", type="input_field")
    for number in range(7):
        lead = LeadFactory(
            account=account,
            kartra_id=str(number + 1),
            email=f"l{number}@example.com",
            last_name="",
            notes="n" * 300,
            phone="+1 555",
            phone_country_code="",
            company="x" * 300,
            middle_name="M" if number > 2 else "",
            custom_values={f"field_{n:02}": f"v{n}" for n in range(60)},
        )
        tied(lead, [f"a tag of some length {n:03}" for n in range(20)] + ["with;semicolon"], ["Buyers", "News"])
    LeadFactory(account=account, email="", kartra_id="90")
    LeadFactory(account=account, gone_at=timezone.now(), gone_reason="deleted")

    export = KartraFiles(account, told(frozen(Lead.objects.filter(account=account))), max_rows=3)
    files = list(export.files())

    assert [len(lines) - 1 for lines in files] == [3, 3, 1]
    for lines in files:
        assert len(lines[0]) < 55
        assert all(any(line[number] for line in lines[1:]) for number in range(len(lines[0])))
        assert max(len(cell) for line in lines for cell in line) <= 255
        assert lines[0].count("Email") == 1
    assert "Middle name" not in files[0][0]
    assert "Middle name" in files[1][0]
    first = dict(zip(files[0][0], files[0][1], strict=True))
    assert (first["Phone"], first["Lists"]) == ("1 555", "Buyers;News")
    assert first["Tags"].startswith("a tag of some length 000;a tag of some length 001;")
    assert (export.rows, export.without_email, export.gone, export.cut) == (7, 1, 1, 7)
    assert export.names_left_out == 7 * (20 - first["Tags"].count(";"))
    assert "field_59" in export.remarks()[-1]


@pytest.mark.django_db
def test_export_costs_three_queries_a_thousand(django_assert_num_queries):
    account = AccountFactory()
    Lead.objects.bulk_create(
        Lead(account=account, email=f"l{n}@x.example", email_key=f"l{n}@x.example") for n in range(2500)
    )
    pks = frozen(Lead.objects.filter(account=account))
    with django_assert_num_queries(1 + 3 * 3):
        assert len(list(mirror_lines(account, pks))) == 2501


def test_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "leads.csv"

    def broken():
        yield ["a"]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        exporting.to_disk(broken(), path)
    assert list(tmp_path.iterdir()) == []
    exporting.to_disk([["a", "é"]], path)
    assert path.read_bytes() == "\ufeffa,é\r\n".encode()
