"use strict";

/* Tables: a click on a heading sorts by it, another turns the order around. */
for (const heading of document.querySelectorAll("table.sorts th")) {
  heading.querySelector("button").addEventListener("click", () => {
    const body = heading.closest("table").tBodies[0];
    const column = heading.cellIndex;
    const order = heading.ariaSort === "ascending" ? "descending" : "ascending";
    for (const other of heading.parentElement.cells) other.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const rows = [...body.rows];
    const compare = (a, b) => {
      const [one, two] = [a.cells[column], b.cells[column]];
      const blank = (cell) => cell.textContent === "" || cell.textContent === "-";
      const empty = blank(one) - blank(two);
      if (empty || blank(one)) return empty; /* empty cells stay last */
      if (one.dataset.sort !== undefined) return sign * (one.dataset.sort - two.dataset.sort);
      return sign * one.textContent.localeCompare(two.textContent, "en", { numeric: true });
    };
    body.append(...rows.sort(compare));
  });
}

/* Print shows what is closed on the screen only where it is of use: pictures, not configurations. */
const opened = [];
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("#pictures details:not([open])")) {
    part.open = true;
    opened.push(part);
  }
});
addEventListener("afterprint", () => {
  for (const part of opened.splice(0)) part.open = false;
});
