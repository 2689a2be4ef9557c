"""What Kartra answers, read leniently: the text decides, never the header; the result may stand in three places.

Source: kartra's articles on the envelope, and what running integrations see.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from integrations.kartra.commands import Action
from integrations.kartra.errors import CODES, Next, OutcomeUnknown, Throttled, next_step, refusal
from integrations.kartra.values import NotJson, decoded, json_of, text
from integrations.kartra.words import Trouble


@dataclass(frozen=True)
class ActionOutcome:
    """What Kartra said of one action. `missing`: its answer does not mention it, so nothing is known."""

    cmd: str
    state: Literal["done", "refused", "missing"]
    code: str = ""
    message: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ChainReply:
    """Kartra ran the call: one outcome for each action that was sent, in that order."""

    outcomes: tuple[ActionOutcome, ...]
    top: Mapping[str, Any]
    text: str = ""


@dataclass(frozen=True)
class WholeCallRefused:
    """Kartra refused the call with one flat error. `blamed` is the index of the action its code speaks of, if it is
    clear which. What the other actions did is not known."""

    code: str
    message: str
    blamed: int | None
    text: str = ""


_TURNED_AWAY = re.compile(r"too\s+many\s+requests|^\s*429\s*$", re.IGNORECASE)
OLDER_NAMES = {
    "get_transactions_from_lead": "retrieve_transactions_from_lead",
    "get_subscriptions_from_lead": "retrieve_subscriptions_from_lead",
}
"""What commands were called before, and still may be in answers."""


def body_of(answer: str) -> dict[str, Any]:
    """The JSON object of an answer. Raises OutcomeUnknown if it is none, Throttled if it says in words that it was turned
    away at the door."""
    if not answer.strip():
        raise OutcomeUnknown("", Trouble.EMPTY_ANSWER)
    try:
        body = json_of(answer)
    except NotJson as problem:
        if _TURNED_AWAY.search(answer[:2000]):
            raise Throttled("429") from problem
        trouble = Trouble.NO_JSON
        if "<" in answer[:200]:
            trouble = Trouble.WEB_PAGE
        raise OutcomeUnknown("", trouble) from problem
    if not isinstance(body, dict):
        raise OutcomeUnknown("", Trouble.OTHER_JSON)
    return body


def _state(value: Any) -> str:
    return text(value).strip().lower()


def is_error(body: Mapping[str, Any]) -> bool:
    return _state(body.get("status")) == "error"


def code_of(body: Mapping[str, Any]) -> str:
    return text(body.get("type")).strip()[:16]


def message_of(body: Mapping[str, Any]) -> str:
    message = decoded(body.get("message"))
    return text(message)[:500]


def parse_chain(answer: str, actions: Sequence[Action]) -> ChainReply | WholeCallRefused:
    """What became of each action of a call that was sent.

    Raises OutcomeUnknown for an answer that cannot be read, CredentialsRefused for refused keys or app.
    """
    body = body_of(answer)
    entries = _entries(body)
    if is_error(body) and not entries:
        code = code_of(body)
        if next_step(code) in (Next.STOP_CONNECTION, Next.STOP_APP, Next.WAIT):
            raise refusal(code, message_of(body))
        return WholeCallRefused(code, message_of(body), _blamed(code, actions), answer)
    inner = _placed(entries, body, actions)
    flat = "actions" not in body and _state(body.get("status")) == "success"
    if flat and len(actions) == 1 and inner[0] is None:
        inner = [body]
    outcomes = tuple(_outcome(action, found) for action, found in zip(actions, inner, strict=True))
    if not any(outcome.state != "missing" for outcome in outcomes) and "status" not in body:
        raise OutcomeUnknown("", Trouble.NO_RESULT)
    return ChainReply(outcomes, body, answer)


def _entries(body: Mapping[str, Any]) -> list[tuple[int, str, Any]]:
    """Every result in `actions`: (index, cmd, inner), whether it came as a list or as an object with index keys."""
    raw = decoded(body.get("actions"))
    pairs: list[tuple[int, Any]] = []
    if isinstance(raw, list):
        pairs = list(enumerate(raw))
    elif isinstance(raw, dict):
        for position, (key, entry) in enumerate(raw.items()):
            if str(key).isdigit():
                pairs.append((int(key), entry))
            elif isinstance(entry, dict):
                pairs.append((position, {key: entry}))
    found = []
    for index, entry in pairs:
        if isinstance(entry, dict):
            found += [
                (index, OLDER_NAMES.get(str(cmd), str(cmd)), decoded(inner))
                for cmd, inner in entry.items()
                if isinstance(decoded(inner), dict)
            ]
    return found


def _placed(
    entries: list[tuple[int, str, Any]], body: Mapping[str, Any], actions: Sequence[Action]
) -> list[Mapping[str, Any] | None]:
    """The result of each action. By index where index and cmd agree on every entry; else by the order of each cmd,
    and where entries of a cmd that came more than once are missing, none of that cmd is guessed."""
    body = {OLDER_NAMES.get(key, key): value for key, value in body.items()}
    placed: list[Mapping[str, Any] | None] = [None] * len(actions)
    by_index = all(index < len(actions) and actions[index].cmd == cmd for index, cmd, _ in entries)
    told_apart = len(entries) == len(actions) or len({action.cmd for action in actions}) == len(actions)
    if entries and by_index and told_apart:
        for index, _, inner in entries:
            placed[index] = inner
        return placed
    for cmd in dict.fromkeys(action.cmd for action in actions):
        wanted = [index for index, action in enumerate(actions) if action.cmd == cmd]
        given = [inner for _, name, inner in entries if name == cmd]
        if not given and isinstance(decoded(body.get(cmd)), dict):
            given = [decoded(body.get(cmd))]
        if len(given) == len(wanted):
            for index, inner in zip(wanted, given, strict=True):
                placed[index] = inner
    return placed


def _outcome(action: Action, inner: Mapping[str, Any] | None) -> ActionOutcome:
    if inner is None:
        return ActionOutcome(action.cmd, "missing")
    state = _state(inner.get("status"))
    details = {key: value for key, value in inner.items() if key not in ("status", "message", "type")}
    if state == "error":
        return ActionOutcome(action.cmd, "refused", code_of(inner), message_of(inner), details)
    if state == "success" or (not state and details):
        return ActionOutcome(action.cmd, "done", code_of(inner), message_of(inner), details)
    return ActionOutcome(action.cmd, "missing", code_of(inner), message_of(inner), details)


def _blamed(code: str, actions: Sequence[Action]) -> int | None:
    """Which action a flat error speaks of: the only one whose command the code belongs to."""
    known = CODES.get(code)
    if known is None or known.commands in ("*", "+"):
        return 0 if len(actions) == 1 else None
    hits = [index for index, action in enumerate(actions) if action.cmd in known.commands.split()]
    return hits[0] if len(hits) == 1 else None
