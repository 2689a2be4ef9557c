// The menu at the side on a small screen, menus that close, and the keys that lead to the search box.
(function () {
  "use strict";

  function typing(target) {
    return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
  }

  document.addEventListener("click", function (event) {
    document.querySelectorAll("details[data-menu][open]").forEach(function (menu) {
      if (!menu.contains(event.target)) menu.open = false;
    });
    const button = event.target.closest("[data-side]");
    const side = document.querySelector(".side");
    if (button) document.body.classList.toggle("side-open");
    else if (side && !side.contains(event.target)) document.body.classList.remove("side-open");
  });

  document.addEventListener("keydown", function (event) {
    const find = document.getElementById("find");
    if (event.key === "Escape") {
      const open = document.querySelector("details[data-menu][open]");
      if (open) {
        open.open = false;
        open.querySelector("summary").focus();
      }
      document.body.classList.remove("side-open");
    } else if (find && (event.key === "/" ? !typing(event.target) && !event.ctrlKey && !event.metaKey : event.key === "k" && (event.ctrlKey || event.metaKey))) {
      event.preventDefault();
      find.focus();
      find.select();
    }
  });
})();
