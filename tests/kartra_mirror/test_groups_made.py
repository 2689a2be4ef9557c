"""What `migrate` ends with: the permissions of the kinds."""

from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission

from kartra_mirror import groups


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
