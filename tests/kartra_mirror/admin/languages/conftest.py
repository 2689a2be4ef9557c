"""The Greek account, seen in the language of brackets."""

import pytest
from django.core.cache import cache
from django.db import transaction

from tests.kartra_mirror.admin.languages import pseudo
from tests.kartra_mirror.admin.languages.greek import world
from tests.kartra_mirror.admin.languages.greek_requests import requests


@pytest.fixture(scope="module")
def greek(django_db_setup, django_db_blocker):
    """The account, made once for all; what a test writes into it is taken back, for it has a savepoint of its own."""
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock(), transaction.atomic():
        pseudo.speak(patch)
        made = world()
        requests(made)
        yield made
        transaction.set_rollback(True)


@pytest.fixture
def made(greek, db):
    cache.clear()
    return greek


@pytest.fixture
def staff(client, made):
    client.force_login(made.person)
    return client
