"""The page of a watched segment, its card, and its lines on home."""

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import timezone

from leads import watching
from leads.models import StaffLimits, Watch, WatchEntry
from tests.factories import AccountFactory, RecipeFactory, SegmentFactory, StaffFactory, TagFactory
from tests.leads.watching.conftest import fresh, looked, tagged

pytestmark = pytest.mark.django_db


@pytest.fixture
def segment(account):
    tag = TagFactory(account=account, name="buyer")
    TagFactory(account=account, name="welcomed")
    return SegmentFactory(account=account, name="Buyers", conditions={"tag": [str(tag.pk)]})


@pytest.fixture
def recipe(account, segment):
    return RecipeFactory(account=account, name="Welcome", steps=[["assign_tag", {"tag": "welcomed"}]])


@pytest.fixture
def marketer(db):
    person = StaffFactory(email="mara@example.com", first_name="Mara")
    person.groups.add(Group.objects.get(name="Marketer"))
    return person


def url_of(segment):
    return reverse("admin:leads_segment_watch", args=[segment.pk])


def do(client, segment, what, **more):
    return client.post(url_of(segment), {"do": what, **more}, follow=True).content.decode()


def test_set_up_then_it_says_what_happens_and_who_entered(client, segment, recipe, marketer, account, notified):
    client.force_login(marketer)
    assert "Nobody gets a message and nothing is started." in client.get(segment.get_absolute_url()).content.decode()

    do(client, segment, "save", by_notice="on", recipe=recipe.pk, daily_ceiling="2")
    watch = Watch.objects.get()
    assert (watch.owner, watch.recipe, watch.daily_ceiling, watch.by_mail) == (marketer, recipe, 2, False)
    assert ("look_at_watch", (watch.pk,)) in notified
    looked(watch)
    leads = tagged(account, number=3)
    looked(watch)
    watching.act(fresh(watch), timezone.now())

    page = client.get(url_of(segment)).content.decode()
    card = client.get(segment.get_absolute_url()).content.decode()
    for words in (
        "recipe Welcome, once per person · at most 2 leads a day",
        "3 this week",
        "1 lead waits",
        "Today&#x27;s limit is reached.",
    ):
        assert words in page
        assert words in card
    assert all(lead.get_absolute_url() in page for lead in leads)
    assert "Looked at" in card
    assert "leads entered Buyers since yesterday" in client.get("/admin/").content.decode()
    do(client, segment, "seen")
    assert "entered Buyers" not in client.get("/admin/").content.decode()


def test_circle_is_said_at_the_form_and_nothing_is_saved(staff, segment, account, recipe):
    back = RecipeFactory(account=account, steps=[["assign_tag", {"tag": "buyer"}]])
    other = SegmentFactory(
        account=account, name="Welcomed", conditions={"tag": [str(account.tags.get(name="welcomed").pk)]}
    )
    do(staff, segment, "save", recipe=recipe.pk)

    text = do(staff, other, "save", recipe=back.pk)

    assert "These recipes feed each other: “Welcomed” → “Buyers” → “Welcomed”." in text
    assert Watch.objects.count() == 1


def test_pause_resume_and_end(staff, segment, recipe, account):
    do(staff, segment, "save", recipe=recipe.pk)
    watch = looked(Watch.objects.get())
    do(staff, segment, "pause")
    assert not fresh(watch).is_on
    tagged(account, number=2)
    looked(watch)

    assert "Paused by mara." in staff.get(url_of(segment)).content.decode()
    assert "Resume, leave out those who wait" in staff.get(url_of(segment)).content.decode()
    assert "2 leads who waited are left out." in do(staff, segment, "resume_without")
    assert fresh(watch).is_on
    assert not WatchEntry.objects.filter(waits=True).exists()
    do(staff, segment, "stop")
    assert not Watch.objects.exists()


def test_watch_that_paused_by_itself_stands_on_home(staff, segment, recipe, account):
    do(staff, segment, "save", recipe=recipe.pk)
    watch = looked(Watch.objects.get())
    Watch.objects.update(owner=None)
    tagged(account)
    watching.act(looked(watch), timezone.now())

    text = staff.get("/admin/").content.decode()

    assert "“Buyers” is watched no more" in text
    assert "Somebody else has to take it over." in text


def test_a_colleagues_watch_is_changed_by_who_may(client, segment, recipe, marketer, account):
    watching.set_watch(segment, owner=StaffFactory(is_superuser=True), recipe=recipe)
    client.force_login(marketer)

    assert client.post(url_of(segment), {"do": "pause"}).status_code == 403
    assert client.get(url_of(segment)).context_data["form"] is None
    marketer.groups.set([Group.objects.get(name="Manager")])
    do(client, segment, "resume")
    assert Watch.objects.get().owner == marketer


@pytest.mark.parametrize("group", ["Viewer", "Support"])
def test_who_only_looks_sets_nothing_up(client, segment, group):
    person = StaffFactory()
    person.groups.add(Group.objects.get(name=group))
    client.force_login(person)

    assert client.get(url_of(segment)).status_code == 200
    assert client.post(url_of(segment), {"do": "save", "by_notice": "on"}).status_code == 403
    assert not Watch.objects.exists()


def test_another_accounts_recipe_is_no_choice(staff, segment, recipe):
    foreign = RecipeFactory()

    text = do(staff, segment, "save", recipe=foreign.pk)

    assert "Select a valid choice" in text
    assert not Watch.objects.exists()


def test_page_of_another_accounts_segment_is_not_found(client, segment, marketer):
    StaffLimits.objects.create(user=marketer, limited=True).accounts.set([AccountFactory()])
    client.force_login(marketer)

    assert client.get(url_of(segment)).status_code == 404


def test_page_costs_the_same_for_more_who_entered(staff, segment, recipe, account, django_assert_max_num_queries):
    do(staff, segment, "save", recipe=recipe.pk)
    watch = looked(Watch.objects.get())
    tagged(account)
    looked(watch)
    staff.get(url_of(segment))
    with django_assert_max_num_queries(40) as few:
        staff.get(url_of(segment))
    tagged(account, number=10)
    looked(watch)

    with django_assert_max_num_queries(len(few.captured_queries)):
        staff.get(url_of(segment))


def test_schedule_names_the_segments_that_are_watched(staff, segment, recipe, account, django_assert_max_num_queries):
    watch = looked(watching.set_watch(segment, owner=staff.user, recipe=recipe, by_notice=True))
    tagged(account, number=2)
    looked(watch)
    url = reverse("admin:leads_schedule_changelist")
    staff.get(url)

    with django_assert_max_num_queries(20):
        page = staff.get(url).content.decode()

    card = page[page.index("When somebody enters") :]
    assert "Buyers" in card
    assert "recipe Welcome, once per person" in card
    assert "2 this week" in card
