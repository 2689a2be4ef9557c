"""The one place that imports the theme. Admin classes, widgets and filters come from here, and with them what every list
has in common: only rows of the person's accounts, no bulk action for those who change one lead at a time."""

import datetime as dt
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.filters import AllValuesFieldListFilter
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _, gettext_lazy
from unfold.admin import ModelAdmin as _ModelAdmin, TabularInline
from unfold.contrib.filters.admin.datetime_filters import RangeDateTimeFilter as _RangeDateTimeFilter
from unfold.contrib.filters.admin.dropdown_filters import (
    ChoicesDropdownFilter,
    DropdownFilter,
    RelatedDropdownFilter as _RelatedDropdownFilter,
)
from unfold.contrib.filters.admin.text_filters import TextFilter as _TextFilter
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, AuthenticationForm, UserChangeForm, UserCreationForm
from unfold.sites import UnfoldAdminSite
from unfold.templatetags.unfold_list import result_headers
from unfold.views import ChangeList as _ChangeList
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelect2MultipleWidget as _UnfoldAdminSelect2MultipleWidget,
    UnfoldAdminSelect2Widget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from kartra_mirror.ui.costly import kept
from kartra_mirror.ui.pagination import CappedPaginator
from leads import access
from leads.kinds.form_fields import Suggested

SHORT_LIST = 25
"""Choices up to so many are a plain drop-down."""


class ChangeList(_ChangeList):
    """A list that says what it counted: where that was not all, no number stands for all."""

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        if any("\x00" in text for _name, texts in request.GET.lists() for text in texts):
            raise IncorrectLookupParameters  # no database can be asked for it
        found: QuerySet[Any] = super().get_queryset(request, *args, **kwargs)
        return found

    def get_results(self, request: HttpRequest) -> None:
        try:
            super().get_results(request)
        except OverflowError:  # SQLite, of a number that no row can have
            raise IncorrectLookupParameters from None
        if not self.multi_page:
            self.result_list = self.paginator.page(1).object_list  # its rows are known, and not looked for again
        if self.paginator.capped:
            self.full_result_count = self.result_count  # the theme then says nothing of it on top


class UnfoldAdminSelect2MultipleWidget(_UnfoldAdminSelect2MultipleWidget):
    """A searched list of which several are chosen; its search field is named after it."""

    @property
    def media(self) -> Any:
        return super().media + forms.Media(js=["kartra_mirror/labels.js"])


class ModelAdmin(_ModelAdmin):
    """What all our lists share: short pages, no count of everything, filters that are applied together."""

    paginator: Any = CappedPaginator
    list_per_page = 50
    show_full_result_count = False
    list_filter_submit = True
    list_filter_sheet = True
    compressed_fields = True

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[_ChangeList]:
        return ChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return access.only_mine(super().get_queryset(request), request.user)

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ticks that no page of ours has made are answered in words."""
        ticks = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if not all(tick.isdecimal() and len(tick) < 18 for tick in ticks):
            self.message_user(request, _("Your selection cannot be read. Please choose again."), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        answer: HttpResponse | None = super().response_action(request, queryset)
        return answer

    def action_checkbox(self, obj: Any) -> str:
        """The tick of a row, named after what it ticks."""
        name = _("Select %(row)s") % {"row": obj}
        box = UnfoldBooleanWidget({"class": "action-select", "aria-label": name}, lambda value: False)
        return box.render(ACTION_CHECKBOX_NAME, str(obj.pk))

    def get_field_queryset(self, db: Any, db_field: Any, request: HttpRequest) -> QuerySet[Any] | None:
        """Choices of rows of the person's accounts alone."""
        rows: QuerySet[Any] | None = super().get_field_queryset(db, db_field, request)
        chosen = db_field.remote_field.model._default_manager.all() if rows is None else rows
        return access.only_mine(chosen, request.user)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """An action that names no permission of its own acts on many leads: it is for those who may start bulk actions."""
        found: dict[str, Any] = super().get_actions(request)
        if not request.user.has_perm(access.BULK):
            found = {name: each for name, each in found.items() if hasattr(each[0], "allowed_permissions")}
        return found


