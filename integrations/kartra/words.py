"""Texts for people, marked for translators. This room is plain Python: whoever shows a text translates it
(`integrations.sending.error_messages`)."""


def gettext_noop(text: str) -> str:
    """The text as it is. Tools that collect texts for translators know this name."""
    return text


def filled(words: str, told: dict[str, object]) -> str:
    """The text with what belongs into its places, "%(host)s". Without anything to fill in it may hold per cent signs."""
    return words % told if told else words
