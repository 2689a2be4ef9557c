"""The one place that imports the theme. Admin classes, widgets and filters come from here."""

from typing import Any

from django.contrib.admin.options import BaseModelAdmin
from django.http import HttpRequest
from unfold.admin import ModelAdmin as _ModelAdmin
from unfold.admin import TabularInline as _TabularInline
from unfold.contrib.filters.admin.dropdown_filters import (
    ChoicesDropdownFilter,
    DropdownFilter,
    RelatedDropdownFilter,
)
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.sites import UnfoldAdminSite
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)


class ModelAdmin(_ModelAdmin):
    """What all our lists share: short pages, no count of everything, filters that are applied together."""

    list_per_page = 50
    show_full_result_count = False
    list_filter_submit = True
    list_filter_sheet = True
    compressed_fields = True


class _LookOnly(BaseModelAdmin):
    """Rows that people look at. Nothing here can be added, changed or deleted."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(_LookOnly, ModelAdmin):
    """A list and a page of facts."""

    actions = None


class ReadOnlyInline(_LookOnly, _TabularInline):
    """Facts of another table on a page."""

    extra = 0
    show_change_link = True
    can_delete = False


def style(form: Any) -> Any:
    """Give the theme's looks to the widgets of a plain form."""
    from django import forms

    for field in form.fields.values():
        widget = field.widget
        if isinstance(widget, forms.Textarea):
            field.widget = UnfoldAdminTextareaWidget(attrs=widget.attrs)
        elif isinstance(widget, forms.Select):
            field.widget = UnfoldAdminSelectWidget(attrs=widget.attrs, choices=widget.choices)
        elif isinstance(widget, forms.PasswordInput):
            field.widget = UnfoldAdminPasswordWidget(attrs=widget.attrs)
        elif isinstance(widget, forms.TextInput | forms.NumberInput):
            field.widget = UnfoldAdminTextInputWidget(attrs={**widget.attrs, "type": widget.input_type})
    return form


__all__ = [
    "AdminPasswordChangeForm",
    "ChoicesDropdownFilter",
    "DropdownFilter",
    "ModelAdmin",
    "ReadOnlyAdmin",
    "ReadOnlyInline",
    "RelatedDropdownFilter",
    "UnfoldAdminSite",
    "UserChangeForm",
    "UserCreationForm",
    "display",
    "style",
]
