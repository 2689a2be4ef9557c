"""Loading Kartra's export: any encoding and header, bad rows set aside with the reason, safe to repeat."""

import csv

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leads.importing import CannotImport, Import, suggest_mapping
from leads.models import Lead, LeadEmail, LeadTag, ListSubscription
from tests.factories import AccountFactory, LeadFactory

pytestmark = pytest.mark.django_db

PLAIN = "Lead ID,Email Address,First Name,City,Tags,Lists,Date Joined\n"


@pytest.fixture
def account(db):
    return AccountFactory()


def load(account, tmp_path, text, mapping=None, **options):
    path = tmp_path / "export.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Import(account, path, mapping).run(**options)


def test_rows_become_leads_with_tags_and_lists(account, tmp_path):
    result = load(
        account,
        tmp_path,
        PLAIN + "5,Ada@example.com,Ada,Bend,VIP; cold ;VIP,Buyers,2026-02-11 14:05:09\n,bo@example.com,Bo,,,,\n",
    )

    assert (result.rows, result.created, result.rejected) == (2, 2, 0)
    ada = Lead.objects.get(kartra_id="5")
    assert (ada.email, ada.first_name, ada.city, ada.known_from) == ("Ada@example.com", "Ada", "Bend", "import")
    assert ada.date_joined.isoformat() == "2026-02-11T19:05:09+00:00"
    assert ada.dirty_at is not None
    assert set(LeadTag.objects.values_list("tag__name", flat=True)) == {"VIP", "cold"}
    assert ListSubscription.objects.get().mailing_list.name == "Buyers"
    assert LeadEmail.objects.count() == 2
    assert not result.reject_path


def test_the_same_file_again_changes_nothing(account, tmp_path):
    text = PLAIN + "5,ada@example.com,Ada,Bend,VIP,Buyers,2026-02-11\n"
    load(account, tmp_path, text)
    before = list(Lead.objects.values())
    result = load(account, tmp_path, text)
    assert (result.created, result.updated, result.unchanged) == (0, 0, 1)
    assert list(Lead.objects.values()) == before


def test_missing_column_blanks_nothing_present_empty_cell_does_but_never_the_address(account, tmp_path):
    LeadFactory(account=account, kartra_id="5", email="ada@example.com", city="Bend", phone="555")
    load(account, tmp_path, "id,email,city\n5,,\n")
    lead = Lead.objects.get()
    assert (lead.email, lead.city, lead.phone) == ("ada@example.com", "", "555")


def test_known_by_address_or_by_id_is_never_doubled(account, tmp_path):
    LeadFactory(account=account, kartra_id=None, email="ada@example.com")
    LeadFactory(account=account, kartra_id="7", email="old@example.com")
    load(account, tmp_path, "id,email\n5, ADA@example.com \n7,new@example.com\n")
    assert dict(Lead.objects.values_list("kartra_id", "email_key")) == {"5": "ada@example.com", "7": "new@example.com"}
    assert LeadEmail.objects.filter(lead__kartra_id="7", until=None).get().email == "new@example.com"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",,x", "neither"), (",nonsense,x", "not an email"), ("abc,a@example.com,x", "not a number"),
        (",a@example.com,x,more", "4 cells"), (f",{'a' * 400}@example.com,x", "not an email"), (",a@example.com,x\x07y", "control characters"),
        (",ok@example.com,x", "further up"),
    ],
)  # fmt: skip
def test_bad_row_goes_to_the_reject_file_with_the_reason(account, tmp_path, row, reason):
    result = load(account, tmp_path, f"id,email,first name\n,ok@example.com,fine\n{row}\n")
    assert (result.rows, result.created, result.rejected) == (2, 1, 1)
    with open(result.reject_path, newline="") as file:
        [rejected] = csv.DictReader(file)
    assert rejected["line"] == "3"
    assert reason in rejected["reason"]


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("many", "score", "no number"),
        ("yesterday", "date joined", "cannot be read"),
        ("x" * 200, "country", "longer than"),
    ],
)
def test_bad_value_is_a_bad_row(account, tmp_path, text, column, reason):
    assert reason in load(account, tmp_path, f"email,{column}\na@example.com,{text}\n").examples[0][1]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encoding_and_delimiter_are_found(account, tmp_path, encoding, delimiter):
    text = delimiter.join(["E-Mail", "First Name"]) + "\n" + delimiter.join(["zoe@example.com", "Zoë"]) + "\n"
    load(account, tmp_path, text.replace("E-Mail", "Email").encode(encoding))
    assert Lead.objects.get().first_name == "Zoë"


def test_caller_says_what_a_column_is(account, tmp_path):
    load(
        account,
        tmp_path,
        "Adresse;Ort;Ref\na@example.com;Bonn;A-1\n",
        {"email": "Adresse", "city": "Ort", "custom.crm_ref": "Ref"},
    )
    lead = Lead.objects.get()
    assert (lead.city, lead.custom_values) == ("Bonn", {"crm_ref": "A-1"})


@pytest.mark.parametrize(
    ("text", "mapping", "words"),
    [
        ("", None, "empty"), ("a,b\n1,2\n", None, "--map email="), ("email\n", {"city": "Ort"}, "no column Ort"),
        ("email\n", {"colour": "email"}, "no field colour"),
    ],
)  # fmt: skip
def test_file_that_cannot_be_meant_is_refused_in_words(account, tmp_path, text, mapping, words):
    with pytest.raises(CannotImport, match=words):
        load(account, tmp_path, text, mapping)


def test_missing_file_is_refused_in_words(account, tmp_path):
    with pytest.raises(CannotImport, match="cannot be read"):
        Import(account, tmp_path / "none.csv")


def test_dry_run_counts_and_writes_nothing(account, tmp_path):
    result = load(account, tmp_path, "email\na@example.com\nbad\n", dry_run=True)
    assert (result.created, result.rejected, result.reject_path) == (1, 1, "")
    assert not Lead.objects.exists()
    assert list(tmp_path.iterdir()) == [tmp_path / "export.csv"]


def test_batches_cost_the_same_queries_for_more_rows(account, tmp_path, django_assert_max_num_queries):
    rows = "".join(f"{n},l{n}@example.com,L{n},,VIP,Buyers,\n" for n in range(1, 1001))
    with django_assert_max_num_queries(100):  # SQLite takes 999 values a statement
        load(account, tmp_path, PLAIN + rows)


def test_headers_are_understood():
    assert suggest_mapping(["E-mail Address", "First name", "Zip Code", "Joined"]) == {
        "email": "E-mail Address", "first_name": "First name", "zip": "Zip Code", "date_joined": "Joined",
    }  # fmt: skip


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.text(max_size=200))
def test_no_file_breaks_it(account, tmp_path, body):
    result = load(account, tmp_path, "email,id,score\n" + body)
    assert result.rows == result.created + result.updated + result.unchanged + result.rejected
