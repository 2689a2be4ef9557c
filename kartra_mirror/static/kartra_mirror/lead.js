// The page of one lead: facts edited in place and counted until they are sent, small forms over the page, and parts that
// arrive by themselves and leave alone what somebody types.
(function () {
  "use strict";
  const lead = document.getElementById("lead");
  if (!lead) return;
  const ONCE_IN_MS = 60000;
  const said = document.getElementById("lead-read");
  const bar = document.getElementById("edit");
  const ask = document.getElementById("ask");
  const askBody = document.getElementById("ask-body");
  const drawn = new Map();
  const skipped = new Set();
  const kept = { open: [], editing: [], focus: "" };
  let opener = "";
  let again = 0;

  // --- facts in place

  function own(name) {
    return Array.from(document.getElementsByName(name)).filter((each) => each.getAttribute("form") === "edit");
  }

  function joined(values) {
    return values.filter(Boolean).map((each) => each.replace(/\r\n/g, "\n")).sort().join("\n");
  }

  function typedIn(field) {
    if (field.type === "checkbox" || field.type === "radio") return field.checked ? [field.value] : [];
    return field.multiple ? Array.from(field.selectedOptions, (each) => each.value) : [field.value];
  }

  function seen(name) {
    return own("initial-" + name).map((each) => each.value);
  }

  function changed(name) {
    return joined(own(name).flatMap(typedIn)) !== joined(seen(name));
  }

  function names(within) {
    const fields = (within || document).querySelectorAll('[form="edit"]:not([type="hidden"], button)');
    return Array.from(new Set(Array.from(fields, (each) => each.name)));
  }

  function count() {
    if (!bar) return;
    const number = names().filter(changed).length;
    const words = number === 1 ? bar.dataset.wordsOne : bar.dataset.wordsMany.replace("NUMBER", number);
    const place = document.getElementById("unsent");
    if (place.textContent !== words) place.textContent = words;
    bar.hidden = !number;
  }

  function reset(name) {
    const before = seen(name);
    own(name).forEach(function (field) {
      if (field.type === "checkbox" || field.type === "radio") field.checked = before.includes(field.value);
      else if (field.multiple) Array.from(field.options).forEach((each) => (each.selected = before.includes(each.value)));
      else field.value = before[0] || "";
    });
  }

  function shut(details) {
    if (!details.closest(".editing") && !names(details).some(changed) && !details.querySelector(".error")) details.open = false;
  }

  function editAll(button) {
    const section = button.closest("section");
    const on = section.classList.toggle("editing");
    button.setAttribute("aria-expanded", on);
    section.querySelectorAll("details.edit").forEach(function (each) {
      each.open = on;
      if (!on && names(each).some(changed)) each.open = true;
    });
    if (on) section.querySelector('[form="edit"]:not([type="hidden"])').focus();
  }

  document.addEventListener("input", count);
  document.addEventListener("change", count);
  document.addEventListener("focusout", function (event) {
    const details = event.target.closest && event.target.closest("details.edit[open]");
    if (details && !details.contains(event.relatedTarget)) window.setTimeout(() => details.isConnected && !details.contains(document.activeElement) && shut(details));
  });

  document.addEventListener("click", function (event) {
    const at = event.target.closest("summary, button, a");
    if (!at) return;
    if (at.matches("details.edit > summary")) {
      window.setTimeout(function () {
        const field = at.parentNode.querySelector('[form="edit"]:not([type="hidden"])');
        if (at.parentNode.open && field) field.focus();
      });
    } else if (at.matches("[data-all]")) editAll(at);
    else if (at.id === "discard") {
      names().forEach(reset);
      document.querySelectorAll(".editing").forEach((each) => each.classList.remove("editing"));
      document.querySelectorAll("[data-all]").forEach((each) => each.setAttribute("aria-expanded", "false"));
      document.querySelectorAll("details.edit[open]").forEach(shut);
      count();
      document.querySelector("#contact summary").focus();
    } else if (at.matches("[data-close]")) ask.close();
    if (at.matches('[hx-target="#ask-body"]') && !ask.contains(at)) {
      const menu = at.closest("details[data-menu]");
      opener = menu ? "" : at.id;
      if (menu) menu.open = false;
    }
  });

  document.addEventListener("keydown", function (event) {
    const at = event.target;
    const inside = at.closest && at.closest("details.edit, .adding");
    if (event.key === "Escape" && inside) {
      if (inside.matches("details")) {
        names(inside).forEach(reset);
        count();
        inside.open = false;
        inside.querySelector("summary").focus();
      } else leaveAdding(inside);
    } else if (!event.ctrlKey && !event.metaKey && !event.altKey && !ask.open && !at.matches("input, textarea, select, [contenteditable]")) {
      const button = document.querySelector('[data-key="' + (/^[a-z]$/.test(event.key) ? event.key : "-") + '"]');
      if (button) {
        event.preventDefault();
        button.click();
      }
    }
  });

  // --- small forms

  function leaveAdding(place) {
    const had = place.contains(document.activeElement);
    place.replaceChildren();
    if (had) document.getElementById(place.id.replace("adding", "add")).focus();
  }

  // A name can be typed before its form has come: the letters move over, and Enter is kept.
  const early = { text: "", enter: false, settled: true };

  document.addEventListener("htmx:beforeRequest", function (event) {
    const place = event.detail.target;
    if (!place.matches(".adding") || place.childElementCount) return;
    const field = document.createElement("input");
    field.className = "input";
    field.setAttribute("aria-label", event.detail.elt.textContent.trim());
    field.addEventListener("keydown", function (key) {
      if (key.key === "Enter") early.enter = true;
    });
    early.enter = early.settled = false;
    place.replaceChildren(field);
    field.focus();
  });

  document.addEventListener("htmx:beforeSwap", function (event) {
    const field = event.detail.target.matches(".adding") && event.detail.target.querySelector(":scope > input");
    early.text = field ? field.value : "";
  });

  function moveOver(place) {
    const field = place.querySelector('form input:not([type="hidden"])');
    if (!field) return;
    field.value = early.text || field.value;
    field.focus();
    field.form.addEventListener("submit", hold, { once: true });
  }

  // Enter before htmx knows the form.
  function hold(event) {
    if (early.settled) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    early.enter = true;
  }

  ask.addEventListener("close", function () {
    askBody.replaceChildren();
    const back = document.getElementById(opener) || document.querySelector("#lead-actions > summary");
    if (back) back.focus();
  });

  document.body.addEventListener("lead-changed", function () {
    if (ask.open) ask.close();
    document.querySelectorAll(".adding").forEach(leaveAdding);
  });

  // --- parts that arrive by themselves

  function busy(part) {
    const at = document.activeElement;
    if (part.contains(at) && at.matches("input:not([type=checkbox], [type=radio]), textarea, select")) return true;
    return names(part).some(changed);
  }

  function html(fragment) {
    const box = document.createElement("div");
    box.append(fragment.cloneNode(true));
    return box.innerHTML.replace(/name="csrfmiddlewaretoken" value="[^"]*"/g, "");
  }

  function flat(text) {
    return text.replace(/\s+/g, " ").trim();
  }

  document.addEventListener("htmx:configRequest", function (event) {
    if (event.detail.elt.id !== "lead-mark") return;
    const shown = new URL(window.location.href).searchParams;
    const free = skipped.size && !Array.from(skipped).some((id) => busy(document.getElementById(id)));
    event.detail.parameters.was = free ? "again" + ++again : event.detail.elt.dataset.mark;
    for (const name of ["tab", "rows", "until", "_changelist_filters"]) if (shown.has(name)) event.detail.parameters[name] = shown.get(name);
  });

  document.addEventListener("htmx:oobBeforeSwap", function (event) {
    const part = event.detail.target;
    if (part.id === "spoken") {
      event.detail.shouldSwap = flat(part.textContent) !== flat(event.detail.fragment.textContent);
      return;
    }
    const now = html(event.detail.fragment);
    if (busy(part)) {
      skipped.add(part.id);
      event.detail.shouldSwap = false;
      return;
    }
    skipped.delete(part.id);
    if (drawn.get(part.id) === now) {
      event.detail.shouldSwap = false;
      return;
    }
    drawn.set(part.id, now);
    const at = document.activeElement;
    kept.open.push(...Array.from(part.querySelectorAll("details[open][id]"), (each) => each.id));
    kept.editing.push(...Array.from(part.querySelectorAll(".editing [data-all]"), (each) => each.id));
    if (part.contains(at)) kept.focus = at.id || (at.matches("summary") ? at.parentNode.id : "");
  });

  document.addEventListener("htmx:oobAfterSwap", function () {
    kept.open.splice(0).forEach(function (id) {
      const each = document.getElementById(id);
      if (each) each.open = true;
    });
    kept.editing.splice(0).forEach((id) => document.getElementById(id).closest("section").classList.add("editing"));
    const place = document.getElementById(kept.focus);
    kept.focus = "";
    if (place) (place.matches("details") ? place.querySelector("summary") : place).focus();
  });

  document.addEventListener("htmx:afterSwap", function (event) {
    if (event.detail.target.matches(".adding") && !early.settled) moveOver(event.detail.target);
    if (event.detail.target === askBody && askBody.childElementCount && !ask.open) ask.showModal();
  });

  document.addEventListener("htmx:afterSettle", function (event) {
    const place = event.detail.target;
    if (!place.matches(".adding")) return;
    const form = place.querySelector("form");
    early.settled = true;
    if (early.enter && form) form.requestSubmit();
    early.enter = false;
  });

  // The form did not come: what was typed for it is not sent later.
  for (const failed of ["htmx:responseError", "htmx:sendError"]) {
    document.addEventListener(failed, function (event) {
      if (event.detail.target && event.detail.target.matches(".adding") && !early.settled) leaveAdding(event.detail.target);
    });
  }

  document.addEventListener("htmx:responseError", function (event) {
    if (event.detail.elt.id !== "lead-mark") said.textContent = lead.dataset.wordsFailed;
  });

  // --- reading it from Kartra

  async function read() {
    const form = document.getElementById("read");
    said.textContent = lead.dataset.wordsReading;
    try {
      const answer = await fetch(form.dataset.url, {
        method: "POST",
        headers: { Accept: "application/json", "X-CSRFToken": form.querySelector("[name=csrfmiddlewaretoken]").value },
      });
      if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
      const told = await answer.json();
      said.textContent = told.words;
      window.htmx.trigger(document.body, "lead-changed");
      if (!told.changed || !names().some(changed)) return;
      const link = document.createElement("a");
      link.href = window.location.href;
      link.className = "link";
      link.textContent = lead.dataset.wordsShow;
      said.append(" ", link);
    } catch (error) {
      said.textContent = "";
    }
  }

  const button = document.getElementById("read");
  if (button) {
    button.addEventListener("submit", function (event) {
      event.preventDefault();
      read();
    });
    const key = "km-read-" + lead.dataset.lead;
    if ("reads" in lead.dataset && Date.now() - Number(window.sessionStorage.getItem(key) || 0) >= ONCE_IN_MS) {
      window.sessionStorage.setItem(key, String(Date.now()));
      read();
    }
  }
  count();
})();
