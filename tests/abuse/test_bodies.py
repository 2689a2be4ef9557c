"""Large bodies from anybody, on the real server: refused before they are parsed, nothing of them on disk, no memory taken.

And what people may send still comes through."""

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from leads.models import Import
from tests.abuse.web import BOUNDARY, Web, ask, chunked, multipart, pour
from tests.factories import AccountFactory, StaffFactory

MB = 1024 * 1024
LARGE = 24 * MB
IN_PARTS = f"multipart/form-data; boundary={BOUNDARY}"
LOAD = "/admin/leads/import/add/"
TOKEN = f"csrftoken={'a' * 32}"
"""With a cookie like this Django reads the form, to look for its twin in it."""
STRANGERS_PATHS = [
    "/admin/login/",
    "/admin/password_reset/",
    "/admin/reset/x/y/",
    "/nobody/here",
    "/admin/nobody/",
    LOAD,
    "/",
]


@pytest.fixture
def web(transactional_db, tmp_path):
    server = Web(tmp_path, IMPORT_MAX_MB="8")
    yield server
    server.stop()


def signed_in(*permissions):
    """A person who may do this, and the cookie of their session."""
    person = StaffFactory()
    person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(person)
    return f"{TOKEN}; {settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


def test_large_bodies_of_strangers_are_refused_and_leave_nothing(web):
    for path in STRANGERS_PATHS:
        pour(web, path, multipart(32 * 1024), Content_Type=IN_PARTS, Content_Length=34_000)
    before = web.memory()

    answers = {}
    for path in STRANGERS_PATHS:
        for way in ("length", "chunks", "plain"):
            pieces = multipart(LARGE)
            how = {"Content_Type": "text/csv" if way == "plain" else IN_PARTS, "Cookie": TOKEN}
            how |= {"Transfer_Encoding": "chunked"} if way == "chunks" else {"Content_Length": 300 * MB}
            answers[path, way], sent = pour(web, path, chunked(pieces) if way == "chunks" else pieces, **how)
            assert sent < LARGE

    assert set(answers.values()) == {413}
    assert web.most == 0
    assert list(web.temporary.iterdir()) == []
    if before is not None:
        assert web.memory() - before < 4 * MB


def test_large_files_of_those_who_are_signed_in_are_refused_where_none_is_taken(web):
    viewer, loader = signed_in("view_lead"), signed_in("view_import", "add_import")

    for cookie, path in [
        (viewer, LOAD),
        (viewer, "/admin/leads/lead/"),
        (loader, "/admin/login/"),
        (loader, "/admin/"),
    ]:
        for size in (32 * 1024, LARGE):
            answer, _sent = pour(
                web, path, multipart(size), Content_Type=IN_PARTS, Content_Length=size + 66_000, Cookie=cookie
            )
            assert answer == 413, path
    answer, sent = pour(web, LOAD, multipart(LARGE), Content_Type=IN_PARTS, Content_Length=LARGE, Cookie=loader)

    assert answer == 413
    assert sent < LARGE
    assert web.most == 0
    assert list(web.temporary.iterdir()) == []


def test_webhooks_and_pages_answer_as_before(web):
    assert ask(web.port, "/webhooks/nobody/", "POST", b"{}", Content_Type="application/json")[0] == 404
    assert ask(web.port, "/admin/login/", "POST", b"username=a&password=b")[0] == 403  # no CSRF token
    assert ask(web.port, "/nobody")[0] == 404


@pytest.mark.django_db
def test_file_is_loaded_by_one_who_may():
    person = StaffFactory()
    person.user_permissions.set(Permission.objects.filter(codename__in=["view_import", "add_import"]))
    client, account = Client(), AccountFactory()
    client.force_login(person)
    file = SimpleUploadedFile("leads.csv", b"Email\r\n" + b"ada@example.com\r\n" * 200_000)

    answer = client.post(LOAD, {"account": account.pk, "kind": "leads", "file": file})

    assert answer.status_code == 302
    assert Import.objects.get().size == file.size


@pytest.mark.django_db
def test_page_says_why_in_words(client, settings):
    settings.STRANGER_MAX_KB = 1
    settings.FORM_MAX_KB = 2

    stranger = client.post("/admin/", {"text": "x" * 1500})
    client.force_login(StaffFactory())
    inside = client.post("/admin/", {"text": "x" * 2500})

    assert (stranger.status_code, inside.status_code) == (413, 413)
    assert "Sign in and send it again." in stranger.content.decode()
    assert "too large for this page" in inside.content.decode()
    assert "Content-Security-Policy" in stranger.headers
    assert client.post("/admin/", {"text": "x" * 1500}).status_code != 413
