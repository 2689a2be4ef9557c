// Keeps the page of an import true: asks every second, rarely when the tab is hidden, not at all once nothing is under way.
(function () {
  "use strict";
  const page = document.getElementById("import");
  if (!page || page.dataset.going !== "1") return;
  const number = new Intl.NumberFormat("en-US");

  async function ask() {
    let again = document.hidden ? 15000 : 1000;
    try {
      const answer = await fetch(page.dataset.progressUrl, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const progress = await answer.json();
      if (!progress.is_going) {
        window.location.reload();
        return;
      }
      document.getElementById("import-bar").value = progress.percent;
      for (const name of ["rows", "rejected"]) page.querySelector('[data-field="' + name + '"]').textContent = number.format(progress[name]);
    } catch (error) {
      again = 5000;
    }
    window.setTimeout(ask, again);
  }

  window.setTimeout(ask, 700);
})();
