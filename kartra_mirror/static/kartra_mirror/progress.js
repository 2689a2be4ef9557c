// Keeps the page of a bulk action true: asks every second, rarely when the tab is hidden, not at all once it has ended.
(function () {
  "use strict";
  const page = document.getElementById("run");
  if (!page || page.dataset.ended === "1") return;
  const number = new Intl.NumberFormat("en-US");

  function show(name, value) {
    const place = page.querySelector('[data-field="' + name + '"]');
    if (!place) return;
    place.textContent = value;
    if (name === "why_not") place.hidden = !value;
  }

  function showResults(results) {
    const list = document.getElementById("run-results");
    if (!list || !results.length) return;
    list.replaceChildren(
      ...results.map(function (each) {
        const line = document.createElement("li");
        const link = document.createElement("a");
        const badge = document.createElement("span");
        link.href = each.url;
        link.textContent = each.lead;
        badge.className = "km-badge km-" + each.status;
        badge.textContent = each.words;
        line.append(link, " ", badge);
        return line;
      })
    );
  }

  async function ask() {
    let again = document.hidden ? 15000 : 1000;
    try {
      const answer = await fetch(page.dataset.progressUrl, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const progress = await answer.json();
      document.getElementById("run-bar").value = progress.percent;
      for (const name of ["state_words", "amount", "pace", "why_not"]) show(name, progress[name]);
      for (const each of progress.counts) {
        const place = page.querySelector('[data-count="' + each.status + '"]');
        if (place) place.textContent = number.format(each.number);
        const file = page.querySelector('[data-file="' + each.status + '"]');
        if (file) file.hidden = !each.number;
      }
      for (const part of progress.bar) {
        const place = page.querySelector('[data-bar="' + part.status + '"]');
        if (!place) continue;
        place.setAttribute("x", part.at);
        place.setAttribute("width", part.width);
      }
      showResults(progress.results);
      if (progress.has_ended) {
        window.location.reload();
        return;
      }
    } catch (error) {
      again = 5000;
    }
    window.setTimeout(ask, again);
  }

  window.setTimeout(ask, 1000);
})();
