"""A real browser on the live server. Skipped, saying so, where there is none. Nothing but this machine is let through."""

import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connections
from playwright.sync_api import Error

from integrations import push
from integrations.models import Connection
from tests.browser.chromium import ARGUMENTS, CHROMIUM


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip(
            "There is no Chromium on this machine (apt-get install chromium), so no page is looked at in a browser."
        )
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(autouse=True)
def _patient(settings: Any) -> None:
    """Browser, server and Kartra sandbox share a busy machine: an answer may take its time here."""
    settings.KARTRA_READ_TIMEOUT_S, settings.KARTRA_DEADLINE_S = 20.0, 30.0


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that fails the test on a script error, on a breach of the policy, and on a request to elsewhere."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    made = context.new_page()
    made.set_default_timeout(60_000)  # milliseconds; a machine that is busy with other tests takes its time
    complaints: list[str] = []

    def route(each: Any) -> None:
        if urlsplit(each.request.url).hostname in ("127.0.0.1", "localhost"):
            each.continue_()
        else:
            complaints.append(f"asked for {each.request.url}")
            each.abort()

    go = made.goto

    def goto(url: str, **how: Any) -> Any:
        """Go there, again where the page that is left was just loading itself anew: the browser drops one of the two."""
        for _ in range(3):
            try:
                return go(url, **how)
            except Error as error:
                if "net::ERR_ABORTED" not in str(error):
                    raise
        return go(url, **how)

    made.goto = goto
    made.route("**/*", route)
    made.on("pageerror", lambda error: complaints.append(f"script error: {error}"))
    made.on(
        "console",
        lambda message: complaints.append(message.text) if "Content Security Policy" in message.text else None,
    )
    yield made
    context.close()
    assert complaints == []


@pytest.fixture
def pusher(connection: Connection) -> Iterator[threading.Thread]:
    """A pusher in the background, as the worker is."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            push.drain(Connection.objects.get(pk=connection.pk), until_s=0.5, stop=stop.is_set)
            stop.wait(0.1)
        connections.close_all()

    thread = threading.Thread(target=work)
    yield thread
    stop.set()
    if thread.is_alive():
        thread.join(20)
