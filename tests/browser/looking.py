"""Looking at a page as somebody who sees badly, has a small screen or no mouse."""

from pathlib import Path

from playwright.sync_api import expect

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text()
OF_THE_THEME = {}
"""What axe-core finds in the theme's own markup, as (rule, selector of the element or of what it stands in): the reason."""
_RUN = """async (theme) => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  const theirs = (rule, node) => theme.some(([id, selector]) => id === rule && document.querySelector(node.target[0])?.closest(selector));
  return found.violations.map((each) => [each.id, each.nodes.filter((node) => !theirs(each.id, node))])
    .filter(([, nodes]) => nodes.length)
    .map(([id, nodes]) => id + ": " + nodes.map((node) => node.html.slice(0, 200)).join(" and "));
}"""


def findings(page):
    """What axe-core finds, of any grade, as ["rule: elements", …], but for the theme's. Evaluated past the page's own policy."""
    page.evaluate(AXE)
    return page.evaluate(_RUN, [list(each) for each in OF_THE_THEME])


def shows(page, selector, words):
    """The words come to be read in this part of the page, however they are broken into lines. Before the page is painted its
    text is that of the file."""
    expect(page.locator(selector).first).to_contain_text(words, use_inner_text=True)


def reads(page, selector, words):
    """This part of the page comes to say these words and no others."""
    expect(page.locator(selector).first).to_have_text(words, use_inner_text=True)


def paint(page, scheme):
    """Show the page in light or dark colours, and wait until fonts are there and no colour fades into another."""
    page.emulate_media(color_scheme=scheme)
    for _ in range(2):  # the theme's own key; a page follows the machine's colours only when it is loaded
        if page.evaluate("document.documentElement.classList.contains('dark')") != (scheme == "dark"):
            page.keyboard.press("Control+e")
    page.wait_for_function("dark => document.documentElement.classList.contains('dark') === dark", arg=scheme == "dark")
    page.evaluate("document.fonts.ready.then(() => true)")
    page.wait_for_function("document.getAnimations().every((each) => each.playState !== 'running')")


def wider_by(page):
    """How many pixels the page is wider than the screen."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def focused(page):
    """The label, text, name or address of what has the focus."""
    return page.evaluate(
        "(() => { const e = document.activeElement; return e === document.body ? '' : (e.ariaLabel || "
        "e.innerText || e.name || e.getAttribute('href') || '').trim(); })()"
    )


def tab_to(page, words, most=150):
    """Press Tab until something with these words has the focus, as one without a mouse does."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if words in focused(page):
            outlined = page.evaluate(
                "[document.activeElement, document.activeElement.parentElement].some((e) => { const s = "
                "getComputedStyle(e); return s.outlineStyle !== 'none' || s.boxShadow !== 'none'; })"
            )
            assert outlined, f"{words} has the focus, but does not show it"
            return
    raise AssertionError(f"Tab does not come to {words}")
