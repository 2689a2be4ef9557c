"""Two processes look and act at the same moment: each lead enters once and is acted on once."""

import threading

import pytest
from django.utils import timezone

from leads import watching
from leads.models import BulkRun, LeadChange, Watch, WatchEntry
from leads.watching import looking
from tests.all_are_over import all_are_over
from tests.beside import Beside, on_postgresql
from tests.factories import RecipeFactory, SegmentFactory
from tests.leads.watching.conftest import fresh, tagged

pytestmark = [pytest.mark.django_db(transaction=True), on_postgresql]


def together(work, number=3):
    """Do it so many times at once, and what each came to."""
    ready = threading.Barrier(number)

    def one():
        ready.wait(10)
        return work()

    all_of_them = [Beside(one) for _ in range(number)]
    for each in all_of_them:
        each.begin()
    return [each.end() for each in all_of_them]


def test_each_enters_once_and_is_acted_on_once(watch, account):
    leads = {lead.pk for lead in tagged(account, number=40)}
    Watch.objects.update(daily_ceiling=30)
    all_are_over()

    found = together(lambda: looking.look(fresh(watch), timezone.now()).entered)
    runs = together(lambda: watching.act(fresh(watch), timezone.now()))

    assert sum(found) == 40
    assert set(WatchEntry.objects.values_list("lead", "times")) == {(pk, 1) for pk in leads}
    assert fresh(watch).untold == 40
    assert [run is not None for run in runs].count(True) == BulkRun.objects.count() == 1
    acted = list(LeadChange.objects.values_list("lead", flat=True))
    assert len(acted) == len(set(acted)) == 30
    assert WatchEntry.objects.filter(waits=True).count() == 10


def test_same_circle_from_two_sides_is_closed_by_one(account, tags, owner, recipe, segment):
    """Two people set up the two halves of a circle at once."""
    other = SegmentFactory(account=account, name="Welcomed", conditions={"tag": [str(tags["welcomed"].pk)]})
    back = RecipeFactory(account=account, steps=[["assign_tag", {"tag": "buyer"}]])
    halves = iter([(segment, recipe), (other, back)])

    def set_up():
        half, its_recipe = next(halves)
        try:
            watching.set_watch(half, owner=owner, recipe=its_recipe)
        except watching.CannotWatch:
            return "refused"
        return "set up"

    assert sorted(together(set_up, 2)) == ["refused", "set up"]
    assert Watch.objects.count() == 1
