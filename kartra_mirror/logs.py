"""Logs: JSON lines with the ids of request, call and changes, or readable ones on a developer's machine. No secret, address of a webhook
endpoint or personal detail in them."""

import logging.config
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

SECRET_KEYS = frozenset(
    {"api_key", "api_password", "app_id", "password", "secret_key", "token", "email", "ipn_secret", "authorization"}
)
MOST = 10_000
"""Letters of a text that are written; of a longer one the beginning."""

IDS = ("call_id", "change_ids", "code", "connection_id", "elapsed_ms", "lead_id", "outcome", "route", "status")
"""What a line may carry besides its text, by `extra`; whatever else a library hands over is left out."""

_DOOR = re.compile(r"(/webhooks/)[^/\s\"'?]+")
_ENDS = " \t\r\n\"'<>,;"
_PART = rf"[^\s{_ENDS}@]"
_HOST = rf"@{_PART}(?:(?![.]){_PART})*+[.]{_PART}++"
# Begins only where nothing of its kind stands before, and never goes back: each letter is looked at a few times at most.
_EMAIL = re.compile(rf"(?<!{_PART}){_PART}++{_HOST}")
_QUOTED_EMAIL = re.compile(rf'"[^"@\n]{{1,128}}"{_HOST}')


def mask(text: str) -> str:
    """The text without webhook endpoint tokens and email addresses, and no longer than MOST. Takes linear time."""
    told = ""
    if len(text) > MOST:
        told = f"… (cut, {len(text):,} letters)"
        text = _beginning(text)
    if "/webhooks/" in text:
        text = _DOOR.sub(r"\1(token)", text)
    if "@" in text:
        text = _EMAIL.sub("(email)", _QUOTED_EMAIL.sub("(email)", text))
    return text + told


def _beginning(text: str) -> str:
    """The first MOST letters without a word that goes on behind them: half an address is one that no pattern knows."""
    end = MOST
    while end and not (text[end - 1].isspace() or text[end - 1] in _ENDS):
        end -= 1
    quote = text.find('"', max(end - 130, 0), end)  # an address may have blanks in quotes before its @
    return text[: quote if quote >= 0 else end]


def mask_event(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog processor: masks what must never be in a log, by key and by shape."""
    for key, value in list(event.items()):
        if key.lower() in SECRET_KEYS:
            event[key] = "(hidden)"
        elif isinstance(value, str):
            event[key] = mask(value)
    return event


def logging_config(*, readable: bool, level: str) -> None:
    """Set up logging for the process."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(allow=IDS),
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.format_exc_info,
        mask_event,
    ]
    renderer: Any = structlog.dev.ConsoleRenderer(colors=False) if readable else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "line": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": shared,
                    "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["stderr"], "level": level},
            "loggers": {
                "celery": {"level": "WARNING" if readable else level},
                # a line for each call and request: to be searched by a machine
                "integrations.push.send": {"level": "WARNING" if readable else level},
                "kartra_mirror.edge.request_ids": {"level": "WARNING" if readable else level},
                "django.request": {"level": "ERROR"},
                "axes": {"level": "WARNING"},
            },
        }
    )
