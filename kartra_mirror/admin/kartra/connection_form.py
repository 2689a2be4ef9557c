"""The form of a connection: keys that are never shown again, and that are saved only if Kartra said yes to them."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _, gettext_lazy

from integrations import clock
from integrations.models import Connection
from integrations.setup.connecting import Check, validate_api_url
from kartra_mirror.ui.unfold_adapter import style
from leads.models import Account
from leads.models.account import validate_time_zone


class ConnectionForm(forms.ModelForm):
    """Name and keys. Keys are write-only: an empty field keeps what is stored. With `checked`, what Kartra said of these
    keys, the form is valid if that was yes."""

    checked: Check | None = None

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=100,
        help_text=gettext_lazy("Of the Kartra account, for your colleagues."),
    )
    key = forms.CharField(
        label=gettext_lazy("API key"),
        required=False,
        widget=forms.PasswordInput(render_value=False),
        help_text=gettext_lazy("In Kartra: Integrations > API > My API. Empty keeps the one that is stored."),
    )
    password = forms.CharField(
        label=gettext_lazy("API password"),
        required=False,
        widget=forms.PasswordInput(render_value=False),
        help_text=gettext_lazy("Beside the key. Empty keeps the one that is stored."),
    )
    time_zone = forms.CharField(
        label=gettext_lazy("Time zone"),
        required=False,
        validators=[validate_time_zone],
        help_text=gettext_lazy("Of Kartra's dates; empty means America/New_York."),
    )

    class Meta:
        model = Connection
        fields = ["app_id", "api_url", "calls_per_second", "test_mode"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = self.instance.pk is not None
        if known:
            self.initial.update(name=self.instance.account.name, time_zone=self.instance.account.time_zone)
        else:
            self.initial.setdefault("api_url", settings.KARTRA_API_URL)
        if not known or self.instance.secrets_lost:
            for name in ("key", "password"):
                if name in self.fields:
                    self.fields[name].required = True
                    where = _("In Kartra: Integrations > API > My API.")
                    lost = _("What is stored cannot be opened without its encryption key.")
                    self.fields[name].help_text = lost if known else where
        style(self)

    def clean_api_url(self) -> str:
        url: str = self.cleaned_data["api_url"].strip()
        validate_api_url(url)
        return url

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].strip()
        others = Account.objects.filter(name=name)
        if self.instance.pk:
            others = others.exclude(pk=self.instance.account_id)
        if others.filter(connection__isnull=False).exists():
            raise ValidationError(_("There is a connection of this name already."))
        return name

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.instance.pk and {"app_id", "api_url"} & set(self.changed_data):
            for name in ("key", "password"):
                if not cleaned.get(name):
                    self.add_error(
                        name,
                        _(
                            "With another address or app id, enter it again: it goes nowhere that it was not entered for."
                        ),
                    )
        if self.errors or self.checked is None:
            return cleaned
        if not self.checked.ok:
            raise ValidationError(f"{self.checked.text} {_('Nothing was saved.')}".strip())
        self.instance.api_key = cleaned["key"] or self.instance.api_key
        self.instance.api_password = cleaned["password"] or self.instance.api_password
        self.instance.checked_at, self.instance.check_result = clock.now(), self.checked.said
        return cleaned

    def trial(self) -> Connection:
        """The connection as it would be, to be asked about. Of a valid form."""
        given = self.cleaned_data
        return Connection(
            pk=self.instance.pk,
            account=self.instance.account if self.instance.pk else None,
            app_id=given["app_id"],
            api_key=given["key"] or self.instance.api_key,
            api_password=given["password"] or self.instance.api_password,
            api_url=given["api_url"],
            calls_per_second=given["calls_per_second"],
        )
