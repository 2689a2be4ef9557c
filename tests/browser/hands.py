"""Two ways to use a page: with the mouse, and with the keyboard alone. A test that takes `hand` is run with both."""

from typing import Any

from tests.factories import StaffFactory

MOST_TABS = 400


class Mouse:
    """Clicks."""

    name = "mouse"

    def __init__(self, page: Any) -> None:
        self.page = page

    def press(self, selector: str) -> None:
        self.page.locator(selector).first.click()

    def tick(self, selector: str) -> None:
        self.page.locator(selector).first.check()

    def fill(self, selector: str, text: str) -> None:
        self.page.fill(selector, text)

    def choose(self, selector: str, label: str) -> None:
        """The option whose words begin so."""
        labels = self.page.locator(f"{selector} option").all_inner_texts()
        whole = next(each for each in labels if each.strip().startswith(label))
        self.page.select_option(selector, label=whole.strip())

    def upload(self, selector: str, path: Any) -> None:
        """Choose a file. The window for files is the system's own, so it is passed over."""
        self.page.set_input_files(selector, path)


class Keyboard:
    """Goes from field to field with Tab, and never touches the mouse."""

    name = "keyboard"

    def __init__(self, page: Any) -> None:
        self.page = page

    def _go_to(self, selector: str) -> None:
        """Press Tab until the element has the focus; a page on which it cannot be reached fails."""
        wanted = self.page.locator(selector).first
        wanted.wait_for(state="attached")
        for _ in range(MOST_TABS):
            if wanted.evaluate("element => element === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{selector} cannot be reached with the keyboard.")

    def press(self, selector: str) -> None:
        self._go_to(selector)
        self.page.keyboard.press("Enter")

    def tick(self, selector: str) -> None:
        self._go_to(selector)
        self.page.keyboard.press("Space")

    def fill(self, selector: str, text: str) -> None:
        self._go_to(selector)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def choose(self, selector: str, label: str) -> None:
        """The option whose words begin so; of a long list, which is searched, the first that is found."""
        self.page.wait_for_load_state("networkidle")  # lists become searched ones when all is loaded
        searched = f"{selector} + .select2 .select2-selection"
        if not self.page.query_selector(searched):
            self._go_to(selector)
            self.page.keyboard.type(label)
            return
        self._go_to(searched)
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector(".select2-search__field:focus")
        self.page.keyboard.type(label)
        self.page.wait_for_selector(f".select2-results__option--highlighted:text-matches('^{label}')")
        self.page.keyboard.press("Enter")

    def upload(self, selector: str, path: Any) -> None:
        self._go_to(selector)
        self.page.set_input_files(selector, path)


def sign_in(page, live_server, username="mara"):
    StaffFactory(username=username, is_superuser=True, password="a-long-enough-secret")
    page.goto(f"{live_server.url}/admin/")
    page.fill("input[name=username]", username)
    page.fill("input[name=password]", "a-long-enough-secret")
    page.keyboard.press("Enter")
    page.wait_for_selector("#to-do-title")
