"""Secrets at rest: an encrypted text field, and the keyed digest by which a secret can be looked up.

Keys come from FIELD_ENCRYPTION_KEYS (newest first) and DIGEST_KEY. A wrong key raises; it never yields rubbish.
"""

import hashlib
import hmac
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import models


class WrongKey(ImproperlyConfigured):
    """A stored secret cannot be opened with any of FIELD_ENCRYPTION_KEYS."""


def _fernet() -> MultiFernet:
    if not settings.FIELD_ENCRYPTION_KEYS:
        raise ImproperlyConfigured("FIELD_ENCRYPTION_KEYS is empty: secrets can be neither stored nor read.")
    return MultiFernet([Fernet(key) for key in settings.FIELD_ENCRYPTION_KEYS])


def digest(purpose: str, secret: str) -> str:
    """A keyed SHA-256 of the secret, in hex: equal for equal secrets of one purpose, of no use without the key."""
    message = f"{purpose}\0{secret}".encode("utf-8", "surrogatepass")
    return hmac.new(settings.DIGEST_KEY.encode(), message, hashlib.sha256).hexdigest()


class EncryptedTextField(models.TextField):
    """Text that is encrypted in the database. Only `isnull` may be looked up; look up secrets by `digest`."""

    def get_prep_value(self, value: Any) -> Any:
        text = super().get_prep_value(value)
        return text if text in (None, "") else _fernet().encrypt(text.encode()).decode()

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        if value in (None, ""):
            return value
        try:
            return _fernet().decrypt(value.encode()).decode()
        except InvalidToken:
            raise WrongKey(
                f"The stored {self.verbose_name} cannot be opened with any key of FIELD_ENCRYPTION_KEYS. "
                "Put back the key it was stored with."
            ) from None

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name != "isnull":
            raise FieldError(f"{self.name} is encrypted and cannot be looked up by {lookup_name}.")
        return super().get_lookup(lookup_name)
