
"use strict";

// The table of calls: a search field, columns sorted by their headings, more rows when asked for.
(() => {
  const source = document.getElementById("calls-data");
  const table = document.getElementById("calls-table");
  if (!source || !table) return;

  const { rows, step, words } = JSON.parse(source.textContent);
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const isNumber = heads.map((head) => head.classList.contains("number"));
  // The columns whose texts do not sort as they read, and where their order is kept.
  const orders = new Map([[1, 0], [7, 1], [8, 2]]);
  const lang = document.documentElement.lang;
  const collator = new Intl.Collator(lang, { numeric: true });
  const digits = new Intl.NumberFormat(lang, { useGrouping: "min2" });
  const search = document.getElementById("calls-search");
  const field = document.getElementById("calls-filter");
  const count = document.getElementById("calls-shown");
  const more = document.getElementById("calls-more");
  const texts = rows.map((row) => row.c.join("\n").toLocaleLowerCase(lang));

  let found = rows.map((_, place) => place);
  let sorted = { column: -1, isDown: false };
  let limit = step;

  // A class of responses, `5xx`, stands for all of its codes.
  const fits = (place, word) =>
    /^[1-6]xx$/.test(word) ? rows[place].c[6].startsWith(word[0]) : texts[place].includes(word);

  const key = (place) => {
    const order = orders.get(sorted.column);
    if (order !== undefined) return rows[place].t[order];
    const text = rows[place].c[sorted.column];
    if (text === "") return null;
    return isNumber[sorted.column] ? Number(text) : text;
  };

  // Rows without a value come last, whichever way the others are sorted.
  const compare = (a, b) => {
    const [left, right] = [key(a), key(b)];
    if (left === null || right === null) return (left === null) - (right === null) || a - b;
    const order =
      typeof left === "string" ? collator.compare(left, right) : left - right;
    return (sorted.isDown ? -order : order) || a - b;
  };

  const rowOf = (place) => {
    const { c: cells, l: ladder, s: severity } = rows[place];
    const line = document.createElement("tr");
    if (severity) line.className = severity;
    cells.forEach((text, column) => {
      const cell = line.insertCell();
      if (isNumber[column]) cell.className = "number";
      if (column === 0 && ladder) {
        const link = document.createElement("a");
        link.href = `#${ladder}`;
        link.textContent = text;
        cell.append(link);
      } else {
        cell.textContent = text;
      }
    });
    return line;
  };

  const show = () => {
    const shown = found.slice(0, limit);
    body.replaceChildren(...shown.map(rowOf));
    more.hidden = shown.length >= found.length;
    count.textContent = found.length === 0
      ? words.nothing
      : words.shown
        .replace("{shown}", digits.format(shown.length))
        .replace("{count}", digits.format(found.length));
  };

  const find = () => {
    const wanted = field.value.toLocaleLowerCase(lang).split(/\s+/).filter(Boolean);
    found = rows.map((_, place) => place)
      .filter((place) => wanted.every((word) => fits(place, word)));
    if (sorted.column >= 0) found.sort(compare);
    limit = step;
    show();
  };

  const sortBy = (column) => {
    sorted = { column, isDown: sorted.column === column && !sorted.isDown };
    heads.forEach((head, place) => {
      if (place === column) {
        head.setAttribute("aria-sort", sorted.isDown ? "descending" : "ascending");
      } else {
        head.removeAttribute("aria-sort");
      }
    });
    find();
  };

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sortBy(column));
    head.replaceChildren(button);
  });
  field.addEventListener("input", find);
  more.addEventListener("click", () => {
    limit += step;
    show();
  });
  search.hidden = false;
  show();
})();

// On paper, nothing is folded away.
addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((own) => {
    own.open = true;
  });
});
