"""A file comes in by clicks alone: upload, match, preview, start, result with its bad rows; and goes out again."""

import csv
import threading

import pytest
from django.db import connections

from integrations import tasks
from leads.models import Import, Lead
from tests.browser.hands import Keyboard, Mouse, sign_in
from tests.factories import ConnectionFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def loader():
    """A worker in the background that goes on with whatever import is under way."""
    stop = threading.Event()

    def work():
        while not stop.wait(0.1):
            for pk in Import.objects.going().values_list("pk", flat=True):
                tasks.load_file(pk)
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join(20)


@pytest.mark.parametrize("hand", [Mouse, Keyboard], ids=lambda hand: hand.name)
def test_import(page, hand, live_server, loader, tmp_path):
    ConnectionFactory()
    path = tmp_path / "export.csv"
    path.write_text("Mail;First Name;Town\nada@example.com;Ada;Bend\nbo@example.com;Bo;Reno\nnobody;;\n")
    sign_in(page, live_server)
    hand = hand(page)

    hand.press("nav a:has-text('Imports')")
    page.wait_for_url("**/leads/import/")
    hand.press("a:has-text('Import a file…')")
    page.wait_for_selector("input[type=file]", state="attached")
    hand.upload("input[type=file]", path)
    hand.press("button:has-text('Upload')")
    page.wait_for_selector("select[name=column_0]", state="attached")
    hand.choose("select[name=column_0]", "Email")
    hand.choose("select[name=column_2]", "City")
    hand.press("button:has-text('Preview')")
    page.wait_for_selector("text=3 rows: 2 would be new, 0 would be changed, 0 as they were, 1 bad.")
    hand.press("button:has-text('Start')")
    page.wait_for_selector("text=3 rows: 2 new, 0 changed, 0 as they were, 1 bad.")

    assert sorted(Lead.objects.values_list("email", "city")) == [
        ("ada@example.com", "Bend"),
        ("bo@example.com", "Reno"),
    ]


def test_file_is_loaded_and_leads_are_exported(page, live_server, loader, tmp_path):
    ConnectionFactory()
    path = tmp_path / "export.csv"
    rows = "".join(f"lead{n}@example.com;Name{n};=1+{n}\n" for n in range(2500))
    path.write_text(f"Mail;First Name;Town\n{rows}nobody;;\n")
    sign_in(page, live_server)

    page.click("nav >> text=Imports")
    page.click("text=Import a file…")
    page.set_input_files("input[type=file]", path)
    page.click("button:has-text('Upload')")
    page.select_option("select[name=column_0]", "email")
    assert page.input_value("select[name=column_1]") == "first_name"
    page.select_option("select[name=column_2]", "city")
    page.click("button:has-text('Preview')")
    page.wait_for_selector("text=2,501 rows: 2,500 would be new, 0 would be changed, 0 as they were, 1 bad.")
    assert not Lead.objects.exists()

    page.click("button:has-text('Start')")
    page.wait_for_selector("text=2,501 rows: 2,500 new, 0 changed, 0 as they were, 1 bad.", timeout=60_000)
    with page.expect_download() as rejects:
        page.click("text=Download all 1 with their reasons")
    with open(rejects.value.path(), newline="", encoding="utf-8-sig") as file:
        assert [(row["line"], row["Mail"]) for row in csv.DictReader(file)] == [("2502", "nobody")]

    page.goto(f"{live_server.url}/admin/leads/lead/")
    page.check("#action-toggle")
    page.click("text=/Select all 2,?500/")
    page.click(".select-bar summary")
    page.click(".select-bar .menu button[value=export]")
    page.wait_for_selector("text=2,500 leads of")
    with page.expect_download() as export:
        page.click("button:has-text('Download')")
    with open(export.value.path(), newline="", encoding="utf-8-sig") as file:
        cities = [row["City"] for row in csv.DictReader(file)]
    assert cities == [f"'=1+{n}" for n in range(2500)]
