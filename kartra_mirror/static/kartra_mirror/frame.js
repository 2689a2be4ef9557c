// The menu at the side on a small screen, menus that close, and the keys that lead to the search box.
(function () {
  "use strict";

  function typing(target) {
    return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
  }

  // So that times are told in the reader's zone, unless the profile names another.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) document.cookie = "time_zone=" + encodeURIComponent(zone) + ";path=/admin/;max-age=31536000;samesite=lax" + (window.location.protocol === "https:" ? ";secure" : "");

  // The theme hides a page until its scripts are there, so the browser focuses nothing by itself.
  document.addEventListener("alpine:initialized", function () {
    const first = document.querySelector("#content [autofocus]");
    if (first && document.activeElement === document.body) window.requestAnimationFrame(() => first.focus());
  });

  document.addEventListener("click", function (event) {
    document.querySelectorAll("details[data-menu][open]").forEach(function (menu) {
      if (!menu.contains(event.target)) menu.open = false;
    });
    const found = document.getElementById("found");
    if (found && !found.closest("form").contains(event.target)) found.remove();
    const button = event.target.closest("[data-side]");
    const side = document.querySelector(".side");
    if (button) document.body.classList.toggle("side-open");
    else if (side && !side.contains(event.target)) document.body.classList.remove("side-open");
  });

  function among(event, find) {
    const links = Array.from(document.querySelectorAll("#found a"));
    if (!links.length || !find.form.contains(event.target)) return;
    const at = links.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
    event.preventDefault();
    (links[at] || find).focus();
  }

  document.addEventListener("keydown", function (event) {
    const find = document.getElementById("find");
    if (find && (event.key === "ArrowDown" || event.key === "ArrowUp")) among(event, find);
    if (find && event.key === "Enter" && event.target === find) {
      const first = document.querySelector("#found a[href*='/lead/']:not([href*='?'])");
      if (first && document.querySelectorAll("#found li a[href$='/change/']").length === 1) {
        event.preventDefault();
        window.location.assign(first.href);
      }
    }
    if (event.key === "Escape") {
      const open = document.querySelector("details[data-menu][open]");
      if (open) {
        open.open = false;
        open.querySelector("summary").focus();
      }
      document.body.classList.remove("side-open");
      const found = document.getElementById("found");
      if (found) {
        found.remove();
        find.focus();
      }
    } else if (find && (event.key === "/" ? !typing(event.target) && !event.ctrlKey && !event.metaKey : event.key === "k" && (event.ctrlKey || event.metaKey))) {
      event.preventDefault();
      find.focus();
      find.select();
    }
  });
})();
