"""The groups as they are made at first."""

import pytest
from django.core.cache import cache

from kartra_mirror import groups


@pytest.fixture(autouse=True)
def _groups(db):
    groups.make()
    cache.clear()
