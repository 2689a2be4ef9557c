"""Invisible characters and letters in another composition make nobody another person, at whatever entrance."""

import io
import unicodedata

import pytest
from django.core.management import CommandError
from django.utils import timezone

from integrations import console
from integrations.management.arguments import leads_named, name_of_lead
from leads import filters, forgotten, kinds, mirror
from leads.changes import create_many
from leads.erasure import forget
from leads.importing import people_list
from leads.mirror import LeadFacts
from leads.models import Forgotten, Import, ImportReject, Lead, LeadTag, Source, Tag
from leads.models.digests import newest
from tests.factories import AccountFactory, ConnectionFactory, DeliveryFactory, LeadFactory, TagFactory
from tests.leads.people.making import listed, rows_of

pytestmark = pytest.mark.django_db

HIDDEN = ["\u200bada@example.com", "ada@example.com\ufeff", "ada@exam\u00adple.com", "A\u200dDA@EXAMPLE.COM"]


@pytest.fixture
def account():
    return AccountFactory()


@pytest.fixture
def ada(account):
    return LeadFactory(account=account, kartra_id="5", email="ada@example.com")


def test_file_with_invisible_characters_names_the_known_leads(account):
    """The small file of three known people, each with another invisible character in the address."""
    from tests.files import loaded

    for email in ("ada.lind0@example.com", "ben.lind1@example.org", "dimitri.lind3@example.org"):
        LeadFactory(account=account, email=email)

    job = loaded(
        account,
        "Email,First name\n\u200bada.lind0@example.com,Ada\nben.lind1@example.org\ufeff,Ben\ndimitri.lind3@example\u00ad.org,D\n",
    )

    assert (job.counts["created"], job.counts["updated"], job.rejected) == (0, 3, 0)
    assert Lead.objects.count() == 3


def test_new_address_is_kept_without_what_cannot_be_seen(account):
    from tests.files import loaded

    loaded(account, "Email\n\u200bNew@example.com\n")
    assert list(Lead.objects.values_list("email", "email_key")) == [("New@example.com", "new@example.com")]


@pytest.mark.parametrize("text", HIDDEN)
def test_every_entrance_finds_the_one_person(ada, account, text):
    assert mirror.find(account, email=text) == ada
    assert list(leads_named(ConnectionFactory(account=account), [text])) == [ada]
    assert rows_of(listed(account, f"Email\n{text}\n"))[0][0] == "known"
    assert list(filters.search(Lead.objects.all(), text)) == [ada]
    assert kinds.get_kind("create_lead").clean(account, {"email": text})["email"].lower() == "ada@example.com"
    people = people_list.read(account, io.BytesIO(f"Email\n{text}\n".encode())).people
    assert create_many.sort_people(account, people).known == 1
    assert name_of_lead(text)["email"].lower() == "ada@example.com"
    taken = mirror.apply_facts(account, LeadFacts(fields={"email": text}), source=Source.WEBHOOK, at=timezone.now())
    assert (taken.lead, taken.created) == (ada, False)


@pytest.mark.parametrize("text", HIDDEN)
def test_forgotten_person_stays_out_at_every_entrance(ada, account, text):
    forget.forget(ada)

    with pytest.raises(forgotten.LeftOut):
        mirror.apply_facts(account, LeadFacts(fields={"email": text}), source=Source.WEBHOOK, at=timezone.now())
    people = people_list.read(account, io.BytesIO(f"Email\n{text}\n".encode())).people
    assert create_many.sort_people(account, people).forgotten == 1
    assert forgotten.forgotten_among(account, {1: ("", text)}) == {1}


def test_who_was_forgotten_by_the_former_form_of_an_address_stays_out(account):
    former = newest("forgotten", f"{account.pk}\0email:strasse@example.com")  # as "straße@example.com" was compared
    Forgotten.objects.create(account=account, digest=former, at=timezone.now())

    with pytest.raises(forgotten.LeftOut):
        forgotten.check(account, email="straße@example.com")


