"""Indexes: the database has each one that a model names, on the columns that it names."""

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import UniqueConstraint

from integrations.models import ApiCall, Attempt, Delivery
from leads.models import Activity, ImportReject, ImportSeen, Lead, LeadChange, RecurringSubscription, Transaction
from leads.models.membership import Joined

MODELS = [model for app in ("leads", "integrations") for model in apps.get_app_config(app).get_models()]


@pytest.mark.django_db
@pytest.mark.parametrize("model", [model for model in MODELS if model._meta.indexes], ids=lambda model: model.__name__)
def test_each_index_is_there_as_its_model_names_it(model):
    """A migration that works past the ORM can take the name of another index, and nothing notices but a page that is slow."""
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, model._meta.db_table)

    for index in model._meta.indexes:
        columns = [model._meta.get_field(name).column for name, _order in index.fields_orders]
        assert index.name in found, index.name
        assert found[index.name]["index"], index.name
        assert index.expressions or found[index.name]["columns"] == columns, index.name
        assert found[index.name].get("type", "btree") in ("btree", "idx"), index.name


LONG = [
    Activity,
    ApiCall,
    Attempt,
    Delivery,
    ImportReject,
    ImportSeen,
    Lead,
    LeadChange,
    RecurringSubscription,
    Transaction,
]
LONG += Joined.__subclasses__()


@pytest.mark.parametrize("model", LONG, ids=lambda model: model.__name__)
def test_no_index_of_a_long_table_is_the_beginning_of_another(model):
    """Each row that is written costs an entry in every index: of 1,000,000 changes those that nothing needed took half of the
    time."""
    whole = [[name for name, _order in index.fields_orders] for index in model._meta.indexes if not index.condition]
    whole += [
        list(each.fields)
        for each in model._meta.constraints
        if isinstance(each, UniqueConstraint) and not each.condition
    ]
    keys = [field for field in model._meta.concrete_fields if field.db_index and not field.unique]

    for field in keys:
        assert not any(columns[:1] == [field.name] for columns in whole), field.name
        assert not field.null or field.name in KEPT.get(model, ()), (
            f"{field.name}: an index without the empty ones does"
        )


KEPT = {
    LeadChange: ["requested_by"],  # nearly all have one
    Transaction: ["product", "subscription"],
    RecurringSubscription: ["product"],
}
"""Keys that may be empty and seldom are."""
