"""Calls made by hand. A call that only reads is made as it is written; one that writes becomes the changes it stands for, with
their permissions, bounds, records and proofs; one that is none of ours goes as it is written, with a permission of its own.

May import `push` and everything below it.
"""

from integrations.console.calls import Answer, call, words_of
from integrations.console.form import CannotCall

__all__ = ["Answer", "CannotCall", "call", "words_of"]
