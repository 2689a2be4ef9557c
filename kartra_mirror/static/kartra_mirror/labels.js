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
