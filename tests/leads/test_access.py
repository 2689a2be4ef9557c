"""Which rows a person is shown: each model names its path to an account, and one that does not is shown to nobody."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.core.checks import run_checks
from django.db import models
from django.test.utils import isolate_apps

from integrations.models import ApiCall, Attempt, Heartbeat
from leads import access
from leads.models import Account, CalendarClass, Lead, StaffLimits, account_path
from tests.factories import LeadFactory, StaffFactory

OURS = [model for app in ("leads", "integrations") for model in apps.get_app_config(app).get_models()]


def limited_to(*accounts):
    person = StaffFactory()
    StaffLimits.objects.create(user=person, limited=True).accounts.set(accounts)
    return person


@isolate_apps("leads")
def made_up(**attributes):
    """A model that somebody has just written."""
    return type("Note", (models.Model,), {"__module__": "leads.models.note", **attributes})


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_every_model_of_ours_leads_to_an_account_or_says_that_it_is_of_none(model):
    assert account_path.errors_of(model) == []


def test_every_model_that_is_shown_has_an_answer():
    for model in admin.site._registry:
        access.account_path(model)


@pytest.mark.parametrize(
    ("model", "path"),
    [
        (Account, "pk"),
        (Lead, "account"),
        (CalendarClass, "calendar__account"),
        (ApiCall, "connection__account"),
        (Attempt, "change__account"),
        (Heartbeat, None),
        (User, None),
        (Group, None),
        (Permission, None),
    ],
)
def test_path_is_what_the_model_names(model, path):
    assert access.account_path(model) == path


def test_system_check_finds_nothing_in_what_is_installed():
    assert [each for each in run_checks(tags=["models"]) if each.id.startswith("leads.E00")] == []


@pytest.mark.parametrize(
    ("attributes", "found"),
    [
        ({}, ["leads.E001"]),
        ({"account_path": None}, []),
        ({"account_path": "account"}, ["leads.E002"]),
        ({"account_path": "lead__email", "lead": models.ForeignKey(Lead, models.CASCADE)}, ["leads.E002"]),
        ({"account_path": "lead", "lead": models.ForeignKey(Lead, models.CASCADE)}, ["leads.E002"]),
        ({"account_path": "pk"}, ["leads.E002"]),
        ({"account_path": "lead__account", "lead": models.ForeignKey(Lead, models.CASCADE)}, []),
    ],
)
def test_system_check_judges_a_new_model(attributes, found):
    assert [each.id for each in account_path.errors_of(made_up(**attributes))] == found


@pytest.mark.django_db
@pytest.mark.parametrize("who", [lambda: None, lambda: StaffFactory(is_superuser=True), limited_to])
def test_model_that_does_not_say_is_shown_to_nobody(who):
    LogEntry.objects.create(user=StaffFactory(), action_flag=1, change_message="Exported 5 leads.")

    assert not access.only_mine(LogEntry.objects.all(), who()).exists()


@pytest.mark.django_db
def test_limited_person_is_shown_rows_of_their_accounts_and_what_is_of_none():
    ours, theirs = LeadFactory(), LeadFactory()
    person = limited_to(ours.account)

    assert list(access.only_mine(Lead.objects.all(), person)) == [ours]
    assert list(access.only_mine(Account.objects.all(), person)) == [ours.account]
    assert person in access.only_mine(User.objects.all(), person)
    assert set(access.only_mine(Lead.objects.all(), None)) == {ours, theirs}
