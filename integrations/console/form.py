"""The fields of a call as Kartra's PHP reads them. A key that PHP reads otherwise than it looks is refused, so that what is judged
here is what is done there."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from leads.models.remarks import sentence_of
from leads.models.row_remark import lookalike
from leads.texts import clean_email

CREDENTIALS = frozenset({"app_id", "api_key", "api_password"})
MOST_FIELDS = 500
"""PHP reads the first 1,000 fields of a form and drops the rest without a word."""

_PART = r"0|[1-9][0-9]{0,2}|[a-z_][a-z0-9_]{0,99}"
_KEY = re.compile(rf"([a-z_][a-z0-9_]{{0,99}})((?:\[(?:{_PART})\]){{0,8}})", re.ASCII)
_COMMAND = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)

Pair = tuple[str, str]


class CannotCall(ValueError):
    """The call is not one that may be made. The text says why."""


@dataclass(frozen=True)
class Form:
    """A call: its fields as they are sent, and what PHP makes of them. `others`: names at the top that are not Kartra's."""

    pairs: tuple[Pair, ...]
    actions: tuple[Mapping[str, Any], ...]
    lead: Mapping[str, str | Any]
    get_lead: Mapping[str, str | Any] | None
    others: frozenset[str]

    @property
    def commands(self) -> list[str]:
        return [action["cmd"] for action in self.actions] or (["get_lead"] if self.get_lead is not None else [])


def read_form(pairs: Sequence[Pair]) -> Form:
    """The fields as one call. Raises CannotCall for what cannot be read one way alone."""
    if len(pairs) > MOST_FIELDS:
        raise CannotCall(_("A call takes up to %(most)s fields.") % {"most": MOST_FIELDS})
    sent: list[Pair] = []
    tree: dict[str, Any] = {}
    for key, value in pairs:
        path = _path(key)
        if path[-1] in ("email", "new_email"):
            value = _address(value)
        _put(tree, path, key, value)
        sent.append((path[0] + "".join(f"[{part}]" for part in path[1:]), value))
    actions = tree.pop("actions", {})
    lead = tree.pop("lead", {})
    get_lead = tree.pop("get_lead", None)
    if not all(isinstance(each, dict) for each in (actions, lead, {} if get_lead is None else get_lead)):
        raise CannotCall(_("actions, lead and get_lead take names in brackets, as in lead[email]."))
    if list(actions) != [str(number) for number in range(len(actions))]:
        raise CannotCall(_("Number the actions from 0 on, in their order: actions[0], actions[1] and so on."))
    if actions and get_lead is not None:
        raise CannotCall(_("A call has either actions or get_lead. Make two calls."))
    return Form(tuple(sent), tuple(map(_action, actions.values())), lead, get_lead, frozenset(tree))


def _path(key: str) -> list[str]:
    """The parts of a key. `actions[]` stands for the one action of a call."""
    if not key.strip():
        raise CannotCall(_("Each field needs a name, as in actions[0][cmd]=retrieve_account_pages."))
    if re.split(r"[\[ .]", key.strip())[0].lower() in CREDENTIALS:
        raise CannotCall(_("The credentials are added by themselves; leave app_id, api_key and api_password out."))
    if key.startswith("actions[]"):
        key = key.replace("actions[]", "actions[0]", 1)
    found = _KEY.fullmatch(key)
    if found is None:
        words = _(
            "Kartra may read %(key)r otherwise than it looks. Write keys in small letters without spaces, as in "
            "actions[0][cmd] and lead[email]."
        )
        raise CannotCall(words % {"key": key[:80]})
    return [found[1], *(found[2][1:-1].split("][") if found[2] else [])]


def _put(tree: dict[str, Any], path: Sequence[str], key: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise CannotCall(_("%(key)s holds characters that are no text.") % {"key": key}) from None
    twice = CannotCall(_("%(key)s is given twice; Kartra would take one of the two.") % {"key": key})
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            raise twice
    if path[-1] in tree:
        raise twice
    tree[path[-1]] = value


def _action(action: Any) -> Mapping[str, Any]:
    command = action.get("cmd") if isinstance(action, dict) else None
    if not isinstance(command, str):
        raise CannotCall(_("Each action needs a command, as in actions[0][cmd]=retrieve_account_pages."))
    if not _COMMAND.fullmatch(command):
        words = _("%(command)r is no command of Kartra's. They are written in small letters, without spaces.")
        raise CannotCall(words % {"command": command[:80]})
    return action


def _address(text: str) -> str:
    if words := sentence_of(lookalike(text)):
        raise CannotCall(words)
    return clean_email(text)


def named_lead(form: Form) -> tuple[str, str]:
    """The id and the address by which the call names a lead, "" where it does not. Raises CannotCall for what is none."""
    number, email = form.lead.get("id", ""), form.lead.get("email", "")
    if not isinstance(number, str) or not isinstance(email, str) or (number and not _NUMBER.fullmatch(number)):
        raise CannotCall(_("lead[id] is the lead's number in Kartra, lead[email] its address."))
    return number, email.strip()
