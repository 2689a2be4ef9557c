"""Permissions by names for people: the database keeps them in English, as Django made them when it was migrated."""

from typing import Any

from django import forms
from django.contrib.auth.models import Permission
from django.utils.translation import gettext, gettext_lazy as _

MADE_BY_DJANGO: dict[str, Any] = {
    "add": _("Can add %(model)s"),
    "change": _("Can change %(model)s"),
    "delete": _("Can delete %(model)s"),
    "view": _("Can view %(model)s"),
}


def in_words(permission: Permission) -> str:
    """ "Leads | bulk action | Can start bulk actions on many leads"."""
    model = permission.content_type.model_class()
    if model is None:  # of an app that is no longer here
        return permission.name
    verb, _sign, name = permission.codename.partition("_")
    words = gettext(permission.name)
    if verb in MADE_BY_DJANGO and name == permission.content_type.model:
        words = MADE_BY_DJANGO[verb] % {"model": model._meta.verbose_name}
    return f"{model._meta.app_config.verbose_name} | {model._meta.verbose_name} | {words}"


class PermissionChoice(forms.ModelMultipleChoiceField):
    """Permissions to choose from."""

    def label_from_instance(self, permission: Any) -> str:
        return in_words(permission)
