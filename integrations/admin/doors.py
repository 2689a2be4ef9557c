"""Addresses for Kartra to post to: shown to those who may, retired when no longer wanted."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from integrations.models import Door
from kartra_mirror.admin.unfold_adapter import ModelAdmin, style


class DoorForm(forms.ModelForm):
    """Name and IPN secret; a secret that is stored is never shown, and an empty field keeps it."""

    secret = forms.CharField(
        label="Secret key of the IPN", required=False, strip=True, widget=forms.PasswordInput(render_value=False),
        help_text="The secret you typed into Kartra's IPN. Empty keeps the one that is stored.",
    )  # fmt: skip

    class Meta:
        model = Door
        fields = ["connection", "name"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        style(self)

    def save(self, commit: bool = True) -> Door:
        if self.cleaned_data.get("secret"):
            self.instance.ipn_secret = self.cleaned_data["secret"]
        door: Door = super().save(commit)
        return door


@admin.register(Door)
class DoorAdmin(ModelAdmin):
    form = DoorForm
    list_display = ["name", "connection", "created_at", "last_message", "retired_at"]
    list_select_related = ["connection__account"]
    actions = ["retire"]

    def get_fields(self, request: HttpRequest, obj: Door | None = None) -> list[str]:
        shown = ["connection", "name", "secret"]
        user: Any = request.user
        if obj is not None and user.has_perm("integrations.see_webhook_addresses"):
            shown += ["outbound_address", "ipn_address"]
        return shown

    def get_readonly_fields(self, request: HttpRequest, obj: Door | None = None) -> list[str]:
        return ["outbound_address", "ipn_address", *(["connection"] if obj else [])]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="address of the outbound API")
    def outbound_address(self, door: Door) -> str:
        return door.outbound_url

    @admin.display(description="address of the IPN")
    def ipn_address(self, door: Door) -> str:
        return door.ipn_url

    @admin.display(description="last message")
    def last_message(self, door: Door) -> Any:
        last = door.deliveries.order_by("-pk").values_list("received_at", flat=True).first()
        return last or "none yet"

    @admin.action(description="Retire: messages to these addresses are turned away", permissions=["change"])
    def retire(self, request: HttpRequest, queryset: Any) -> None:
        number = queryset.filter(retired_at=None).update(retired_at=timezone.now())
        self.message_user(request, f"{number} retired.")
