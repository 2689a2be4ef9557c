"""Rows for tests."""

import datetime as dt

import factory
from django.contrib.auth import get_user_model
from django.utils import timezone

from integrations.models import Connection, Delivery, SendingStop, WebhookEndpoint
from integrations.sandbox.state import KEY, PASSWORD, UNLIMITED_APP_ID
from leads import kinds
from leads.filters.selection import Everybody, as_json, of_conditions
from leads.models import Account, BulkRun, Lead, LeadChange, MailingList, Recipe, RunState, Schedule, Segment, Tag

STAFF_PASSWORD = "secret-enough-for-a-test"


class AccountFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Account

    name = factory.Sequence(lambda n: f"Account {n}")


class ConnectionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Connection
        skip_postgeneration_save = True

    account = factory.SubFactory(AccountFactory)
    app_id = UNLIMITED_APP_ID
    api_key = KEY
    api_password = PASSWORD
    api_url = "http://127.0.0.1:9/api"
    calls_per_second = 0
    switched_on_at = factory.LazyAttribute(lambda made: {"look_only": None, "on": timezone.now()}[made.sending])

    class Params:
        sending = "look_only"

    @factory.post_generation
    def stopped_by(self, create, cause, **of_stop):
        if cause:
            SendingStopFactory(connection=self, stopped_by=cause, **of_stop)


class SendingStopFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = SendingStop

    connection = factory.SubFactory(ConnectionFactory)
    stopped_by = "person"
    why = "Lunch"
    began_at = factory.LazyFunction(timezone.now)


class WebhookEndpointFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = WebhookEndpoint

    connection = factory.SubFactory(ConnectionFactory)
    name = factory.Sequence(lambda n: f"Door {n}")


class DeliveryFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Delivery

    endpoint = factory.SubFactory(WebhookEndpointFactory)
    channel = "outbound"
    received_at = factory.LazyFunction(timezone.now)
    body = b"{}"
    size = 2
    digest = factory.Sequence(lambda n: f"{n:064x}")


class LeadFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Lead

    account = factory.SubFactory(AccountFactory)
    kartra_id = factory.Sequence(lambda n: str(900_000 + n))
    email = factory.Sequence(lambda n: f"lead{n}@example.com")
    first_name = "Mara"
    last_name = "Lind"
    read_at = factory.LazyFunction(timezone.now)


class TagFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Tag

    account = factory.SubFactory(AccountFactory)
    name = factory.Sequence(lambda n: f"tag {n}")


class MailingListFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = MailingList

    account = factory.SubFactory(AccountFactory)
    name = factory.Sequence(lambda n: f"list {n}")


class SegmentFactory(factory.django.DjangoModelFactory):
    """A segment of a filter's parameters, `conditions`."""

    class Meta:
        model = Segment

    class Params:
        conditions: dict = {}

    selection = factory.LazyAttribute(lambda made: as_json(of_conditions(made.conditions)))


class RecipeFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Recipe

    account = factory.SubFactory(AccountFactory)
    name = factory.Sequence(lambda n: f"recipe {n}")
    steps = factory.LazyFunction(lambda: [["give_points", {"points": 5}]])


class ScheduleFactory(factory.django.DjangoModelFactory):
    """Every day at nine in Berlin: five points for everybody of the account, by a manager. Its next time is an hour ago."""

    class Meta:
        model = Schedule

    account = factory.SubFactory(AccountFactory)
    name = factory.Sequence(lambda n: f"schedule {n}")
    recipe = None
    steps = factory.LazyAttribute(lambda o: None if o.recipe else [["give_points", {"points": 5}]])
    selection = factory.LazyFunction(lambda: as_json(Everybody()))
    owner = factory.SubFactory("tests.factories.StaffFactory", is_superuser=True)
    zone = "Europe/Berlin"
    at = dt.time(9)
    period = "daily"
    next_at = factory.LazyFunction(lambda: timezone.now() - dt.timedelta(hours=1))


class BulkRunFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = BulkRun

    account = factory.SubFactory(AccountFactory)
    name = "Assign the tag VIP"
    kind = "assign_tag"
    parameters = factory.LazyFunction(lambda: {"tag": "VIP"})
    state = RunState.RUNNING


class LeadChangeFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = LeadChange

    lead = factory.SubFactory(LeadFactory)
    account = factory.SelfAttribute("lead.account")
    kind = "assign_tag"
    parameters = factory.LazyFunction(lambda: {"tag": "VIP"})
    family = factory.LazyAttribute(lambda o: kinds.get_kind(o.kind).family(o.parameters))
    requested_at = factory.LazyFunction(timezone.now)


class StaffFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = get_user_model()
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"staff{n}")
    is_staff = True

    @factory.post_generation
    def password(self, create: bool, extracted: str | None, **kwargs: object) -> None:
        self.set_password(extracted or STAFF_PASSWORD)
        if create:
            self.save()
