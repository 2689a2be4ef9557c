"""Indexes: the database has each one that a model names, on the columns that it names."""

import pytest
from django.apps import apps
from django.db import connection

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
        assert found[index.name]["columns"] == columns, index.name
        assert found[index.name].get("type", "btree") in ("btree", "idx"), index.name
