"""How the rows of a model lead to an account: each model says it, a system check that it does, `leads.access` asks."""

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model

from leads.models.account import Account


class NoAccountPath(LookupError):
    """A model does not say to which account its rows belong."""


def account_path(model: type[Model]) -> str | None:
    """By which lookup a row of the model leads to its account; None: it belongs to none and is everybody's.

    Our models say it as an attribute of this name; of models that are not ours it stands in `settings.ACCOUNT_PATHS`.
    Raises NoAccountPath."""
    label = model._meta.label_lower
    if label in settings.ACCOUNT_PATHS:
        foreign: str | None = settings.ACCOUNT_PATHS[label]
        return foreign
    if not hasattr(model, "account_path"):
        raise NoAccountPath(label)
    own: str | None = model.account_path
    return own


def account_paths_of(app_label: str) -> Callable[..., list[CheckMessage]]:
    """The check of the models of one app; what Django makes by itself, as for a relation of many to many, is no page's."""

    def account_paths(**kwargs: Any) -> list[CheckMessage]:
        return [error for model in apps.get_app_config(app_label).get_models() for error in errors_of(model)]

    return account_paths


def errors_of(model: type[Model]) -> list[CheckMessage]:
    """What is wrong with how the model says it."""
    try:
        path = account_path(model)
    except NoAccountPath:
        hint = (
            'Say how a row leads to its account: account_path = "lead__account", or None if it belongs to no account.'
        )
        words = "The model does not say to which account its rows belong, so they are shown to nobody."
        return [Error(words, hint=hint, obj=model, id="leads.E001")]
    if path is not None and not leads_to_account(model, path):
        return [Error(f"account_path “{path}” does not lead to an account.", obj=model, id="leads.E002")]
    return []


def leads_to_account(model: type[Model], path: str) -> bool:
    """Whether the lookup ends at an account; of an account itself it is the primary key."""
    if path == "pk":
        return model is Account
    reached: Any = model
    for name in path.split("__"):
        try:
            reached = reached._meta.get_field(name).related_model
        except FieldDoesNotExist:
            return False
        if reached is None:
            return False
    return reached is Account
