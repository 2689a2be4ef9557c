"""What the pages are painted with: sizes, weights and accents, computed by the browser itself on every main page."""

from pathlib import Path

import pytest

from leads.models import Import
from tests.browser.hands import sign_in
from tests.browser.looking import paint
from tests.browser.test_looks import busy, previewed  # noqa: F401

pytestmark = pytest.mark.django_db(transaction=True)

SMALLEST_PX = 12
WEIGHTS = {"400", "600"}
MOST_ACCENTS = 2
MOST_BYTES = 60_000
OURS = Path(__file__).resolve().parents[2] / "kartra_mirror" / "static" / "kartra_mirror"

PAINTED = """() => {
  const seen = { small: [], weights: {}, accents: {} };
  const name = (e) => e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + "." + (e.getAttribute("class") || "") + " " + (e.textContent || "").trim().slice(0, 30);
  const violet = (text) => {
    const rgb = text.match(/^rgba?\\((\\d+), (\\d+), (\\d+)(?:, ([\\d.]+))?\\)$/);
    if (!rgb || rgb[4] === "0") return false;
    const [r, g, b] = rgb.slice(1, 4).map((each) => each / 255), most = Math.max(r, g, b), least = Math.min(r, g, b);
    if (most - least < 0.03 || most !== b) return false;
    const hue = 60 * (4 + (r - g) / (most - least));
    return hue > 245 && hue < 300 && (most - least > 0.06 || most > 0.9);
  };
  for (const e of document.querySelectorAll("body *")) {
    if (!e.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const box = e.getBoundingClientRect(), style = getComputedStyle(e);
    if (box.width <= 1 || box.height <= 1) continue;  // for those who are read to
    const words = Array.from(e.childNodes).some((each) => each.nodeType === 3 && each.data.trim());
    if (words || e.matches("input:not([type=hidden], [type=checkbox], [type=radio]), select, textarea")) {
      const scale = e.ownerSVGElement ? e.getScreenCTM().a : 1;
      if (parseFloat(style.fontSize) * scale < SMALLEST) seen.small.push(name(e) + " " + parseFloat(style.fontSize) * scale);
      seen.weights[style.fontWeight] ||= name(e);
    }
    const colours = [style.color, style.backgroundColor, style.fill];
    for (const side of ["Top", "Right", "Bottom", "Left"]) if (parseFloat(style["border" + side + "Width"])) colours.push(style["border" + side + "Color"]);
    for (const each of colours) if (violet(each)) seen.accents[each] ||= name(e);
  }
  return seen;
}""".replace("SMALLEST", f"{SMALLEST_PX} - 0.01")


@pytest.fixture
def pages(page, live_server, busy, connection):  # noqa: F811
    """Addresses of the main pages by name, for who is signed in."""
    sign_in(page, live_server)
    nothing = dict.fromkeys(("size", "data_start", "data_line", "position", "line"), 0)
    job = Import.objects.create(
        account=connection.account, kind="leads", file_name="leads.csv", state="checked", headers=["Email"], **nothing
    )
    main = ("home", "leads", "lead", "run", "decision", "connection", "health")
    return {
        **{name: busy[name] for name in main},
        "preview": previewed(connection),
        "import": job.get_absolute_url(),
    }


def broken(page, live_server, pages, schemes):
    found = []
    for name, path in pages.items():
        page.goto(f"{live_server.url}{path}")
        for scheme in schemes:
            paint(page, scheme)
            seen = page.evaluate(PAINTED)
            found += [f"{name} ({scheme}): smaller than {SMALLEST_PX} px: {each}" for each in seen["small"]]
            found += [
                f"{name} ({scheme}): weight {weight}: {where}"
                for weight, where in seen["weights"].items()
                if weight not in WEIGHTS
            ]
            if not 1 <= len(seen["accents"]) <= MOST_ACCENTS:  # one marks the page in the menu
                found.append(f"{name} ({scheme}): accents {seen['accents']}")
    return found


def test_styles_and_scripts_of_ours_are_small():
    sizes = {path.name: path.stat().st_size for path in OURS.iterdir()}

    assert {path.rsplit(".")[-1] for path in sizes} == {"css", "js", "svg"}
    assert sum(size for name, size in sizes.items() if not name.endswith(".svg")) < MOST_BYTES, sizes


def test_wide_pages_have_no_small_text_two_weights_and_two_accents(page, live_server, pages):
    assert broken(page, live_server, pages, ("light", "dark")) == []


def test_pages_on_a_phone_have_no_small_text_two_weights_and_two_accents(page, live_server, pages):
    page.set_viewport_size({"width": 390, "height": 844})
    assert broken(page, live_server, pages, ("light",)) == []
