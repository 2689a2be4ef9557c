"""Loading leads: any header, bad rows set aside with the reason, nothing doubled or blanked, safe to repeat."""

import datetime as dt

import pytest
from django.utils import timezone

from leads import forgotten, importing
from leads.erasure import forget
from leads.filters import duplicates
from leads.importing import CannotImport
from leads.importing.columns import suggest
from leads.models import (
    Activity,
    ColumnMapping,
    CustomField,
    Import,
    ImportReject,
    ImportSeen,
    Lead,
    LeadEmail,
    LeadTag,
    ListSubscription,
    SecondProfileSearch,
)
from leads.models.remarks import sentence_of
from tests.factories import AccountFactory, LeadFactory

pytestmark = pytest.mark.django_db

PLAIN = "Lead ID,Email Address,First Name,City,Tags,Lists,Date Joined\n"


def test_rows_become_leads_with_tags_and_lists(load):
    result = load(
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


def test_the_same_file_again_changes_nothing(load):
    text = PLAIN + "5,ada@example.com,Ada,Bend,VIP,Buyers,2026-02-11\n"
    load(text)
    before = list(Lead.objects.values())
    result = load(text)
    assert (result.created, result.updated, result.unchanged) == (0, 0, 1)
    assert list(Lead.objects.values()) == before


def test_empty_cell_says_nothing_unless_it_is_to_clear_the_field_and_never_clears_the_address(load, account):
    CustomField.objects.create(account=account, identifier="ref", type="input_field")
    LeadFactory(
        account=account,
        kartra_id="5",
        email="ada@example.com",
        city="Bend",
        phone="555",
        score=7,
        custom_values={"ref": "A"},
    )
    text = "id,email,city,score,custom.ref\n5,,,,\n"

    assert load(text).numbers == (1, 0, 0, 1, 0)
    lead = Lead.objects.get()
    assert (lead.city, lead.score, lead.custom_values) == ("Bend", 7, {"ref": "A"})

    load(text, clears=True)
    lead = Lead.objects.get()
    assert (lead.email, lead.city, lead.phone, lead.score) == ("ada@example.com", "", "555", None)
    assert lead.custom_values == {"ref": ""}


def test_known_by_address_or_by_id_is_never_doubled(load, account):
    LeadFactory(account=account, kartra_id=None, email="ada@example.com")
    LeadFactory(account=account, kartra_id="7", email="old@example.com")
    load("id,email\n5, ADA@example.com \n7,new@example.com\n")
    assert dict(Lead.objects.values_list("kartra_id", "email_key")) == {"5": "ada@example.com", "7": "new@example.com"}
    assert LeadEmail.objects.filter(lead__kartra_id="7", until=None).get().email == "new@example.com"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",,x", "neither"),
        (",nonsense,x", "not an email"),
        ("abc,a@example.com,x", "not a number"),
        (",a@example.com,x,more", "4 cells"),
        (f",{'a' * 400}@example.com,x", "not an email"),
        (",a@example.com,x\x07y", "no text"),
        (",ok@example.com,x", "further up"),
    ],
)
def test_bad_row_goes_to_the_reject_file_with_the_reason(load, row, reason):
    result = load(f"id,email,first name\n,ok@example.com,fine\n{row}\n")
    assert (result.rows, result.created, result.rejected) == (2, 1, 1)
    [(line, why)] = result.rejects
    assert line == 3
    assert reason in why
    assert result.cells == [row.replace("\x07", "\ufffd").split(",")]


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("many", "score", "no number"),
        ("yesterday", "date joined", "cannot be read"),
        ("x" * 200, "country", "longer than"),
    ],
)
def test_bad_value_is_a_bad_row(load, text, column, reason):
    assert reason in load(f"email,{column}\na@example.com,{text}\n").rejects[0][1]


def test_caller_says_what_a_column_is(load):
    load(
        "Adresse;Ort;Ref\na@example.com;Bonn;A-1\n",
        {"email": "Adresse", "city": "Ort", "custom.crm_ref": "Ref"},
    )
    lead = Lead.objects.get()
    assert (lead.city, lead.custom_values) == ("Bonn", {"crm_ref": "A-1"})


