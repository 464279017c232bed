"use strict";
// Tables sort by a click on a heading, the page is dark or light by a click on its button, and on paper traces are open.
const number = (text) => {
  const found = text.replace(/[≥~$,]/g, "").match(/^(-?[\d.]+)\s*(us|ms|s|m|h|%)?/);
  if (!found) return null;
  const units = { us: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 };
  const rest = text.match(/^\d+[mh] (\d+)([ms])/);
  const first = parseFloat(found[1]) * (units[found[2]] ?? 1);
  return rest ? first + parseFloat(rest[1]) * units[rest[2]] : first;
};
for (const heading of document.querySelectorAll("th")) {
  heading.firstElementChild.addEventListener("click", () => {
    const column = heading.cellIndex;
    const body = heading.closest("table").tBodies[0];
    const down = heading.getAttribute("aria-sort") === "ascending"
      || (!heading.hasAttribute("aria-sort") && heading.classList.contains("right"));
    for (const other of heading.parentElement.children) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...body.rows].map((row) => {
      const text = row.cells[column].textContent;
      return { row, text, value: heading.classList.contains("right") ? number(text) : null };
    });
    const known = (each) => each.value !== null;
    rows.sort((one, other) => {
      if (known(one) !== known(other)) return known(one) ? -1 : 1; // what is unknown stays last
      const order = known(one) ? one.value - other.value : one.text.localeCompare(other.text);
      return down ? -order : order;
    });
    body.append(...rows.map((each) => each.row));
  });
}
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
addEventListener("beforeprint", () => {
  for (const trace of document.querySelectorAll("details")) trace.open = true;
});
