"""Lists of people in the admin: pasted and uploaded, looked at, and on to a bulk action."""

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from kartra_mirror import groups
from leads.models import LeadTag, PeopleList, PersonState, RunDraft
from leads.people import reading
from tests.factories import LeadFactory, SegmentFactory, StaffFactory, TagFactory
from tests.leads.people.making import listed, rows_of, workbook

pytestmark = pytest.mark.django_db

ADD = "/admin/leads/peoplelist/add/"
HOSTILE = '<img x-data x-init="alert(1)">'


@pytest.fixture
def account(account):
    groups.make()
    return account


@pytest.fixture
def manager(client):
    return signed_in(client, "Manager")


def signed_in(client, *names):
    user = StaffFactory()
    user.groups.set(Group.objects.filter(name__in=names))
    client.force_login(user)
    return user


def do(people_list, what):
    return reverse("admin:leads_peoplelist_do", args=[people_list.pk, what])


def test_pasted_people_are_read_by_a_worker(client, account, manager, notified):
    page = client.get("/admin/leads/lead/").content.decode()
    answer = client.post(ADD, {"account": account.pk, "text": "ada@example.com\nbo@example.com", "name": "Fair"})

    made = PeopleList.objects.get()
    assert ADD in page
    assert (answer.url, made.name, made.state, made.created_by) == (made.get_absolute_url(), "Fair", "reading", manager)
    assert ("read_people_list", (made.pk,)) in notified
    shown = client.get(answer.url).content.decode()
    assert "Reading the list: 0 %" in shown
    assert 'hx-get="' in shown
    reading.read(made)
    assert [state for state, _ in rows_of(made)] == ["to_look_up"] * 2


def test_a_workbook_is_uploaded(client, account, manager):
    file = SimpleUploadedFile("webinar.xlsx", workbook(["Email"], ["ada@example.com"]))
    client.post(ADD, {"account": account.pk, "file": file})
    assert PeopleList.objects.get().name == "webinar"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "Paste addresses or upload a file."),
        ({"text": "ada@example.com", "file": b"Email\nada@example.com"}, "not both"),
        ({"file": b"Name,City\nAda,Bend\n"}, "No column holds email addresses"),
        ({"file": b"PK\x03\x04 nothing"}, "damaged"),
        ({"file": b""}, "empty"),
    ],
)
def test_what_cannot_be_taken_says_why(client, account, manager, given, words):
    if "file" in given:
        given = {**given, "file": SimpleUploadedFile("people.csv", given["file"])}
    answer = client.post(ADD, {"account": account.pk, **given})
    assert (answer.status_code, words in answer.content.decode()) == (200, True)
    assert not PeopleList.objects.exists()


def test_counts_have_their_names_behind_them(client, account, manager, django_assert_max_num_queries):
    LeadFactory(account=account, email="known@example.com", first_name=HOSTILE)
    LeadFactory(account=account, email="gone@example.com", gone_at=timezone.now(), gone_reason="deleted")
    made = listed(
        account,
        f'known@example.com\ngone@example.com\nmaya@exmaple.com\n"Eve {{{{ 7*7 }}}}" <new@example.com>\nknown@example.com\nnobody\n{HOSTILE}\n',
    )
    made.people.filter(state=PersonState.TO_LOOK_UP).update(state=PersonState.NOT_IN_KARTRA)
    PeopleList.objects.update(state="ready")
    url = made.get_absolute_url()

    with django_assert_max_num_queries(45):
        text = client.get(url).content.decode()
    texts = {tab: client.get(f"{url}?tab={tab}").content.decode() for tab in ("known", "missing", "out")}

    assert "Next with 1 person" in text
    assert "The 2 people who are not in Kartra" in text
    assert "meant maya@example.com?" in texts["missing"]
    assert "“nobody” is not an email address" in texts["out"]
    assert "repeated in the list" in texts["out"]
    assert "Eve {{ 7*7 }}" in texts["missing"]
    assert HOSTILE not in "".join(texts.values())
    assert "nobody" not in client.get(f"{url}?tab=out&state=repeated").content.decode()
    client.post(f"{do(made, 'correct')}?tab=missing", {"row": made.people.get(line=3).pk, "email": "maya@example.com"})
    assert made.people.get(line=3).email == "maya@example.com"


