"""Secrets at rest: a text field that is encrypted in the database.

Keys come from FIELD_ENCRYPTION_KEYS, newest first. Each stored text says with which key it was made; one whose key is not there
is a `LostSecret`, which no page and no worker stumbles over.
"""

from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import models

from leads.models.digests import key_name


class LostSecret(str):
    """A stored secret that cannot be opened with any key we have: empty to the reader, and saved as it was stored."""

    stored: str

    def __new__(cls, stored: str) -> "LostSecret":
        lost = super().__new__(cls, "")
        lost.stored = stored
        return lost


def key_of(stored: str) -> str:
    """The name of the key a stored text was made with."""
    return stored.partition(":")[0]


def seal(text: str) -> str:
    """The text as it is stored. With the newest key."""
    if not any(settings.FIELD_ENCRYPTION_KEYS):
        raise ImproperlyConfigured("FIELD_ENCRYPTION_KEYS is empty: secrets can be neither stored nor read.")
    key = settings.FIELD_ENCRYPTION_KEYS[0]
    return f"{key_name(key)}:{Fernet(key).encrypt(text.encode()).decode()}"


def unseal(stored: str) -> str:
    """The text that is stored so, or a LostSecret."""
    name, _colon, token = stored.partition(":")
    key = next((key for key in settings.FIELD_ENCRYPTION_KEYS if key_name(key) == name), None)
    try:
        return LostSecret(stored) if key is None else Fernet(key).decrypt(token.encode()).decode()
    except (InvalidToken, ValueError):
        return LostSecret(stored)


class EncryptedTextField(models.TextField):
    """Text that is encrypted in the database. Only `isnull` may be looked up; look up secrets by a digest."""

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, LostSecret):
            return value.stored
        text = super().get_prep_value(value)
        return text if text in (None, "") else seal(text)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return value if value in (None, "") else unseal(value)

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name != "isnull":
            raise FieldError(f"{self.name} is encrypted and cannot be looked up by {lookup_name}.")
        return super().get_lookup(lookup_name)
