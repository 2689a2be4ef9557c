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
    force=_("Send it also to those who have it already, so that Kartra's automations fire again"),
)
NOT_HAD = Already(
    label=_("Do not have it"),
    so=ngettext_lazy("%(number)s does not have it", "%(number)s do not have it", "n"),
    again=ngettext_lazy(
        "%(number)s does not have it and it is sent all the same",
        "%(number)s do not have it and it is sent all the same",
        "n",
    ),
    force=_("Send it also for those who do not have it, so that Kartra's automations fire again"),
)
NOT_ON_IT = Already(
    label=_("Are not on it"),
    so=ngettext_lazy("%(number)s is not on it", "%(number)s are not on it", "n"),
    again=ngettext_lazy(
        "%(number)s is not on it and it is sent all the same",
        "%(number)s are not on it and it is sent all the same",
        "n",
    ),
    force=_("Send it also for those who are not on it, so that Kartra's automations fire again"),
)
NOT_IN_IT = Already(
    label=_("Are not in it"),
    so=ngettext_lazy("%(number)s is not in it", "%(number)s are not in it", "n"),
    again=ngettext_lazy(
        "%(number)s is not in it and it is sent all the same",
        "%(number)s are not in it and it is sent all the same",
        "n",
    ),
    force=_("Send it also for those who are not in it, so that Kartra's automations fire again"),
)
FIELDS = Already(
    label=_("Are so already"),
    so=ngettext_lazy("%(number)s is so already", "%(number)s are so already", "n"),
    again=ngettext_lazy(
        "%(number)s is so already and it is sent all the same",
        "%(number)s are so already and it is sent all the same",
        "n",
    ),
    force=_("Send also what is so already, so that Kartra's automations fire again"),
)
PARTS = Already(
    label=_("Leads with a part of it so already"),
    so=ngettext_lazy("for %(number)s all of it is so already", "for %(number)s all of it is so already", "n"),
    again=ngettext_lazy(
        "for %(number)s a part of it is so already and is sent again",
        "for %(number)s a part of it is so already and is sent again",
        "n",
    ),
    force=_("Send also what is so already, so that Kartra's automations fire again"),
)
