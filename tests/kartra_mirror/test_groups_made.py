"""What `migrate` ends with: the permissions of the kinds, the groups, and what of a later version they get."""

import io
import json
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command

from kartra_mirror import groups
from leads.models import GroupLimits


@pytest.mark.django_db
def test_missing_permission_of_a_kind_is_made_and_one_that_is_there_stays():
    Permission.objects.filter(codename="give_points").delete()
    Permission.objects.filter(codename="assign_tag").update(name="as it was")
    before = Permission.objects.get(codename="assign_tag")

    groups.make()
    groups.make()

    assert Permission.objects.get(codename="give_points").name == "Can give points"
    after = Permission.objects.get(codename="assign_tag")
    assert (after.pk, after.name) == (before.pk, "as it was")
    assert Group.objects.filter(permissions=after).exists()


def test_check_says_when_another_app_comes_last():
    leads_last = SimpleNamespace(
        get_app_configs=lambda: [apps.get_app_config("integrations"), apps.get_app_config("leads")]
    )

    assert groups.check_last_app() == []
    assert [message.id for message in groups.check_last_app(leads_last)] == ["kartra_mirror.E001"]


def permissions_of(name):
    rows = Permission.objects.filter(group__name=name).values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in rows}


def before_a_version_that_adds(permission, *names):
    """As if the groups had been made by a version that did not have the permission yet."""
    for name in names:
        Group.objects.get(name=name).permissions.remove(Permission.objects.get(codename=permission.partition(".")[2]))
        limits = GroupLimits.objects.get(group__name=name)
        limits.given = [each for each in limits.given if each != permission]
        limits.save()


def printed(*args):
    out = io.StringIO()
    call_command(*args, stdout=out)
    return out.getvalue()


def everything():
    return [
        *Group.permissions.through.objects.order_by("pk").values_list(),
        *GroupLimits.objects.order_by("pk").values_list(),
        *Permission.objects.order_by("pk").values_list(),
    ]


@pytest.mark.django_db
def test_new_database_has_the_five_groups_and_what_they_were_given():
    for name, wanted in groups.permissions_of_groups().items():
        assert permissions_of(name) == wanted
        assert GroupLimits.objects.get(group__name=name).given == sorted(wanted)


@pytest.mark.django_db
def test_migrate_again_changes_nothing():
    before = everything()

    groups.make()

    assert everything() == before


@pytest.mark.django_db
def test_new_permission_reaches_who_was_not_changed_and_no_other():
    before_a_version_that_adds("leads.give_points", "Support", "Marketer")
    Group.objects.get(name="Support").permissions.remove(Permission.objects.get(codename="refund_transaction"))
    out = io.StringIO()

    groups.make(stdout=out, verbosity=1)

    assert permissions_of("Marketer") == groups.permissions_of_groups()["Marketer"]
    assert {"leads.give_points", "leads.refund_transaction"} & permissions_of("Support") == set()
    assert "The group Support was changed by hand and is left without what is new: leads.give_points." in out.getvalue()
    assert "Marketer" not in out.getvalue()


@pytest.mark.django_db
def test_group_of_before_is_known_again_where_it_is_as_a_new_one():
    GroupLimits.objects.update(given=None)
    Group.objects.get(name="Viewer").permissions.clear()

    groups.make()

    assert GroupLimits.objects.get(group__name="Marketer").given == sorted(permissions_of("Marketer"))
    assert GroupLimits.objects.get(group__name="Viewer").given is None
    assert permissions_of("Viewer") == set()


@pytest.mark.django_db
def test_permission_of_an_app_that_is_not_migrated_yet_is_given_later():
    Group.objects.all().delete()
    replay = Permission.objects.get(codename="replay_delivery")
    Permission.objects.filter(pk=replay.pk).delete()

    groups.make()
    assert "integrations.replay_delivery" not in permissions_of("Engineer")
    replay.save(force_insert=True)
    groups.make()

    assert permissions_of("Engineer") == groups.permissions_of_groups()["Engineer"]


@pytest.mark.django_db
def test_deleted_group_is_not_made_again():
    Group.objects.get(name="Marketer").delete()

    groups.make()

    assert not Group.objects.filter(name="Marketer").exists()
    assert "Marketer" not in printed("groups")


@pytest.mark.django_db
def test_command_shows_and_gives_what_is_lacking():
    support = Group.objects.get(name="Support")
    support.permissions.remove(Permission.objects.get(codename="give_points"))
    support.permissions.add(Permission.objects.get(codename="export_lead"))
    wanted = groups.permissions_of_groups()["Support"]

    text = printed("groups")
    shown = {each["group"]: each for each in json.loads(printed("groups", "--json"))}

    assert f"Support: has {len(wanted) - 1} of {len(wanted)} permissions, changed by hand" in text
    assert "  lacks leads.give_points\n  has besides leads.export_lead\n" in text
    assert shown["Support"] == {
        "group": "Support",
        "has": sorted({*wanted, "leads.export_lead"} - {"leads.give_points"}),
        "lacks": ["leads.give_points"],
        "besides": ["leads.export_lead"],
        "changed": True,
    }
    assert not shown["Marketer"]["changed"]

    for _ in range(2):
        printed("groups", "--sync")
        assert permissions_of("Support") == {*wanted, "leads.export_lead"}

    before_a_version_that_adds("leads.assign_tag", "Support")
    groups.make()
    assert "leads.assign_tag" in permissions_of("Support")


@pytest.mark.django_db
def test_command_fails_where_there_are_none():
    Group.objects.all().delete()

    with pytest.raises(CommandError, match="There is none of the groups Viewer") as failed:
        printed("groups")

    assert failed.value.returncode == 1
