// The theme's searched lists put a search field into the page that has no name of its own: it gets that of its list.
(function () {
  "use strict";
  window.addEventListener("load", function () {
    document.querySelectorAll("select.select2-hidden-accessible").forEach(function (list) {
      const field = list.nextElementSibling && list.nextElementSibling.querySelector(".select2-search__field");
      const name = list.labels.length ? list.labels[0].textContent.trim() : list.name;
      if (field) field.setAttribute("aria-label", name);
    });
  });
})();
