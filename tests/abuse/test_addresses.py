"""Addresses that nobody links to: whatever stands in a query or a form, a page answers in words and never breaks."""

from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.urls import reverse

from leads.models import BulkRun, Lead
from tests.factories import StaffFactory
from tests.kartra_mirror.admin.rows import OURS, fill

pytestmark = pytest.mark.django_db

HOSTILE = ("\x00", "9" * 30, "--5", "nan", "9999-12-31", "\udcff\udcfe")
"""A byte that PostgreSQL takes in no text, a number no row has, one that is none, a day with no day after it, no UTF-8."""


@pytest.fixture
def staff(client):
    client.force_login(StaffFactory(is_superuser=True))
    client.raise_request_exception = False
    return client


def parameters(model, request):
    """The names of all parameters that a list knows."""
    model_admin = admin.site._registry[model]
    found = {"q", "p", "o", "all", "_to_field", "e", "id", "pk", "pk__in", "lead", "lead__id__exact", "no_such"}
    for spec in model_admin.get_changelist_instance(request).filter_specs:
        found |= {str(name) for name in spec.expected_parameters()}
    return sorted(found)


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label_lower)
def test_whatever_stands_in_a_query_a_list_answers(staff, model):
    fill(1)
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    request = staff.get(url).wsgi_request
    broken = []
    for name in parameters(model, request):
        for value in HOSTILE:
            answer = staff.get(f"{url}?{urlencode({name: value}, errors='surrogateescape')}")
            if answer.status_code not in (200, 302, 400):
                broken.append((name, value[:20], str(answer.exc_info and answer.exc_info[1])[:60]))
    assert not broken, "\n".join(map(str, broken))


@pytest.mark.parametrize("value", HOSTILE)
def test_whatever_is_selected_an_action_answers(staff, value):
    fill(1)
    for model in OURS:
        model_admin = admin.site._registry[model]
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for action in model_admin.get_actions(staff.get(url).wsgi_request):
            for across in ("0", "1", value):
                given = {"action": action, "_selected_action": [value], "select_across": across, "index": value}
                body = urlencode(given, doseq=True, errors="surrogateescape")
                answer = staff.post(url, body, content_type="application/x-www-form-urlencoded")
                assert answer.status_code in (200, 302, 400), (model, action)
    assert Lead.objects.count() == BulkRun.objects.count() == 1
