"""The dead man's switch: an address of somebody who is alarmed when it is called no more (HEARTBEAT_URL)."""

import datetime as dt
import logging

import requests
from django.conf import settings

logger = logging.getLogger(__name__)

APART = dt.timedelta(seconds=50)
"""The sweep comes every 15 s: so it is called once a minute."""


def call() -> bool:
    """Call it; whether it answered well. Nothing is repeated: a minute later it is called again. The address is a secret."""
    if not settings.HEARTBEAT_URL:
        return False
    try:
        answer = requests.get(settings.HEARTBEAT_URL, timeout=(3, 5), allow_redirects=False, stream=True)
        with answer:
            if answer.status_code < 300:
                return True
            logger.warning("HEARTBEAT_URL answered %s.", answer.status_code)
    except (requests.RequestException, ValueError) as error:
        logger.warning("HEARTBEAT_URL could not be called (%s).", type(error).__name__)
    return False
