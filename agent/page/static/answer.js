// The hub's answer as elements: texts, tables, pictures, and whom it answers.

import { TONES, icon, make, stateIcon, text } from "./elements.js";
import { choices, known } from "./known.js";
import { count, word } from "./words.js";

const NUMBER = /^[-+−]?\d[\d.,\s]*(\s?[%€$£°]|\s?\p{L}{1,4})?$/u; // with a unit, it may be
const BRIEF = 10; // characters of a cell that is not broken

export function answerParts() {
  const answer = known.state.answer;
  const to = known.state.inputs.find((input) => input.id === answer.to);
  const items = answer.items.filter((item) => item.kind !== "choices");
  const length = items.filter((item) => item.kind === "text").reduce((sum, item) => sum + item.text.length, 0);
  const others = items.some((item) => item.kind !== "text");
  const box = make("div", "answer");
  box.lang = answer.language || document.documentElement.lang;
  if (to) {
    const line = make("p", "to", make("span", "chip", icon(stateIcon(to.state)), text("span", "", word(to.state))), text("span", "title", to.title));
    line.lang = document.documentElement.lang;
    line.dataset.tone = TONES[to.state];
    box.append(line);
    if (to.reason && to.state !== "done") box.append(text("p", "reason", to.reason));
  }
  const size = lengthClass(length, (others ? 1 : 0) + (choices().length > 4 ? 1 : 0));
  for (const item of items) box.append(itemPart(item, size));
  return [box];
}

function itemPart(item, size) {
  if (item.kind === "text") return text("p", `words ${size}`, item.text);
  if (item.kind === "table") return tablePart(item);
  if (item.kind === "image") return imagePart(item);
  return make("p", "file", icon("file"), text("span", "", word("file", { title: item.title })));
}

function tablePart(item) {
  const columns = item.rows[0]?.length ?? item.head.length;
  const classes = Array.from({ length: columns }, (_, column) => {
    const cells = item.rows.map((row) => row[column]).filter(Boolean);
    if (cells.length && cells.every((cell) => NUMBER.test(cell))) return "number";
    return cells.every((cell) => cell.length <= BRIEF) ? "brief" : "";
  });
  const table = make("table");
  table.append(text("caption", "unseen", word("table")));
  if (item.head.length) {
    const row = make("tr");
    item.head.forEach((cell, column) => {
      const head = text(cell ? "th" : "td", classes[column], cell);
      if (cell) head.scope = "col";
      row.append(head);
    });
    table.append(make("thead", "", row));
  }
  const body = make("tbody");
  for (const cells of item.rows) {
    const row = make("tr");
    cells.forEach((cell, column) => row.append(text("td", classes[column], cell)));
    body.append(row);
  }
  table.append(body);
  const box = make("div", columns > 5 ? "table wide" : "table", table);
  if (item.left_out) box.append(text("p", "left-out", word("more rows", { count: count(item.left_out) })));
  return box;
}

function imagePart(item) {
  const figure = make("figure");
  if (item.state === "ready") {
    const image = make("img");
    image.src = item.source;
    image.alt = item.title || word("image");
    image.width = item.width;
    image.height = item.height;
    image.addEventListener("error", () => image.replaceWith(missing("image missing")));
    figure.append(image);
  } else {
    figure.append(missing(item.state === "loading" ? "image loading" : "image missing"));
  }
  if (item.title) figure.append(text("figcaption", "", item.title));
  return figure;
}

function missing(key) {
  return make("p", "missing", icon("image"), text("span", "", word(key)));
}

function lengthClass(length, weight) {
  const step = (length > 420 ? 3 : length > 170 ? 2 : length > 60 ? 1 : 0) + weight;
  return ["huge", "large", "medium", "small"][Math.min(step, 3)];
}
