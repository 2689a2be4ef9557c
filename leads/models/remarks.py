"""A sentence of ours as rows keep it: a code and what fills its places, {"what": "cancelled_by", "person": "kim"}; several in a
list. It becomes words where it is shown, in the reader's language: those of its code.

A place may hold a remark of its own or a list of them, a change ({"kind", "parameters"}), or names of fields (places called
`field` and `fields`). `also` is a remark that follows. A text in place of a remark is somebody else's, and is shown as it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext

from leads.kind import called, get_kind

Remark = Mapping[str, Any]
Remarks = Remark | str | Sequence[Remark | str]
NONE: Remark = {}


Vocabulary = TypeVar("Vocabulary", bound=Iterable[Any])

CODES: dict[str, Any] = {}
"""Every code that is known: members of TextChoices, or of what plain Python has in their place, with `label` for words."""


def vocabulary(codes: Vocabulary) -> Vocabulary:
    """Make the codes of an enumeration known. No other may have the same ones."""
    for code in codes:
        if code.value in CODES:
            raise ValueError(f"There is a code {code.value} already.")
        CODES[code.value] = code
    return codes


def remark(code: Any, /, **places: Any) -> dict[str, Any]:
    return {"what": str(code.value), **places}


def sentence_of(remarks: Remarks) -> str:
    """The sentence, or several after commas. A code that is not known, or lacks what its words need, is shown as it is stored."""
    if isinstance(remarks, str):
        return remarks
    if not isinstance(remarks, Mapping):
        return ", ".join(map(sentence_of, remarks))
    code = remarks.get("what", "")
    words = words_of_code(code)
    places = {name: _shown(name, value) for name, value in remarks.items() if name not in ("what", "also")}
    try:
        said = words % places if code in CODES and "%(" in words else words
    except (KeyError, TypeError, ValueError):
        said = code
    if said == code and places:
        said = f"{code} {places}"
    return f"{said} {sentence_of(remarks['also'])}" if remarks.get("also") else said


def words_of_code(code: str) -> str:
    """The words of a code, their places open; of one that is not known the code itself."""
    if code not in CODES:
        return code
    label = CODES[code].label
    return str(label) if isinstance(label, Promise) else gettext(label)


def _shown(name: str, value: Any) -> str:
    if name == "field":
        return called(value)
    if name == "fields":
        return ", ".join(each.removeprefix("custom.") if each.startswith("custom.") else called(each) for each in value)
    if isinstance(value, list | tuple):
        return ", ".join(_shown("", each) for each in value)
    if isinstance(value, Mapping) and "kind" in value:
        return get_kind(value["kind"]).sentence(value["parameters"])
    return sentence_of(value) if isinstance(value, Mapping) else str(value)


class RemarkField(models.JSONField):
    """A remark, {} for none; or a list of them. Only codes that are known are written."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"default": dict, "blank": True, **options})

    def deconstruct(self) -> Any:
        """As Django's own: no database knows the difference."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs

    def get_prep_value(self, value: Any) -> Any:
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Mapping) and each and each.get("what") not in CODES:
                raise ValueError(f"There is no code {each.get('what')!r}.")
        return super().get_prep_value(value)


class Worded(models.Model):
    """A row with a remark of ours and Kartra's own message."""

    remark: Any
    message: Any

    class Meta:
        abstract = True

    @property
    def words(self) -> str:
        """What we say of it; where we say nothing, what Kartra said."""
        return sentence_of(self.remark) or str(self.message)
