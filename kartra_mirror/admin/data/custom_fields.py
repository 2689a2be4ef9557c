"""Custom fields in the admin: what the account has, and making one in Kartra."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _, gettext_lazy

from integrations.kartra.errors import KartraError
from integrations.models import Connection
from integrations.sending import calls, custom_fields
from kartra_mirror.ui.admin_bases import ReadOnlyAdmin
from kartra_mirror.ui.unfold_adapter import RelatedDropdownFilter, only_own_choices, style
from leads import kinds
from leads.models import CustomField, CustomFieldType


class CustomFieldForm(forms.Form):
    connection = forms.ModelChoiceField(
        Connection.objects.select_related("account"), label=gettext_lazy("Account"), empty_label=None
    )
    identifier = forms.CharField(
        label=gettext_lazy("Identifier"),
        max_length=255,
        help_text=gettext_lazy("Letters, digits, - and _ only. Kartra cannot change it later."),
    )
    type = forms.ChoiceField(label=gettext_lazy("Type"), choices=CustomFieldType.choices)
    options = forms.CharField(
        label=gettext_lazy("Options"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=gettext_lazy("For drop-down, one of several and any of several: at least two, one on each line."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        style(self)

    def clean_options(self) -> list[str]:
        """One option on each line, as it was typed."""
        return [line for line in self.cleaned_data["options"].replace("\r\n", "\n").split("\n") if line.strip()]


@admin.register(CustomField)
class CustomFieldAdmin(ReadOnlyAdmin):
    list_display = ["identifier", "type", "choices", "account", "missing_since"]
    list_filter = [("account", RelatedDropdownFilter), "type", ("missing_since", admin.EmptyFieldListFilter)]
    search_fields = ["identifier"]
    list_select_related = ["account"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("integrations.create_customfield"))

    @admin.display(description=gettext_lazy("options"))
    def choices(self, field: CustomField) -> str:
        return ", ".join(str(option[1]) for option in field.options)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Make a field in Kartra, at once."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = only_own_choices(CustomFieldForm(request.POST or None), request.user)
        warned: list[str] = []
        if request.method == "POST" and form.is_valid():
            warned = kinds.warnings({"options": form.cleaned_data["options"]})
        if request.method == "POST" and form.is_valid() and (not warned or request.POST.get("confirmed") == "1"):
            given = form.cleaned_data
            try:
                row = custom_fields.create(
                    given["connection"], given["identifier"], given["type"], given["options"], made_by=request.user
                )
                words = (
                    _("Made in Kartra.")
                    if row
                    else _("Kartra created it, but does not show it yet. Update the catalogue later.")
                )
                self.message_user(request, words, messages.SUCCESS)
                return HttpResponseRedirect(reverse("admin:leads_customfield_changelist"))
            except custom_fields.CannotCreate as problem:
                form.add_error(None, str(problem))
            except KartraError as error:
                form.add_error(None, calls.in_words(error))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Create a custom field in Kartra"),
            "opts": self.opts,
            "form": form,
            "button": _("Create in Kartra"),
            "warned": warned,
            "words": _("Kartra creates it at once. Fields and options cannot be changed or deleted from here."),
        }
        return TemplateResponse(request, "admin/ui/form.html", context)
