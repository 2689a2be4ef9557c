"""Pictures of the admin for docs/screens/, made from the demo: `make screens`. `PICTURES` names them all.

Starts `make run` in a folder of its own on free ports, does what a person would, takes the pictures and ends it again.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.browser.chromium import ARGUMENTS, CHROMIUM

ROOT = Path(__file__).resolve().parents[2]
SCREENS = ROOT / "docs" / "screens"
READY_S = 300
WIDE = {"width": 1280, "height": 860}
SMALL = {"width": 1000, "height": 640}

BOTH, LIGHT = ("light", "dark"), ("light",)
PICTURES = {
    "home-first": BOTH,
    "setup": BOTH,
    "leads": BOTH,
    "lead": BOTH,
    "preview": BOTH,
    "run": BOTH,
    "decision": BOTH,
    "home": BOTH,
    "health": BOTH,
    "filters": LIGHT,
    "segment": LIGHT,
    "timeline": LIGHT,
    "undo": LIGHT,
    "failed": LIGHT,
    "import": LIGHT,
    "changed": LIGHT,
    "stopped": LIGHT,
}
"""All pictures, and in which colours. Those in light alone are of docs/for-marketers.md and smaller."""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Demo:
    """`make run`, from nothing to ready, and its end."""

    def __init__(self, folder: Path) -> None:
        web, sandbox = free_port(), free_port()
        self.url, self.sandbox, self.folder = f"http://127.0.0.1:{web}", f"http://127.0.0.1:{sandbox}", folder
        settings = {
            "VAR_DIR": str(folder),
            "WEB_PORT": str(web),
            "SANDBOX_PORT": str(sandbox),
            "SANDBOX_URL": self.sandbox,
            "PUBLIC_URL": self.url,
            "WEB_WORKERS": "1",
            "VERIFY_SETTLE_S": "2,4,8",
        }
        self.log = folder / "run.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["make", "run"],
                cwd=ROOT,
                env={**os.environ, **settings},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self) -> None:
        ends = time.monotonic() + READY_S
        while "leads of the Kartra sandbox are here" not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > ends:
                sys.exit(f"The demo did not start:\n{self.log.read_text()[-2000:]}")
            time.sleep(1)

    def tell(self, name: str, given: str) -> None:
        """A word with the Kartra sandbox."""
        request = urllib.request.Request(f"{self.sandbox}/__sandbox__/{name}", given.encode())
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).close()

    @property
    def password(self) -> str:
        return (self.folder / "login.txt").read_text().strip()

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)


def picture(page: Any, name: str, at: str | None = None, press: str | None = None) -> None:
    """The page as it stands, in the colours that it is wanted in; `at` is what to have in sight, `press` what to press before."""
    if PICTURES[name] is LIGHT:
        page.set_viewport_size(SMALL)
    for scheme in PICTURES[name]:
        page.emulate_media(color_scheme=scheme)
        page.reload()
        page.wait_for_timeout(500)
        if press:
            page.click(press)
            page.wait_for_timeout(500)
        if at:
            page.locator(at).first.scroll_into_view_if_needed()
        page.screenshot(path=SCREENS / f"{name}-{scheme}.png")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(WIDE)
    if press:
        page.reload()
    print(f"{name}: {' and '.join(PICTURES[name])}", flush=True)


def bulk(page: Any, demo: Demo, leads: str, kind: str, field: str, value: str) -> None:
    """Choose all leads of a list's address and preview a change of them."""
    page.goto(f"{demo.url}{leads}")
    page.check("#action-toggle")
    page.click("text=/Select all [0-9,]+/")
    page.click(f".select-bar button[value={kind}]")
    page.select_option(f"select[name={field}]", value)
    page.click("button[value=preview]")
    page.wait_for_selector("text=What will happen")


def start(page: Any) -> None:
    page.click("button[value=start]")
    page.click("text=Watch it")
    page.wait_for_selector("#run")


def ended(page: Any) -> None:
    page.wait_for_selector("#run .badge:has-text('finished')", timeout=180_000)


def story(page: Any, demo: Demo) -> None:
    """What the pictures show, in an order in which one thing leads to the next."""
    page.goto(f"{demo.url}/admin/")
    picture(page, "home-first")
    page.goto(f"{demo.url}/admin/setup/")
    picture(page, "setup")
    page.goto(f"{demo.url}/admin/")  # from there nothing leads back to the checklist any more
    page.goto(f"{demo.url}/admin/leads/lead/")
    page.goto(f"{demo.url}{filtered(page)}")
    picture(page, "leads")

    demo.tell("faults", '{"fault": "action k fails", "cmd": "assign_tag", "code": "212", "count": 3}')
    demo.tell("faults", '{"fault": "carried out, then dropped", "cmd": "assign_tag", "count": 2}')
    bulk(page, demo, filtered(page), "assign_tag", "tag", "VIP")
    picture(page, "preview", "text=What will happen")
    start(page)
    page.wait_for_timeout(2500)
    picture(page, "run")
    ended(page)
    page.goto(f"{page.url.split('?')[0].removesuffix('change/')}undo/")
    picture(page, "undo")
    page.goto(f"{demo.url}/admin/failed/")
    picture(page, "failed")

    undecided(page, demo)
    known_by_marketers(page, demo)
    page.goto(f"{demo.url}/admin/")
    picture(page, "home")
    page.goto(f"{demo.url}/admin/health/")
    picture(page, "health")
    page.goto(f"{demo.url}/admin/stop/")
    page.click("#content button:has-text('Stop all sending')")
    page.goto(f"{demo.url}/admin/")
    picture(page, "stopped")