def test_going_on_is_a_draft_of_those_who_are_not_left_out(client, account, manager):
    tag = TagFactory(account=account, name="Buyer")
    _ada, bo, _cy = (
        LeadFactory(account=account, email=f"{name}@example.com", country=name) for name in ("ada", "bo", "cy")
    )
    LeadTag.objects.create(lead=bo, tag=tag, since=timezone.now(), source="refresh")
    segment = SegmentFactory(account=account, name="Cys", conditions={"country": ["cy"]})
    made = listed(account, "ada@example.com\nbo@example.com\ncy@example.com\nnew@example.com\n")
    made.people.filter(state=PersonState.TO_LOOK_UP).update(state=PersonState.NOT_IN_KARTRA)
    PeopleList.objects.update(state="ready", used_at=timezone.now() - timezone.timedelta(days=9))
    out = [f"tag-{tag.pk}", f"segment-{segment.pk}"]

    page = client.get(made.get_absolute_url(), {"out": out, "create": "1"})
    answer = client.post(do(made, "start"), {"kind": "assign_tag", "out": out, "create": "1"})

    text = page.content.decode()
    assert "Next with 2 people" in text
    assert "Tag <b>Buyer</b> · 1" in text
    draft = RunDraft.objects.get()
    assert (answer.url, draft.creates_from) == (draft.get_absolute_url(), made)
    made.refresh_from_db()
    assert timezone.now() - made.used_at < timezone.timedelta(minutes=1)
    shown = client.get(answer.url).content.decode()
    assert "2 leads of" in shown
    assert made.get_absolute_url() in shown
    made.delete()
    assert client.get(answer.url).status_code == 302


def test_a_list_that_others_may_not_change_is_looked_at(client, account):
    made = listed(account, "ada@example.com\n")
    may = {}
    for group in ("Viewer", "Support", "Marketer", "Manager"):
        signed_in(client, group)
        may[group] = [
            client.get(made.get_absolute_url()).status_code,
            client.get(ADD).status_code,
            client.post(do(made, "rename"), {"name": made.name}).status_code,
            client.get(do(made, "delete")).status_code,
            client.post(do(made, "start"), {"kind": "assign_tag"}).status_code,
        ]
    assert may == {
        "Viewer": [200, 403, 403, 403, 403],
        "Support": [200, 403, 403, 403, 403],
        "Marketer": [200, 200, 403, 403, 302],
        "Manager": [200, 200, 302, 200, 302],
    }


def test_columns_names_and_deleting(client, account, manager):
    made = listed(account, "Email,Vorname,Seat\nada@example.com,Ada,7\n")
    form = client.get(made.get_absolute_url()).context["columns"]
    by_label = {field.label: name for name, field in form.fields.items()}

    client.post(do(made, "columns"), {by_label["Vorname"]: "first_name", by_label["Seat"]: "city"})
    twice = client.post(do(made, "columns"), {by_label["Vorname"]: "city", by_label["Seat"]: "city"})
    client.post(do(made, "rename"), {"name": "November"})

    made.refresh_from_db()
    assert made.mapping == {"email": "Email", "first_name": "Vorname", "city": "Seat"}
    assert "is chosen for another column already" in twice.content.decode()
    assert made.name == "November"
    client.post(do(made, "delete"))
    assert not PeopleList.objects.exists()


@pytest.mark.parametrize("row", ["", "-1", "x", "9" * 30, "9" * 5000])
def test_a_row_that_is_none_is_not_found(client, account, manager, row):
    made = listed(account, "nobody\n")

    assert client.post(do(made, "correct"), {"row": row, "email": "maya@example.com"}).status_code == 404
