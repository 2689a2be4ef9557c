// The page of one lead: keeps the open tab in the address, has an old copy read from Kartra, and follows what was just asked
// for until it is settled. The page is drawn anew by itself only while nobody has typed anything into its forms.
(function () {
  "use strict";
  const lead = document.getElementById("lead");
  if (!lead) return;
  const said = document.getElementById("lead-read");
  const ONCE_IN_MS = 60000;
  const readKey = "km-read-" + lead.dataset.lead;
  const saidKey = "km-said-" + lead.dataset.lead;

  document.querySelectorAll(".km-tab").forEach(function (tab) {
    tab.addEventListener("change", function () {
      const address = new URL(window.location.href);
      address.searchParams.set("tab", tab.value);
      window.history.replaceState(null, "", address);
    });
  });

  function typed() {
    return Array.from(document.querySelectorAll("form input:not([type=hidden]), form textarea, form select")).some(function (field) {
      if (field.classList.contains("km-tab")) return false;
      if (field.tagName === "SELECT") {
        const options = Array.from(field.options);
        if (field.multiple) return options.some((each) => each.selected !== each.defaultSelected);
        return field.selectedIndex !== Math.max(0, options.findIndex((each) => each.defaultSelected));
      }
      if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
      return field.value !== field.defaultValue;
    });
  }

  function say(words, anew) {
    said.replaceChildren(words);
    if (!anew) return;
    const link = document.createElement("a");
    link.href = window.location.href;
    link.textContent = lead.dataset.wordsShow;
    said.append(" ", link);
  }

  function drawAnew(words) {
    if (typed()) {
      say(words, true);
      return;
    }
    window.sessionStorage.setItem(saidKey, words);
    window.location.reload();
  }

  async function readOld() {
    if (!lead.dataset.readUrl) return;
    if (Date.now() - Number(window.sessionStorage.getItem(readKey) || 0) < ONCE_IN_MS) return;
    window.sessionStorage.setItem(readKey, String(Date.now()));
    say(lead.dataset.wordsReading, false);
    try {
      const answer = await fetch(lead.dataset.readUrl, {
        method: "POST",
        headers: { Accept: "application/json", "X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]").value },
      });
      if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
      const told = await answer.json();
      if (told.level === "success") document.getElementById("lead-as-of").hidden = true;
      if (told.changed) drawAnew(told.words);
      else say(told.words, false);
    } catch (error) {
      say("", false);
    }
  }

  async function follow(place, wait) {
    if (!place.querySelector("[data-going]")) return;
    window.setTimeout(async function () {
      if (document.hidden) return follow(place, wait);
      try {
        const answer = await fetch(place.dataset.url, { headers: { Accept: "text/html" } });
        if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
        const html = await answer.text();
        if (html !== place.innerHTML) place.innerHTML = html;
        if (!place.querySelector("[data-going]")) {
          if (!typed()) window.location.reload();
          return;
        }
        follow(place, Math.min(wait * 1.3, 10000));
      } catch (error) {
        follow(place, 10000);
      }
    }, wait);
  }

  const before = window.sessionStorage.getItem(saidKey);
  if (before) {
    window.sessionStorage.removeItem(saidKey);
    say(before, false);
  }
  readOld();
  follow(document.getElementById("spoken"), 1000);
})();
