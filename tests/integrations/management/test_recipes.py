"""Recipes on the command line, and that a schedule means whom an export means."""

import csv
import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from leads.filters.selection import InSegments, as_json
from leads.models import BulkRun, Lead, LeadChange
from leads.schedules import due, recipes
from leads.schedules.planning import Reach
from tests.factories import ConnectionFactory, LeadFactory, ScheduleFactory, SegmentFactory, TagFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def account():
    account = ConnectionFactory(sending="on").account
    TagFactory(account=account, name="VIP")
    LeadFactory.create_batch(3, account=account, country="Japan", read_at=timezone.now())
    LeadFactory.create_batch(2, account=account, country="Spain", read_at=timezone.now())
    SegmentFactory(account=account, name="Japan", conditions={"country": ["Japan"]})
    steps = [["assign_tag", {"tag": "VIP"}], ["give_points", {"points": 5}]]
    recipes.keep(account, "Webinar follow-up", steps, "The tag opens the course.")
    return account


def run(*args):
    out, err = io.StringIO(), io.StringIO()
    call_command("change", *args, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_recipe_is_done_for_a_segment(account):
    said, note = run("--recipe", "webinar FOLLOW-UP", "--segment", "Japan", "--dry-run")
    assert said.startswith("Assign the tag VIP, give 5 points: 3 of 3 leads will change")
    assert "The tag opens the course." in note
    assert not BulkRun.objects.exists()

    run("--recipe", "Webinar follow-up", "--segment", "Japan")

    made = BulkRun.objects.get()
    assert (made.changes.count(), made.recipe_version) == (6, account.recipes.get().versions.get())


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--recipe", "Webinar follow-up"], "Say which leads"),
        (["--recipe", "Nope", "--all"], "There are: Webinar follow-up"),
        (["assign_tag", "--recipe", "Webinar follow-up", "--all"], "neither a KIND"),
        (["--recipe", "Webinar follow-up", "--set", "tag=VIP", "--all"], "neither a KIND"),
        (["--all"], "Say what to do"),
    ],
)
def test_recipe_is_refused_in_words(account, args, words):
    with pytest.raises(CommandError, match=words):
        run(*args)

    assert not BulkRun.objects.exists()


def test_recipe_whose_tag_is_gone_is_refused(account):
    account.tags.all().delete()

    with pytest.raises(CommandError, match="VIP"):
        run("--recipe", "Webinar follow-up", "--all")


def test_schedule_on_a_segment_means_whom_an_export_means(account, tmp_path):
    segment = account.segments.get()
    schedule = ScheduleFactory(account=account, selection=as_json(InSegments((segment.pk,))))
    Lead.objects.filter(country="Spain").first().delete()

    due.work(schedule.pk, Reach())
    path = tmp_path / "japan.csv"
    out = io.StringIO()
    call_command("export_leads", str(path), "--segment", "Japan", "--json", stdout=out)

    exported = {row["Email"] for row in csv.DictReader(path.open(encoding="utf-8-sig"))}
    assert json.loads(out.getvalue())["leads"] == 3
    assert set(LeadChange.objects.values_list("lead__email", flat=True)) == exported
