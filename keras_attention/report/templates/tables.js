// On a phone a table is a list of cards, so long tables start closed.
if (innerWidth < 700) document.querySelectorAll("details[open]").forEach(part => part.open = false);
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  const select = table.previousElementSibling.querySelector("select");
  const sort = (column, descending) => {
    const value = row => row.cells[column].dataset.value;
    const rows = [...body.rows].sort((one, other) => {
      const a = value(one), b = value(other);
      if (a === "" || b === "") return (a === "") - (b === "");
      const order = isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b;
      return descending ? -order : order;
    });
    body.append(...rows);
    heads.forEach(head => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", descending ? "descending" : "ascending");
    select.value = column;
  };
  if (!heads.some(head => head.hasAttribute("aria-sort"))) select.selectedIndex = -1;
  heads.forEach((head, column) => head.firstChild.addEventListener("click", () =>
    sort(column, head.getAttribute("aria-sort") === "ascending")));
  select.addEventListener("change", () => sort(Number(select.value), false));
}
