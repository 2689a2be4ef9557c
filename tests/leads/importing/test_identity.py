"""Whose id is this? An id of a file is Kartra's only where the addresses agree."""

import io

import pytest

from leads import importing
from leads.importing import CannotImport, ids
from leads.importing.columns import suggest
from leads.models import ImportKind, Lead, Transaction
from tests.factories import LeadFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def known(account):
    """Thirty leads: 50001 is p1@example.com, and so on."""
    return [
        LeadFactory(
            account=account, kartra_id=str(50_000 + n), email=f"p{n}@example.com", first_name=f"P{n}", city="Bend"
        )
        for n in range(1, 31)
    ]


def made(account, text, kind=ImportKind.LEADS, **options):
    file = io.BytesIO(text.encode())
    job = importing.create(account, kind, file, "file.csv")
    importing.match(job, job.mapping, **options)
    importing.survey(job, file)
    return job, file


def test_heading_in_another_script_is_not_understood(account):
    assert suggest(account, "leads", ["顧客ID", "Email", "名"]) == {"email": "Email"}
    assert suggest(account, "leads", ["ID番号", "É-mail", "E-mail"]) == {"email": "E-mail"}
    assert suggest(account, "leads", ["Lead ID", "ＥＭＡＩＬ"]) == {"id": "Lead ID", "email": "ＥＭＡＩＬ"}


def test_foreign_ids_overwrite_nobody_and_both_leads_are_named(load, account, known):
    result = load("Id,Email,First name\n50001,p3@example.com,Carla\n50002,p4@example.com,Dimitri\n", believed=False)

    assert result.numbers == (2, 0, 0, 0, 2)
    assert result.rejects[0][1] == (
        "Its id and its address name different leads: P1 Lind (p1@example.com, 50001) and P3 Lind (p3@example.com, 50003)."
    )


def test_column_that_mostly_disagrees_is_offered_as_another_systems_id(account, known):
    rows = "".join(f"{50_000 + n},p{n % 30 + 1}@example.com\n" for n in range(1, 26)) + "70001,new@example.com\n"

    job, file = made(account, f"CONTACT ID,Email\n{rows}")

    with pytest.raises(
        CannotImport, match=r"“CONTACT ID” is probably not Kartra's id: of 25 rows .* 25 name somebody else"
    ):
        importing.start(job, file)
    assert importing.say_ids(job, "not-kartra")
    assert importing.start(job, file)
    importing.work(job, file)
    assert (job.counts["created"], job.counts["unchanged"], job.rejected) == (1, 25, 0)
    assert Lead.objects.get(email="new@example.com").kartra_id is None


def test_believed_where_twenty_agree(account, known):
    rows = "".join(f"{50_000 + n},p{n}@example.com\n" for n in range(1, 21)) + "70001,new@example.com\n"

    job, file = made(account, f"Id,Email\n{rows}")

    assert importing.to_look_up(job) == []
    assert importing.start(job, file)
    importing.work(job, file)
    assert Lead.objects.get(email="new@example.com").kartra_id == "70001"


def test_on_an_empty_mirror_twenty_rows_spread_over_the_file_are_looked_up(account):
    rows = "".join(f"{n},n{n}@example.com\n" for n in range(1, 2001))

    job, file = made(account, f"Id,Email\n{rows}")
    asked = importing.to_look_up(job)

    assert len(asked) == 20
    assert asked[0].line < 100
    assert asked[-1].line > 1850
    importing.looked_up(job, [(row, row.id) for row in asked])
    assert importing.to_look_up(job) == []
    assert importing.start(job, file)


def test_what_kartra_says_otherwise_is_believed(account):
    job, file = made(account, "Id,Email\n1,a@example.com\n2,b@example.com\n")

    importing.looked_up(job, [(row, "900") for row in importing.to_look_up(job)])

    with pytest.raises(CannotImport, match=r"Line 2: in Kartra a@example.com has the id 900"):
        importing.start(job, file)


def test_where_kartra_cannot_be_asked_a_person_says_it_and_ids_stay_provisional(account):
    text = "Id,Email,First name\n1,a@example.com,Ada\n2,b@example.com,Bo\n3,,Cy\n"
    job, file = made(account, text)
    importing.looked_up(job, None)

    with pytest.raises(CannotImport, match=r"could not be checked: line 2: 1 is Ada a@example.com; line 3: 2 is Bo"):
        importing.start(job, file)
    assert importing.say_ids(job, "kartra")
    assert importing.start(job, file)
    importing.work(job, file)

    assert sorted(Lead.objects.values_list("kartra_id", "email"), key=str) == [
        (None, "a@example.com"),
        (None, "b@example.com"),
    ]
    assert job.rejected == 1
    assert ids.people(job.options) == []  # nobody of the sample stays behind


def test_whole_file_is_watched_while_it_runs(account):
    """The sample agreed; what follows does not."""
    for n in range(1, 61):
        LeadFactory(account=account, kartra_id=str(n), email=f"p{n}@example.com")
    rows = "".join(f"{n},p{n % 60 + 1}@example.com,Bonn\n" for n in range(1, 61))
    job, file = made(account, f"Id,Email,City\n{rows}")
    job.options["ids"].update(agree=25, differ=0, unknown=0)
    job.save()

    importing.start(job, file)
    importing.work(job, file, batch=10)

    assert (job.state, job.rows, job.rejected) == ("stopped", 20, 20)
    assert "probably not Kartra's id" in job.why_stopped
    assert not Lead.objects.filter(city="Bonn").exists()


def test_column_of_ids_without_addresses_has_to_say_whose_they_are(account, known):
    with pytest.raises(CannotImport, match=r"could not be checked"):
        importing.start(*made(account, "Id,City\n50001,Bonn\n"))
    assert importing.start(*made(account, "Kartra id,City\n50001,Bonn\n"))


def test_transactions_of_foreign_buyers_are_refused(load, account, known):
    text = "Transaction ID,Type,Amount,Buyer ID,Buyer email\n1,Sale,5.00,50001,p2@example.com\n2,Sale,5.00,50003,p3@example.com\n"

    result = load(text, kind=ImportKind.TRANSACTIONS)

    assert [line for line, _reason in result.rejects] == [2]
    assert "P1 Lind (p1@example.com, 50001) and P2 Lind" in result.rejects[0][1]
    assert list(Transaction.objects.values_list("kartra_id", "lead__kartra_id")) == [("2", "50003")]


def test_deleted_and_living_lead_of_one_address(load, account):
    from django.utils import timezone

    LeadFactory(account=account, kartra_id="7", email="ada@example.com", gone_at=timezone.now(), gone_reason="deleted")
    LeadFactory(account=account, kartra_id="8", email="ada@example.com")

    load("Email,City\nada@example.com,Bonn\n")

    assert dict(Lead.objects.values_list("kartra_id", "city")) == {"7": "", "8": "Bonn"}
