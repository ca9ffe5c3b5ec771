const { labels, columns, cards: rows } = JSON.parse(document.getElementById("data").textContent);
const cards = rows.map(([picture, name, predicted, probability, truth, figures], order) => ({
  picture, name, predicted, probability, truth, figures, order,
  answer: truth === null ? "" : truth === predicted ? "right" : "wrong",
}));
const CHUNK = 60; // cards made at a time, so that a page of thousands opens quickly
const SIDE = 160; // pixels of a square of a strip: the browser reserves the space of a picture before it loads
const form = document.forms[0], fields = form.elements;
const list = document.querySelector(".cards"), end = document.querySelector(".end");
const dialog = document.querySelector("dialog");
let shown = [], made = 0, current = 0, opened = 0;

// Names of classes and files are only ever inserted as text, never as HTML, because they cannot be trusted.
const element = (tag, className, ...children) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
};
const percent = value => `${(100 * value).toFixed(1)} %`;
const digits = value => value === null ? "–" : String(Number(value.toPrecision(3))).replace("-", "−");

function picture(card, className, alt) {
  const image = element("img", className);
  image.width = SIDE * columns.length;
  image.height = SIDE;
  image.alt = alt;
  image.loading = "lazy";
  image.src = card.picture; // last, or it would load before `loading` is set
  return image;
}
function strip(card) {
  const titles = element("span", "titles", ...columns.map(title => element("span", "", title)));
  titles.ariaHidden = "true";
  return [titles, picture(card, "strip", `${card.name}: ${columns.join(", ")}`)];
}
// In the large view each square is a separate figure, so that on a phone they take several lines.
function squares(card) {
  return columns.map((title, number) => {
    const image = picture(card, "square", `${title} of ${card.name}`);
    image.style.objectPosition = `${columns.length > 1 ? 100 * number / (columns.length - 1) : 0}% 0`;
    return element("figure", "", element("figcaption", "", title), image);
  });
}

const MARKS = { right: "✓ right", wrong: "✗ wrong" };
function makeCard(card, place) {
  const button = element("button", "card", ...strip(card));
  button.type = "button";
  button.tabIndex = place === current ? 0 : -1;
  const answer = element("span", "answer", element("b", "", card.predicted), ` ${percent(card.probability)} `);
  if (card.answer) answer.append(element("span", card.answer, MARKS[card.answer]));
  button.append(answer);
  if (card.answer === "wrong") button.append(element("span", "more", `true class: ${card.truth}`));
  const figures = labels.map((label, number) => [label, card.figures[number]]).filter(([, value]) => value !== null);
  button.append(element("span", "more", [card.name, ...figures.map(([label, value]) => `${label} ${digits(value)}`)].join(" · ")));
  button.addEventListener("click", () => open(place));
  button.addEventListener("focus", () => mark(place));
  return element("li", "", button);
}

function makeUntil(count) {
  const until = Math.min(count, shown.length);
  const batch = [];
  for (; made < until; made++) batch.push(makeCard(shown[made], made));
  list.append(...batch);
}
const watcher = new IntersectionObserver(([entry]) => {
  if (!entry.isIntersecting || made >= shown.length) return;
  makeUntil(made + CHUNK);
  watcher.unobserve(end); // observing again reports whether the end is still near
  watcher.observe(end);
}, { rootMargin: "1200px" });

const button = place => list.children[place]?.firstChild;
function mark(place) {
  const before = button(current);
  if (before) before.tabIndex = -1;
  current = place;
  button(place).tabIndex = 0;
}
function go(place) {
  if (!shown.length) return;
  place = Math.max(0, Math.min(place, shown.length - 1));
  if (place >= made) makeUntil(place + CHUNK);
  button(place).focus({ preventScroll: true });
  button(place).scrollIntoView({ block: "nearest" });
}
function perRow() {
  const top = list.children[0]?.offsetTop;
  const next = [...list.children].findIndex(item => item.offsetTop !== top);
  return Math.max(1, next < 0 ? list.children.length : next);
}

function fill(select, first, options) {
  select.replaceChildren(...[["", first], ...options].map(([value, text]) => new Option(text, value)));
}
function classes(name) {
  const counts = new Map();
  for (const card of cards) if (card[name] !== null) counts.set(card[name], (counts.get(card[name]) ?? 0) + 1);
  const sorted = [...counts].sort(([one], [other]) => one.localeCompare(other, undefined, { numeric: true }));
  return sorted.map(([value, count]) => [value, `${value} (${count})`]);
}
fill(fields.true, "all", classes("truth"));
fill(fields.predicted, "all", classes("predicted"));
fill(fields.sort, "as given", ["confidence", ...labels].flatMap((label, number) => ["low", "high"].map(first =>
  [`${number ? "figure " : ""}${label} ${first}`, `${label}, ${first}est first`])));
