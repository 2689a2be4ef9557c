"""Processes of the product beside a test: the address of its database, and waiting for them."""

import time

from django.db import connection as database


def database_url() -> str:
    settings = database.settings_dict
    if database.vendor == "sqlite":
        return f"sqlite:///{settings['NAME']}"
    return f"postgres://{settings['USER']}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"


def wait_until(true, seconds=20.0):
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("It did not come to pass in time.")
