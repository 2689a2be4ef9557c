// Keeps parts of a page true: <div data-poll="address" data-every="seconds"> is asked for again and again. It rests while the
// tab is hidden, asks at once when it is looked at again, and waits longer when the server does not answer.
(function () {
  "use strict";
  const WAIT_AFTER_FAILURE_S = 20;

  function start(part) {
    const every = Number(part.dataset.every) * 1000;
    let shown = null;
    let timer = 0;

    function put(html) {
      if (html === shown) return;
      const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") || document.activeElement.id : "";
      const open = Array.from(part.querySelectorAll("details[open][id]"), (each) => each.id);
      if (shown !== null || part.innerHTML.trim() !== html.trim()) part.innerHTML = html;
      shown = html;
      for (const id of open) {
        const again = document.getElementById(id);
        if (again) again.open = true;
      }
      if (focused) {
        const again = Array.from(part.querySelectorAll("a, button, input, summary")).find((each) => each.getAttribute("href") === focused || each.id === focused);
        if (again) again.focus();
      }
    }

    async function ask() {
      window.clearTimeout(timer);
      if (document.hidden) return;
      let wait = every;
      try {
        const answer = await fetch(part.dataset.poll, { headers: { Accept: "text/html" } });
        if (answer.redirected || !answer.ok) throw new Error(String(answer.status));
        put(await answer.text());
      } catch (error) {
        wait = Math.max(every, WAIT_AFTER_FAILURE_S * 1000);
      }
      timer = window.setTimeout(ask, wait);
    }

    document.addEventListener("visibilitychange", function () {
      if (!document.hidden) ask();
    });
    timer = window.setTimeout(ask, every);
  }

  document.querySelectorAll("[data-poll]").forEach(start);
})();