@pytest.mark.parametrize(
    ("text", "mapping", "words"),
    [
        ("a,b\n1,2\n", None, "--map email="),
        ("email\n", {"city": "Ort"}, "no column Ort"),
        ("email\n", {"colour": "email"}, "no field colour"),
    ],
)
def test_file_that_cannot_be_meant_is_refused_in_words(load, text, mapping, words):
    with pytest.raises(CannotImport, match=words):
        load(text, mapping)

    assert not Import.objects.exclude(rows=0).exists()
    assert not Lead.objects.exists()


def test_dry_run_counts_and_writes_nothing(load):
    result = load("email,tags\na@example.com,VIP\nbad,\n", dry_run=True)
    assert result.numbers == (2, 1, 0, 0, 1)
    assert not Lead.objects.exists()
    assert not LeadTag.objects.exists()


def test_what_was_checked_is_what_is_loaded(load, account):
    LeadFactory(account=account, kartra_id="5", email="ada@example.com")
    text = PLAIN + "5,ada@example.com,Ada,Bend,VIP,,\n6,bo@example.com,Bo,,,,\n6,bo@example.com,Bo,,,,\n,bad,,,,,\n"
    assert load(text, dry_run=True).numbers == load(text).numbers == (4, 1, 1, 0, 2)


def test_batches_cost_the_same_queries_for_more_rows(load, account, django_assert_max_num_queries):
    for n in range(1, 301):
        LeadFactory(account=account, kartra_id=str(n), email=f"old{n}@example.com")
    rows = "".join(f"{n},l{n}@example.com,L{n},,VIP,Buyers,\n" for n in range(1, 1001))
    with django_assert_max_num_queries(140):  # SQLite takes 999 values a statement
        assert load(PLAIN + rows).numbers == (1000, 700, 300, 0, 0)


def test_headers_are_understood(account):
    assert suggest(account, "leads", ["E-mail Address", "First name", "Zip Code", "Joined", "", "Id"]) == {
        "email": "E-mail Address",
        "first_name": "First name",
        "zip": "Zip Code",
        "date_joined": "Joined",
        "id": "Id",
    }


def test_columns_matched_once_are_matched_by_themselves_the_next_time(load, account):
    load("Adresse;Ort;Email\na@example.com;Bonn;x\n", {"email": "Adresse", "city": "Ort"})

    assert suggest(account, "leads", ["ORT", "Adresse", "Email", "Zip"]) == {
        "city": "ORT",
        "email": "Adresse",
        "zip": "Zip",
    }
    assert suggest(AccountFactory(), "leads", ["Ort", "Email"]) == {"email": "Email"}
    assert ColumnMapping.objects.filter(account=account).count() == 3


def test_custom_fields_are_matched_and_their_options_found(load, account):
    CustomField.objects.create(account=account, identifier="shirt_size", type="drop_down", options=[["611", "Large"]])
    CustomField.objects.create(
        account=account, identifier="interests", type="checkbox", options=[["1", "art"], ["2", "sea; sun"]]
    )
    CustomField.objects.create(account=account, identifier="crm_ref", type="input_field")

    result = load(
        "email,Shirt Size,Interests,custom.crm_ref\na@example.com,Large,art;sea\\; sun,A;1\nb@example.com,,,\nc@example.com,Huge,,\n"
    )

    assert not result.rejects
    assert Lead.objects.get(email="c@example.com").custom_values["shirt_size"] == [["", "Huge"]]
    assert Lead.objects.get(email="a@example.com").custom_values == {
        "shirt_size": [["611", "Large"]],
        "interests": [["1", "art"], ["2", "sea; sun"]],
        "crm_ref": "A;1",
    }
    assert Lead.objects.get(email="b@example.com").custom_values == {}


def test_difference_to_what_was_read_is_told_in_the_timeline(load, account):
    read_at = timezone.now() - dt.timedelta(days=1)
    LeadFactory(account=account, kartra_id="5", email="ada@example.com", city="Bend", read_at=read_at)
    LeadFactory(account=account, kartra_id="6", email="new@example.com", city="Bend", read_at=None)

    load("id,email,city,tags\n5,ada@example.com,Salem,VIP\n6,new@example.com,Salem,VIP\n")

    told = Activity.objects.order_by("pk").values_list("lead__kartra_id", "source", "details", "between_from")
    assert list(told) == [
        ("5", "import", {"field": "city", "was": "Bend", "is": "Salem"}, read_at),
        ("5", "import", {"field": "tag VIP", "was": False, "is": True}, read_at),
    ]
    assert not Lead.objects.filter(dirty_at=None).exists()