if (!cards.some(card => card.truth !== null)) document.querySelectorAll("[data-known]").forEach(part => part.hidden = true);

function sorted(chosen) {
  const index = fields.sort.selectedIndex - 1;
  if (index < 0) return chosen;
  const number = Math.floor(index / 2) - 1, sign = index % 2 ? -1 : 1;
  const value = card => number < 0 ? card.probability : card.figures[number];
  return chosen.sort((one, other) => {
    const a = value(one), b = value(other);
    if (a === null || b === null) return (a === null) - (b === null) || one.order - other.order;
    return sign * (a - b) || one.order - other.order;
  });
}
function tell() {
  const known = shown.filter(card => card.answer), right = known.filter(card => card.answer === "right").length;
  let text = `${shown.length} of ${cards.length} ${cards.length === 1 ? "image" : "images"} shown`;
  if (known.length) text += `, ${right} of ${known.length} right (${percent(right / known.length)})`;
  document.querySelector(".counts").textContent = text;
}
function show() {
  const { true: truth, predicted, answer } = fields;
  shown = sorted(cards.filter(card => (!truth.value || card.truth === truth.value) && (!answer.value || card.answer === answer.value)
    && (!predicted.value || card.predicted === predicted.value)));
  made = current = 0;
  list.replaceChildren();
  makeUntil(CHUNK);
  if (!shown.length) list.append(element("li", "none", cards.length ? "No image matches these filters." : "There are no images."));
  tell();
  watcher.unobserve(end);
  watcher.observe(end);
}

// The address keeps the view: a link shows the same cards in the same order.
const SELECTS = ["true", "predicted", "answer", "sort"];
function keep() {
  const state = new URLSearchParams(SELECTS.filter(name => fields[name].value).map(name => [name, fields[name].value]));
  history.replaceState(null, "", `#${state}`);
}
function restore() {
  const state = new URLSearchParams(location.hash.slice(1));
  for (const name of SELECTS) {
    const wanted = fields[name].closest("[hidden]") ? "" : state.get(name) ?? "";
    fields[name].value = wanted;
    if (fields[name].selectedIndex < 0) fields[name].value = "";
  }
  show();
}
form.addEventListener("change", () => { keep(); show(); });
form.addEventListener("reset", () => setTimeout(() => { keep(); show(); }));
form.addEventListener("submit", event => event.preventDefault());
addEventListener("hashchange", restore);

function describe(card) {
  const rows = [["predicted class", card.predicted], ["probability", percent(card.probability)]];
  if (card.answer) rows.push(["true class", card.truth], ["answer", element("span", card.answer, MARKS[card.answer])]);
  labels.forEach((label, number) => rows.push([label, digits(card.figures[number])]));
  return rows.flatMap(([name, value]) => [element("dt", "", name), element("dd", "", value)]);
}
function open(place) {
  const card = shown[place];
  if (!card) return;
  opened = place;
  document.getElementById("opened").textContent = card.name;
  dialog.querySelector(".place").textContent = `${place + 1} of ${shown.length}`;
  dialog.querySelector(".large").replaceChildren(...squares(card));
  dialog.querySelector("dl").replaceChildren(...describe(card));
  if (!dialog.open) dialog.showModal();
}
// The browser returns the focus to the card that was opened; it should go to the card seen last.
dialog.addEventListener("close", () => go(opened));
dialog.addEventListener("click", event => {
  if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
  const by = event.target.closest("[data-step]")?.dataset.step;
  if (by) open(opened + Number(by));
});

addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (dialog.open) {
    const by = { ArrowRight: 1, j: 1, ArrowLeft: -1, k: -1 }[key];
    if (by) { event.preventDefault(); open(opened + by); }
    return;
  }
  if (key === "/") {
    event.preventDefault();
    SELECTS.map(name => fields[name]).find(select => !select.closest("[hidden]")).focus();
    return;
  }
  if (event.target.closest?.("select")) return; // there the keys choose an option
  const steps = { ArrowRight: 1, j: 1, ArrowLeft: -1, k: -1, ArrowDown: perRow(), ArrowUp: -perRow() };
  if (!(key in steps)) return;
  event.preventDefault();
  go(document.activeElement?.classList.contains("card") ? current + steps[key] : current);
});
restore();
