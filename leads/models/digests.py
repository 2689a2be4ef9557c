"""Keyed digests: what rows keep of a text that is to be known again and must not be held.

A digest cannot be made anew without its text. So each says which key it was made with, look-ups ask for those of all keys of
DIGEST_KEYS, new rows take the first, and a row whose text comes by again moves to it.
"""

import hashlib
import hmac

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

KEY_NAME = 8
"""Letters of a key's name, with which each digest begins."""

LENGTH = KEY_NAME + 1 + 64


def key_name(key: str) -> str:
    """What a key is called in rows and in sentences; it says nothing about the key."""
    return hashlib.sha256(key.encode()).hexdigest()[:KEY_NAME]


def digests(purpose: str, text: str) -> list[str]:
    """The digests of a text, one for each key, newest first: equal for equal texts of one purpose, of no use without the key."""
    if not any(settings.DIGEST_KEYS):
        raise ImproperlyConfigured(
            "DIGEST_KEYS is empty: no address and nobody who asked to be forgotten is known again."
        )
    message = f"{purpose}\0{text}".encode("utf-8", "surrogatepass")
    return [
        f"{key_name(key)}:{hmac.new(key.encode(), message, hashlib.sha256).hexdigest()}" for key in settings.DIGEST_KEYS
    ]


def newest(purpose: str, text: str) -> str:
    """The digest that a new row takes."""
    return digests(purpose, text)[0]
