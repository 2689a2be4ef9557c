"""Addresses for Kartra to post to: shown to those who may, retired when no longer wanted."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from integrations.freshness import events_of
from integrations.models import Door
from kartra_mirror.admin.unfold_adapter import ModelAdmin, style

WHEN = {
    "buy_product": "somebody buys", "refund_product": "a sale is refunded", "partial_refund_product": "a part is refunded",
    "cancel_subscription": "a recurring payment is cancelled", "list_subscription": "a lead joins a list",
    "list_unsubscription": "a lead leaves a list", "assign_tag": "a lead is given a tag", "unassign_tag": "a tag is taken off",
    "sequence_subscription": "a lead enters a sequence", "sequence_unsubscription": "a lead is taken out of a sequence",
    "sequence_completion": "a lead completes a sequence", "membership_granted": "access is given",
    "membership_revoked": "access is taken away", "filled_form": "a form is filled in", "reaches_score": "a score is reached",
    "calendar_subscribe": "a booking is made", "calendar_cancel": "a booking is cancelled",
    "calendar_complete": "a booking is over", "survey_complete": "a survey is completed",
    "kartra_page_visit": "a Kartra page is visited", "click_page_split_test_link": "a split-test link is clicked",
    "video_play": "a video is started", "video_complete": "a video is watched to its end",
    "affiliate_signup": "an affiliate signs up", "jv_signup": "a JV partner signs up",
    "ipn": "a payment is processed (all payment messages together)",
}  # fmt: skip
"""The 24 events (a refund, whole or in part, is one with two names) and the payment messages."""


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
    change_form_template = "admin/integrations/door/form.html"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """The address with the three steps to set it up in Kartra, and when each event last came."""
        door = self.get_object(request, object_id)
        user: Any = request.user
        extra: dict[str, Any] = {"may_see": user.has_perm("integrations.see_webhook_addresses")}
        if door is not None:
            extra["events"] = [
                (name, WHEN.get(name, "not documented by Kartra"), last) for name, last in events_of(door.pk).items()
            ]
        return super().change_view(request, object_id, form_url, {**extra, **(extra_context or {})})

    def get_fields(self, request: HttpRequest, obj: Door | None = None) -> list[str]:
        return ["connection", "name", "secret"]

    def get_readonly_fields(self, request: HttpRequest, obj: Door | None = None) -> list[str]:
        return ["connection"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="last message")
    def last_message(self, door: Door) -> Any:
        last = door.deliveries.order_by("-pk").values_list("received_at", flat=True).first()
        return last or "none yet"

    @admin.action(description="Retire: messages to these addresses are turned away", permissions=["change"])
    def retire(self, request: HttpRequest, queryset: Any) -> None:
        number = queryset.filter(retired_at=None).update(retired_at=timezone.now())
        self.message_user(request, f"{number} retired.")
