"""Signing in, by username or by email address: whoever was invited knows only the address."""

from typing import Any

from django.contrib.auth import get_user_model
from django.utils.translation import gettext_lazy

from kartra_mirror.ui.unfold_adapter import AuthenticationForm


class SignInForm(AuthenticationForm):
    """An address stands for the one person who has it; a username that looks like one goes first."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = gettext_lazy("Username or email address")

    def clean_username(self) -> str:
        given: str = self.cleaned_data["username"]
        people = get_user_model()._default_manager
        if "@" not in given or people.filter(username=given).exists():
            return given
        named = list(people.filter(email__iexact=given).values_list("username", flat=True)[:2])
        return named[0] if len(named) == 1 else given
