// The theme's searched lists put a search field into the page that has no name of its own: it gets that of its list, as soon
// as it is there.
(function () {
  "use strict";
  function name() {
    document.querySelectorAll("select.select2-hidden-accessible").forEach(function (list) {
      const field = list.nextElementSibling && list.nextElementSibling.querySelector(".select2-search__field");
      if (!field || field.hasAttribute("aria-label")) return;
      field.setAttribute("aria-label", list.labels.length ? list.labels[0].textContent.trim() : list.name);
    });
  }
  document.addEventListener("DOMContentLoaded", function () {
    name();
    new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
  });
})();
// Searched lists that a part of the page brings with it, what a menu offers by what is typed, and the first input of a
// condition that was added.
(function () {
  "use strict";
  document.addEventListener("htmx:afterSettle", function (event) {
    const place = event.detail.target;
    const lists = place.querySelectorAll(".unfold-admin-autocomplete");
    if (lists.length) {
      // what listens on the page hears nothing of what jQuery says
      django.jQuery(lists).djangoCustomSelect2().on("select2:select select2:unselect", function () {
        this.dispatchEvent(new Event("change", { bubbles: true }));
      });
    }
    const search = place.closest("details[open]") && place.querySelector("[data-filter-search]");
    if (search) search.focus();
    if (!place.closest("#filters")) return;
    const input = ".values :is(.select2-search__field, input:not([type=hidden]), select:not(.select2-hidden-accessible))";
    const first = place.querySelector("[data-fresh] " + input) || place.querySelector("summary.add");
    if (first) first.focus();
  });
  // Inputs that nothing was typed into are no part of the list's address; while the filter is made they say that a condition is there.
  document.addEventListener("submit", function (event) {
    if (event.target.id !== "filters") return;
    event.target.addEventListener("formdata", function (data) {
      const given = Array.from(data.formData.entries()).filter((each) => each[1] !== "");
      Array.from(data.formData.keys()).forEach((name) => data.formData.delete(name));
      given.forEach((each) => data.formData.append(each[0], each[1]));
    }, { once: true });
  });
  function found(search) {
    return Array.from(search.parentElement.children).filter((each) => each.matches("button, label"));
  }
  document.addEventListener("input", function (event) {
    if (!event.target.matches("[data-filter-search]")) return;
    const words = event.target.value.trim().toLowerCase();
    found(event.target).forEach(function (each) {
      each.hidden = !each.textContent.toLowerCase().includes(words);
    });
  });
  document.addEventListener("keydown", function (event) {
    if (event.key !== "Enter" || !event.target.matches("[data-filter-search]")) return;
    event.preventDefault();
    const first = found(event.target).find((each) => !each.hidden);
    if (first) first.click();
  });
  document.addEventListener("toggle", function (event) {
    const search = event.target.open && event.target.querySelector("[data-filter-search]");
    if (search) search.focus();
  }, true);
})();