def test_forgetting_empties_bad_rows_and_messages_that_name_the_person_with_invisible_characters(ada, account):
    job = Import.objects.create(
        account=account,
        kind="leads",
        file_name="x",
        size=9,
        digest="x",
        encoding="utf-8",
        delimiter=",",
        headers=["email"],
        data_start=0,
        data_line=1,
        position=0,
        line=1,
    )
    row = ImportReject.objects.create(file=job, line=2, reason="x", cells=["\u200bada@example.com"])
    other = ImportReject.objects.create(file=job, line=3, reason="x", cells=["zoë@example.com"])
    connection = ConnectionFactory(account=account)
    message = DeliveryFactory(
        endpoint__connection=connection,
        body=b'{"email": "\\u200bada@example.com"}',
        status="quarantined",
        applied_at=timezone.now(),
    )

    forget.forget(ada)

    for each in (row, other, message):
        each.refresh_from_db()
    assert row.cells == []
    assert other.cells == ["zoë@example.com"]
    assert bytes(message.body) == b""


def test_lookalikes_are_refused_at_every_entrance(account):
    text = "ﬁona@example.com"

    with pytest.raises(kinds.BadParameters, match=r"fiona@example.com"):
        kinds.get_kind("create_lead").clean(account, {"email": text})
    with pytest.raises(CommandError, match=r"U\+FB01"):
        name_of_lead(text)
    with pytest.raises(mirror.Lookalike):
        mirror.apply_facts(account, LeadFacts(fields={"email": text}), source=Source.WEBHOOK, at=timezone.now())
    with pytest.raises(console.CannotCall, match=r"fiona@example.com"):
        console.call(ConnectionFactory(account=account), [("lead[email]", text)])
    assert rows_of(listed(account, f"Email\n{text}\n")) == [("unreadable", text)]
    assert people_list.read(account, io.BytesIO(f"Email\n{text}\n".encode())).bad_number == 1
    assert not Lead.objects.exists()


def test_address_of_a_deleted_and_a_living_lead_means_the_living_one(account):
    gone = LeadFactory(account=account, email="ada@example.com", gone_at=timezone.now(), gone_reason="deleted")
    living = LeadFactory(account=account, email="ADA@example.com")
    connection = ConnectionFactory(account=account)

    assert mirror.find(account, email="ada@example.com") == living
    assert list(leads_named(connection, ["ada@example.com"])) == [living]
    assert listed(account, "Email\nada@example.com\n").people.get().lead == living
    assert set(leads_named(connection, ["ada@example.com"], gone_too=True)) == {gone, living}
    assert list(leads_named(connection, [gone.kartra_id])) == [gone]


def test_names_of_tags_are_compared_as_letters(account):
    tag = TagFactory(account=account, name="Café")
    lead = LeadFactory(account=account)

    mirror.set_tag(lead, unicodedata.normalize("NFD", "Café"), True, source=Source.WEBHOOK, at=timezone.now())
    clean = kinds.get_kind("assign_tag").clean(account, {"tag": unicodedata.normalize("NFD", "Café")})

    assert list(Tag.objects.all()) == [tag]
    assert LeadTag.objects.get().tag == tag
    assert clean == {"tag": "Café"}


def test_tag_that_ends_with_a_space_is_meant_by_files_and_shown_by_words(account):
    TagFactory(account=account, name="Trail ")

    [person] = people_list.read(account, io.BytesIO(b"Email,Tags\nnt1@example.com,Trail \n")).people
    assert person.parameters["tag"] == ["Trail "]
    assert kinds.get_kind("assign_tag").clean(account, {"tag": "Trail "}) == {"tag": "Trail "}
    with pytest.raises(kinds.BadParameters, match=r"there is “Trail␠”"):
        kinds.get_kind("assign_tag").clean(account, {"tag": "Trail"})