def test_white_space_is_no_difference(load, account):
    LeadFactory(account=account, kartra_id="5", email="a@example.com", first_name="Ada ", last_name="", read_at=None)
    assert load("id,first name,last name\n5,Ada,\n").numbers == (1, 0, 0, 1, 0)


def test_lead_said_to_be_deleted_is_read_again(load, account):
    LeadFactory(account=account, kartra_id="5", email="a@example.com", gone_at=timezone.now(), gone_reason="deleted")
    load("id,email\n5,a@example.com\n")
    lead = Lead.objects.get()
    assert (lead.gone_at, lead.gone_reason) == (None, "")
    assert lead.dirty_at is not None


def test_one_lead_in_two_rows_of_a_batch_by_id_and_by_address_is_one(load, account):
    LeadFactory(account=account, kartra_id="5", email="a@example.com", city="")
    load("id,email,city\n5,b@example.com,Bend\n,a@example.com,Salem\n")
    assert Lead.objects.count() == 1


def test_row_whose_id_and_address_name_different_leads_is_refused_with_both_names(load, account):
    LeadFactory(account=account, kartra_id="1", email="a@example.com", first_name="Ada", last_name="Lind")
    LeadFactory(account=account, kartra_id="2", email="b@example.com", first_name="Bo", last_name="Berg")

    result = load("id,email,city\n1,b@example.com,Bonn\n3,a@example.com,Bonn\n,a@example.com,Bend\n")

    assert result.numbers == (3, 0, 1, 0, 2)
    assert [reason for _line, reason in result.rejects] == [
        "Its id and its address name different leads: Ada Lind (a@example.com, 1) and Bo Berg (b@example.com, 2).",
        "Our copy has no lead of the id 3, and its address is that of Ada Lind (a@example.com, 1).",
    ]
    assert dict(Lead.objects.values_list("kartra_id", "city")) == {"1": "Bend", "2": ""}


def test_no_row_of_another_account_is_touched(load):
    other = LeadFactory(kartra_id="5", email="a@example.com", city="Bend")
    load("id,email,city\n5,a@example.com,Salem\n")
    other.refresh_from_db()
    assert other.city == "Bend"
    assert Lead.objects.count() == 2


def test_left_lists_are_entries_that_are_not_active(load):
    load("email,lists,lists left\na@example.com,Buyers,News\n")
    assert dict(ListSubscription.objects.values_list("mailing_list__name", "active")) == {"Buyers": True, "News": False}


def test_reject_file_holds_line_reason_and_cells(load):
    result = load("email,city\nbad,Bend\na@example.com,Bend\n")
    assert list(importing.reject_lines(result.job)) == [
        ["line", "reason", "email", "city"],
        ["2", "“bad” is not an email address.", "bad", "Bend"],
    ]
    assert not ImportSeen.objects.exists()
    assert ImportReject.objects.count() == 1


def test_people_who_asked_to_be_forgotten_are_left_out_and_not_kept_as_bad_rows(load, account):
    result = load("id,email,score\n5,ada@example.com,1\n6,bo@example.com,many\n,ADA@example.com,much\n")
    assert result.numbers == (3, 1, 0, 0, 2)

    forget.forget(Lead.objects.get())

    assert [(row.line, row.cells, row.words) for row in ImportReject.objects.order_by("line")] == [
        (3, ["6", "bo@example.com", "many"], "“many” is no number."),
        (4, [], sentence_of(forgotten.REMARK)),
    ]
    again = load("id,email,score\n5,ada@example.com,1\n,cy@example.com,2\n")
    assert (again.numbers, again.rejects, again.cells) == ((2, 1, 0, 0, 1), [(2, sentence_of(forgotten.REMARK))], [[]])
    assert not Lead.objects.filter(email="ada@example.com").exists()


def test_after_a_file_second_profiles_are_soon_searched_again(load, account):
    two_minutes_ago = timezone.now() - dt.timedelta(minutes=2)
    SecondProfileSearch.objects.create(account=account, at=two_minutes_ago, took_s=60)

    load("email\na@example.com\n", dry_run=True)
    assert not duplicates.due_for_search(timezone.now())
    load("email\na@example.com\n")

    assert duplicates.due_for_search(timezone.now()) == [account.pk]
