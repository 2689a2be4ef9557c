"""How it is said that a bulk action has nothing to do on some leads: who is to be given a tag has it already, who is to lose
it does not have it, and of several parts some may be so."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _, ngettext_lazy


@dataclass(frozen=True)
class Already:
    """`label` stands before their number; `so` and `again` (sent all the same) are phrases with it, plural by `n`; `force`
    is the tick that sends it to them all the same."""

    label: Any
    so: Any
    again: Any
    force: Any


GIVEN = Already(
    label=_("Have it already"),
    so=ngettext_lazy("%(number)s has it already", "%(number)s have it already", "n"),
    again=ngettext_lazy(
        "%(number)s has it already and gets it again", "%(number)s have it already and get it again", "n"
    ),
    force=_("Also send to leads that already have it (runs Kartra's automations again)"),
)
NOT_HAD = Already(
    label=_("Do not have it"),
    so=ngettext_lazy("%(number)s does not have it", "%(number)s do not have it", "n"),
    again=ngettext_lazy(
        "%(number)s does not have it and it is sent anyway",
        "%(number)s do not have it and it is sent anyway",
        "n",
    ),
    force=_("Also send for leads that do not have it (runs Kartra's automations again)"),
)
NOT_ON_IT = Already(
    label=_("Are not on it"),
    so=ngettext_lazy("%(number)s is not on it", "%(number)s are not on it", "n"),
    again=ngettext_lazy(
        "%(number)s is not on it and it is sent anyway",
        "%(number)s are not on it and it is sent anyway",
        "n",
    ),
    force=_("Also send for leads that are not on it (runs Kartra's automations again)"),
)
NOT_IN_IT = Already(
    label=_("Are not in it"),
    so=ngettext_lazy("%(number)s is not in it", "%(number)s are not in it", "n"),
    again=ngettext_lazy(
        "%(number)s is not in it and it is sent anyway",
        "%(number)s are not in it and it is sent anyway",
        "n",
    ),
    force=_("Also send for leads that are not in it (runs Kartra's automations again)"),
)
FIELDS = Already(
    label=_("Have these values already"),
    so=ngettext_lazy("%(number)s has these values already", "%(number)s have these values already", "n"),
    again=ngettext_lazy(
        "%(number)s has these values already and gets them again",
        "%(number)s have these values already and get them again",
        "n",
    ),
    force=_("Also send values that leads already have (runs Kartra's automations again)"),
)
PARTS = Already(
    label=_("Need only a part of it"),
    so=ngettext_lazy("%(number)s needs no change", "%(number)s needs no change", "n"),
    again=ngettext_lazy(
        "%(number)s gets again a part that it has already",
        "%(number)s gets again a part that it has already",
        "n",
    ),
    force=_("Also send values that leads already have (runs Kartra's automations again)"),
)
