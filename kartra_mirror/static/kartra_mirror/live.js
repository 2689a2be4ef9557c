// Parts of a page that keep themselves true (hx-get, hx-trigger="every …"): they are not drawn again when nothing changed or
// while somebody types in them, and what had the focus or stood open has it again afterwards.
(function () {
  "use strict";
  const drawn = new Map();
  let kept = null;

  function plain(html) {
    return html.replace(/name="csrfmiddlewaretoken" value="[^"]*"/g, "");
  }

  function typing(part) {
    const at = document.activeElement;
    return part.contains(at) && at.matches("input:not([type=hidden], [type=checkbox], [type=radio]), textarea, select");
  }

  document.addEventListener("htmx:beforeSwap", function (event) {
    const part = event.detail.target;
    if (!part.matches("[hx-trigger*=every]") || event.detail.xhr.status !== 200) return;
    const path = event.detail.pathInfo.requestPath;
    const html = plain(event.detail.serverResponse);
    if (typing(part) || drawn.get(path) === html) {
      event.detail.shouldSwap = false;
      return;
    }
    drawn.set(path, html);
    const at = document.activeElement;
    kept = {
      open: Array.from(part.querySelectorAll("details[open][id]"), (each) => each.id),
      focus: part.contains(at) ? ["id", "href", "value"].map((name) => [name, at.getAttribute(name)]).find((pair) => pair[1]) : null,
    };
  });

  document.addEventListener("htmx:afterSwap", function () {
    if (!kept) return;
    for (const id of kept.open) {
      const again = document.getElementById(id);
      if (again) again.open = true;
    }
    if (kept.focus && document.activeElement === document.body) {
      const [name, value] = kept.focus;
      const again = Array.from(document.querySelectorAll("#content :is(a, button, summary)")).find((each) => each.getAttribute(name) === value);
      if (again) again.focus();
    }
    kept = null;
  });
})();
