"""What pages are tried with: a person who may do everything, an account that sends, a lead that Kartra knows."""

import pytest

from tests.factories import ConnectionFactory, StaffFactory, TagFactory


@pytest.fixture
def staff(client):
    """A client signed in as `client.user`, who may do everything."""
    client.user = StaffFactory(username="mara", is_superuser=True)
    client.force_login(client.user)
    return client


@pytest.fixture
def account(db):
    """An account that sends and has a tag."""
    account = ConnectionFactory(sending="on").account
    TagFactory(account=account, name="VIP")
    return account


@pytest.fixture
def lead(sandbox, connection):
    """A lead that both sides know."""
    return sandbox.mirrored_lead(connection, "ada@example.com", city="Salem")
