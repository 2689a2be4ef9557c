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
// Searched lists that a part of the page brings with it, and the conditions of the drawer by what is typed.
(function () {
  "use strict";
  document.addEventListener("htmx:afterSwap", function (event) {
    const lists = event.detail.target.querySelectorAll(".unfold-admin-autocomplete");
    if (lists.length) django.jQuery(lists).djangoCustomSelect2();
  });
  document.addEventListener("input", function (event) {
    if (!event.target.matches("[data-filter-search]")) return;
    const words = event.target.value.trim().toLowerCase();
    document.querySelectorAll(".km-filters > .km-filter").forEach(function (each) {
      each.hidden = !each.querySelector("summary").textContent.toLowerCase().includes(words);
    });
  });
})();