class RangeDateTimeFilter(_RangeDateTimeFilter):
    """From one moment to another, in the reader's zone; a day without a time is all of it. What cannot be read fits nothing."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        try:
            first, last = self._moment("from", dt.time.min), self._moment("to", dt.time.max)
        except forms.ValidationError:
            return queryset.none()
        if first is not None:
            queryset = queryset.filter(**{f"{self.parameter_name}__gte": first})
        return queryset.filter(**{f"{self.parameter_name}__lte": last}) if last is not None else queryset

    def _moment(self, end: str, without_time: dt.time) -> dt.datetime | None:
        day, time = (self.used_parameters.get(f"{self.parameter_name}_{end}_{part}") or "" for part in (0, 1))
        if not day and not time:
            return None
        on = forms.DateField().clean(day)
        if not 1900 <= on.year < 3000:  # its midnight elsewhere may lie beyond what a date can be
            raise forms.ValidationError(day)
        at = forms.TimeField().clean(time) if time else without_time
        return timezone.make_aware(dt.datetime.combine(on, at))


class KeptValuesFilter(AllValuesFieldListFilter):
    """The values that occur in a column; of a long table they are looked for once in a minute."""

    def __init__(
        self, field: Any, request: HttpRequest, params: Any, model: Any, model_admin: Any, field_path: str
    ) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        key = f"values-{model._meta.label}-{field_path}-{request.user.pk}"
        self.lookup_choices = kept(key, partial(list, self.lookup_choices))


class ExactTextFilter(_TextFilter):
    """A text typed in, compared as a whole with `field`."""

    field = ""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        text = (self.value() or "").strip()
        return queryset.filter(**{self.field: text}) if text else queryset


class CodeFilter(ExactTextFilter):
    title, parameter_name, field = gettext_lazy("Kartra's code"), "code", "code"


class RelatedDropdownFilter(_RelatedDropdownFilter):
    """Choices of the person's accounts alone."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        mine = access.mine(field.remote_field.model, request.user)
        if mine is None:
            found: list[tuple[str, str]] = super().field_choices(field, request, model_admin)
            return found
        ordering = self.field_admin_ordering(field, request, model_admin)
        narrowed: list[tuple[str, str]] = field.get_choices(
            include_blank=False, ordering=ordering, limit_choices_to=mine
        )
        return narrowed


def only_own_choices(form: Any, user: access.RequestUser) -> Any:
    """Leave in a form's choices of rows those of the person's accounts."""
    for field in form.fields.values():
        if isinstance(field, forms.ModelChoiceField) and field.queryset is not None:
            field.queryset = access.only_mine(field.queryset, user)
    return form


def style(form: Any, *, searched: bool = True) -> Any:
    """Give the theme's looks to the widgets of a plain form. Long lists of choices are searched while typing, unless the form
    comes into a page later, when the theme looks for none."""
    for field in form.fields.values():
        field.widget = _styled(field.widget, searched)
    return form


def search_media() -> Any:
    """What a page needs for lists of choices that are searched while typing."""
    return UnfoldAdminSelect2MultipleWidget().media


def _styled(widget: Any, searched: bool) -> Any:
    attrs = dict(widget.attrs)
    if isinstance(widget, forms.CheckboxSelectMultiple | forms.RadioSelect | forms.CheckboxInput | forms.HiddenInput):
        return widget
    if isinstance(widget, forms.Textarea):
        return UnfoldAdminTextareaWidget(attrs=attrs)
    if isinstance(widget, forms.SelectMultiple):
        return _same_type(UnfoldAdminSelect2MultipleWidget(attrs=attrs), widget)
    if isinstance(widget, forms.Select):
        long = searched and len(list(widget.choices)) > SHORT_LIST
        return _same_type((UnfoldAdminSelect2Widget if long else UnfoldAdminSelectWidget)(attrs=attrs), widget)
    if isinstance(widget, forms.PasswordInput):
        return UnfoldAdminPasswordWidget(attrs=attrs)
    if isinstance(widget, Suggested | forms.DateInput | forms.TimeInput):
        widget.attrs["class"] = UnfoldAdminTextInputWidget().attrs["class"]
        return widget
    if isinstance(widget, forms.FileInput):
        return UnfoldAdminFileFieldWidget(attrs=attrs)
    if isinstance(widget, forms.widgets.Input):
        return UnfoldAdminTextInputWidget(attrs={**attrs, "type": widget.input_type})
    return widget


def _same_type(styled: Any, widget: Any) -> Any:
    styled.choices = widget.choices
    return styled


__all__ = [
    "AdminPasswordChangeForm",
    "AuthenticationForm",
    "ChoicesDropdownFilter",
    "CodeFilter",
    "DropdownFilter",
    "ExactTextFilter",
    "ModelAdmin",
    "RangeDateTimeFilter",
    "RelatedDropdownFilter",
    "TabularInline",
    "UnfoldAdminSite",
    "UserChangeForm",
    "UserCreationForm",
    "display",
    "only_own_choices",
    "result_headers",
    "search_media",
    "style",
]