def known_by_marketers(page: Any, demo: Demo) -> None:
    """What the daily work needs besides: a filter, a segment, somebody's timeline, a file, what Kartra changed."""
    page.goto(f"{demo.url}{filtered(page)}")
    picture(page, "filters", press="#content .filter-bar .chip.add")
    page.click("a:has-text('Save as segment')")
    page.fill("input[name=name]", "Spring readers")
    page.click("#content button:has-text('Save segment')")
    page.wait_for_url("**/leads/lead/?segment=*")
    page.goto(f"{demo.url}/admin/leads/segment/")
    page.click("#result_list a:has-text('Spring readers')")
    picture(page, "segment")
    demo.tell("act", '{"do": "assign_tag", "lead": "50001", "tag": "needs call"}')
    demo.tell("act", '{"do": "edit_lead", "lead": "50001", "fields": {"city": "Lisbon"}}')
    page.goto(f"{demo.url}/admin/leads/lead/?q=ada.lind0@example.com")
    lead = page.locator("#result_list a[href*='/change/']").first.get_attribute("href").split("?")[0]
    page.goto(f"{demo.url}{lead}")
    page.click("text=Update from Kartra")
    page.wait_for_selector("#lead-read:has-text('Updated from Kartra')")
    page.goto(f"{demo.url}{lead}")
    picture(page, "timeline")
    page.goto(f"{demo.url}/admin/leads/activity/without-us/")
    picture(page, "changed")
    page.goto(f"{demo.url}/admin/leads/import/add/?kind=leads")
    rows = "Lead ID,Email Address,Name\n,new.person@example.com,New\n,not an address,Bad\n50001,ada.lind0@example.com,Ada\n"
    page.set_input_files("input[type=file]", {"name": "leads.csv", "mimeType": "text/csv", "buffer": rows.encode()})
    page.click("#content button:has-text('Upload')")
    page.click("main button:has-text('Preview')")
    page.wait_for_selector("text=What will happen", timeout=60_000)
    picture(page, "import")


def filtered(page: Any) -> str:
    """The address of the leads of a list of some hundred."""
    page.goto(page.url.split("/admin/")[0] + "/admin/leads/mailinglist/?q=Spring")
    return str(page.locator("#result_list a[href*='list=']").first.get_attribute("href"))


def undecided(page: Any, demo: Demo) -> None:
    """A change where nobody can know: points, given while the answer is lost and the score moves by other hands."""
    page.goto(f"{demo.url}/admin/leads/lead/")
    lead = page.locator("#result_list a[href$='/change/']").first.get_attribute("href")
    page.goto(f"{demo.url}{lead}")
    picture(page, "lead")
    number = page.inner_text("#kartra-id")
    demo.tell("faults", '{"fault": "hung, then nothing", "cmd": "give_points_to_lead", "count": 1, "seconds": 1}')
    page.click("#ask-give_points")
    page.fill("#ask input[name=points]", "5")
    page.click("#ask .btn.main")
    page.wait_for_timeout(2500)
    demo.tell("act", f'{{"do": "give_points", "lead": "{number}", "points": 3}}')
    for _ in range(40):
        page.goto(f"{demo.url}/admin/decisions/")
        found = page.locator("#content a[href*='/admin/decisions/']")
        if found.count():
            found.first.click()
            page.wait_for_selector("text=Give it up")
            picture(page, "decision")
            return
        page.wait_for_timeout(3000)
    print("No decision came of it, so there is no picture of one.", flush=True)


def take(happens: Callable[[Any, Demo], None]) -> None:
    if CHROMIUM is None:
        sys.exit("There is no Chromium on this machine (apt-get install chromium).")
    folder = Path(tempfile.mkdtemp(prefix="kartra-mirror-screens-"))
    demo = Demo(folder)
    try:
        demo.wait()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            page = browser.new_context(viewport=WIDE).new_page()
            page.goto(f"{demo.url}/admin/")
            page.fill("input[name=username]", "admin")
            page.fill("input[name=password]", demo.password)
            page.keyboard.press("Enter")
            page.wait_for_selector("#to-do-title")
            happens(page, demo)
            browser.close()
    finally:
        demo.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    take(story)
