"""A connection without a Kartra behind it, as the pages of home count it."""

import pytest

from tests.factories import ConnectionFactory


@pytest.fixture
def shop(db):
    return ConnectionFactory(account__name="Shop", sending="on", calls_per_second=10)
