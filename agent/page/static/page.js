// The kiosk page: draws the state the device sends, and sends back what a finger touches.
//
// What comes from the hub is text and stays text: it reaches the document through textContent alone, and the content security
// policy has the browser refuse the other ways. Each part is drawn anew only when its own data changed, so that a button is not
// replaced under the finger that is on it.
"use strict";

const $ = (id) => document.getElementById(id);
const root = document.documentElement;

const TONES = {
  kept: "wait", sent: "info", done: "good", unanswered: "dull", refused: "bad", expired: "wait", unknown: "wait",
  "not saved": "bad", again: "wait",
};
const ICONS = { unknown: "unanswered", "not saved": "alert" };
const REPEAT_MS = 700; // between two tries to send one tap
const TAP_MS = 8000; // how long one try may take
const PING_MS = 5000; // how often this page says that it is there
const FRESH_MS = 8000; // how long an accepted choice stays pressed when nothing follows from it

const NUMBER = /^[-+−]?\d[\d.,\s]*(\s?[%€$£°]|\s?\p{L}{1,4})?$/u; // with a unit, it may be
const BRIEF = 10; // characters of a cell that is not broken
const LONG = 15; // characters of a title that keeps its ends and loses its middle

let hello = null; // what the server says once: words, token, name
let state = null; // the newest state
let arrived = 0; // when that came
let language = 0; // which of hello.languages is read
let silent = false; // whether nothing comes from the device
let heard = performance.now();
let touched = performance.now(); // when somebody last did something here
let source = null;
const drawn = new Map(); // what each part was drawn from

// -- making elements

function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

function icon(name, className = "icon") {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", className);
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

function text(tag, className, content, dir = "auto") {
  const element = make(tag, className);
  element.textContent = content;
  element.dir = dir;
  return element;
}

/** Draw a part when what it depends on is another than last time. */
function part(name, data, draw) {
  const key = JSON.stringify(data);
  if (drawn.get(name) === key) return;
  drawn.set(name, key);
  draw();
}

const words = () => hello.languages[language].words;
const word = (key, values = {}) => words()[key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
const formats = new Map(); // making one takes longer than drawing with it
function format(name, options) {
  const tag = hello.languages[language].tag;
  const key = `${name} ${tag}`;
  if (!formats.has(key)) formats.set(key, new Intl[name](tag, options));
  return formats.get(key);
}
const count = (number) => format("NumberFormat", {}).format(number);
const stateIcon = (name) => ICONS[name] ?? name;

function lengthClass(length, weight) {
  const step = (length > 420 ? 3 : length > 170 ? 2 : length > 60 ? 1 : 0) + weight;
  return ["huge", "large", "medium", "small"][Math.min(step, 3)];
}

// -- the parts

let planned = 0;

/** Draw with the next frame, however much arrives until then. A screen that is switched off has no frames. */
function plan() {
  if (planned) return;
  const go = () => { clearTimeout(planned); planned = 0; draw(); };
  planned = setTimeout(go, 250);
  requestAnimationFrame(() => { if (planned) go(); });
}

function draw() {
  if (!hello || !state) return;
  const current = state.inputs.find((input) => input.id === state.current) ?? null;
  const view = silent ? "silent" : state.answer ? "answer" : current ? "progress" : "idle";
  root.lang = hello.languages[language].tag;
  root.dataset.view = view;
  part("house", [hello.name, hello.logo], drawHouse);
  part("languages", [language, hello.languages.map((each) => each.tag)], drawLanguages);
  part("link", [language, silent, state.link], drawLink);
  part("hero", [language, view, state.answer, current && { ...current, age: 0 }, state.link.state], () => drawHero(view, current));
  part("dock", [language, silent, state.answer && [state.answer.number, choices()]], drawDock);
  part("side", [language, state.inputs.map((input) => ({ ...input, age: 0 }))], drawSide);
  part("trouble", [language, silent, state.link, state.troubles], drawTrouble);
  part("type", [language, silent, view === "idle" && !state.inputs.length, hello.code_entry], drawType);
  drawAges();
  drawClock();
  markOverflow();
}

function drawHouse() {
  document.title = hello.name || "Kiosk";
  if (!hello.logo) {
    $("house").replaceChildren(text("span", hello.name ? "" : "unseen", hello.name || "Kiosk"));
    return;
  }
  const logo = make("img");
  logo.src = "/logo";
  logo.alt = hello.name || "Kiosk";
  $("house").replaceChildren(logo);
}

function drawLanguages() {
  $("languages").setAttribute("aria-label", word("languages"));
  $("languages").hidden = hello.languages.length < 2;
  $("languages").replaceChildren(...hello.languages.map((each, index) => {
    const button = text("button", "", hello.languages.length > 3 ? each.tag.slice(0, 2).toUpperCase() : each.words.language);
    button.type = "button";
    button.lang = each.tag;
    button.setAttribute("aria-pressed", String(index === language));
    button.addEventListener("click", () => { language = index; plan(); });
    return button;
  }));
}

function drawLink() {
  const { state: link, waiting } = state.link;
  const shown = silent ? "down" : link;
  $("link").dataset.link = shown;
  $("link").replaceChildren(
    make("span", "dot"),
    text("span", "link-word", word(`link ${shown}`)),
    waiting && !silent ? text("span", "count", waiting === 1 ? word("waiting one") : word("waiting", { count: count(waiting) })) : "",
  );
}

function drawHero(view, current) {
  const hero = $("hero");
  if (view === "answer") hero.replaceChildren(...answerParts());
  else if (view === "progress") hero.replaceChildren(progress(current.state, word(current.state), current.title, advice(current)));
  else if (view === "silent") hero.replaceChildren(progress("alert", word("silent"), "", word("silent advice"), "bad"));
  else hero.replaceChildren(idle());
  hero.scrollTop = 0;
}

function advice(input) {
  return input.reason || word(`${input.state} advice`);
}

function progress(name, headline, title, sentence, tone = TONES[name]) {
  const box = make("div", "progress", make("span", "disc", icon(stateIcon(name))), text("h2", "headline", headline));
  box.dataset.tone = tone;
  box.dataset.state = name;
  if (title) box.append(text("p", "about", title));
  if (sentence) box.append(text("p", "advice", sentence));
  return box;
}

function idle() {
  const chosen = hello.languages[language];
  const box = make("div", "idle");
  const label = make("div", "label", icon("label", "label-icon"), make("span", "beam"));
  box.append(label, text("h2", "invitation", chosen.idle || word("idle")));
  if (state.link.state === "down" || state.link.state === "attention") box.append(text("p", "advice", word("idle offline")));
  return box;
}

const choices = () => (state.answer?.items ?? []).filter((item) => item.kind === "choices").flatMap((item) => item.choices);

function answerParts() {
  const answer = state.answer;
  const to = state.inputs.find((input) => input.id === answer.to);
  const items = answer.items.filter((item) => item.kind !== "choices");
  const length = items.filter((item) => item.kind === "text").reduce((sum, item) => sum + item.text.length, 0);
  const others = items.some((item) => item.kind !== "text");
  const box = make("div", "answer");
  box.lang = answer.language || root.lang;
  if (to) {
    const line = make("p", "to", make("span", "chip", icon(stateIcon(to.state)), text("span", "", word(to.state))), text("span", "title", to.title));
    line.lang = root.lang;
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

function drawDock() {
  const offered = state.answer ? choices() : [];
  const dock = $("dock");
  dock.hidden = !offered.length || silent;
  dock.classList.toggle("many", offered.length > 4);
  dock.classList.toggle("short", offered.length > 2 && offered.every((choice) => choice.title.length <= 12));
  dock.setAttribute("aria-label", word("choose"));
  say("");
  dock.replaceChildren(...offered.map((choice) => {
    const button = make("button", "choice", text("span", "", choice.title), icon("next"));
    button.type = "button";
    button.addEventListener("click", () => choose(button, choice));
    return button;
  }));
}

function drawSide() {
  $("recent").textContent = word("recent");
  $("side").hidden = !state.inputs.length;
  $("inputs").replaceChildren(...state.inputs.map((input) => {
    const item = make("li", "", make("span", "mark", icon(stateIcon(input.state))),
      make("div", "lines", text("p", "title", shortened(input.title) || word(input.kind === "code" ? "code" : "answer")),
        make("p", "what", text("span", "became", word(input.state)), make("span", "age"))));
    item.dataset.tone = TONES[input.state];
    return item;
  }));
}

/** Codes differ at their ends. */
function shortened(title) {
  const letters = [...title];
  if (letters.length <= LONG || title.includes(" ")) return title;
  return `${letters.slice(0, 4).join("")}…${letters.slice(-8).join("")}`;
}

function drawAges() {
  const since = (performance.now() - arrived) / 1000;
  document.querySelectorAll("#inputs .age").forEach((element, index) => {
    const minutes = Math.floor(((state.inputs[index]?.age ?? 0) + since) / 60);
    element.textContent = minutes < 1 ? word("now") : minutes < 60 ? word("minutes", { count: minutes }) : word("hours", { count: Math.floor(minutes / 60) });
  });
}

function drawTrouble() {
  const troubles = [];
  if (!silent) {
    for (const { kind, text: sentence } of state.troubles) troubles.push({ headline: word(`trouble ${kind}`), sentence, tone: kind === "device" ? "wait" : "bad", icon: "alert" });
    if (state.link.state === "down" || state.link.state === "attention") {
      const sentence = hello.languages[language].causes[state.link.cause] ?? "";
      troubles.push({ headline: word(`link ${state.link.state}`), sentence, tone: state.link.state === "down" ? "wait" : "bad", icon: "unlinked" });
    }
  }
  const worst = troubles[0];
  const box = $("trouble");
  box.hidden = !worst;
  if (!worst) { box.replaceChildren(); return; }
  box.dataset.tone = worst.tone;
  box.replaceChildren(make("span", "mark", icon(worst.icon)),
    make("p", "", text("strong", "", worst.headline), worst.sentence ? text("span", "sentence", worst.sentence) : ""));
}

function drawType() {
  const button = $("type");
  button.hidden = !hello.code_entry || silent;
  button.replaceChildren(icon("keys"), text("span", "", word("enter code")));
}

function drawClock() {
  const clock = $("clock");
  clock.hidden = !state.clock;
  if (!state.clock) return;
  const now = format("DateTimeFormat", { hour: "numeric", minute: "2-digit" }).format(new Date());
  if (clock.textContent !== now) clock.textContent = now;
}

function markOverflow() {
  const hero = $("hero");
  hero.classList.toggle("more", hero.scrollHeight - hero.clientHeight - hero.scrollTop > 8);
}

// -- what a finger does

function say(sentence) {
  $("said").textContent = sentence;
  $("said").hidden = !sentence;
}

async function choose(button, choice) {
  const buttons = [...$("dock").querySelectorAll("button")];
  if (buttons.some((each) => each.getAttribute("aria-disabled") === "true")) return;
  say("");
  const busy = (on) => buttons.forEach((each) => each.setAttribute("aria-disabled", String(on)));
  busy(true);
  button.classList.add("chosen", "busy");
  const verdict = await tap("/action", { payload: choice.payload, title: choice.title });
  button.classList.remove("busy");
  if (verdict.accepted) {
    button.querySelector(".icon").replaceWith(icon("done"));
    setTimeout(() => { // nothing came of it: let the person choose again
      if (!button.isConnected) return;
      button.classList.remove("chosen");
      button.querySelector(".icon").replaceWith(icon("next"));
      busy(false);
    }, FRESH_MS);
  } else {
    button.classList.remove("chosen");
    busy(false);
    if (button.isConnected) say(verdict.reason);
  }
}

/** Send one tap. It carries an id of its own, so that sending it again cannot make two wishes of it. */
async function tap(path, wish) {
  const body = JSON.stringify({ tap: crypto.randomUUID(), language: hello.languages[language].tag, ...wish });
  const token = hello.token;
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      const response = await fetch(path, {
        method: "POST", body, headers: { "Content-Type": "application/json", "X-Page-Token": token },
        signal: AbortSignal.timeout(TAP_MS), redirect: "error",
      });
      if (response.ok) {
        const verdict = await response.json();
        return { accepted: verdict.accepted, reason: verdict.reason || word("not accepted") };
      }
      return { accepted: false, reason: word(response.status === 504 ? "unclear" : "not accepted") };
    } catch {
      await new Promise((resolve) => { setTimeout(resolve, REPEAT_MS); });
      if (hello.token !== token) break; // another server, which does not know this tap
    }
  }
  return { accepted: false, reason: word("unclear") };
}

// -- typing a code

let capitals = true;

function openPad() {
  $("pad-title").textContent = word("enter code");
  $("pad-advice").textContent = word("enter code advice");
  $("pad-label").textContent = word("code");
  $("pad-cancel").textContent = word("cancel");
  $("pad-send").textContent = word("send");
  $("pad-said").textContent = "";
  $("pad-value").value = "";
  capitals = true;
  drawKeys();
  $("pad").showModal();
  $("pad-value").focus();
}

function drawKeys() {
  const rows = word("keys").split(" ").map((row) => {
    const line = make("div", "keys");
    for (const character of row) {
      const shown = capitals ? character : character.toLowerCase();
      const key = text("button", "key", shown, "ltr");
      key.type = "button";
      key.addEventListener("click", () => typed(shown));
      line.append(key);
    }
    return line;
  });
  const shift = text("button", "key wide", "Aa", "ltr");
  shift.setAttribute("aria-label", word("capitals"));
  shift.setAttribute("aria-pressed", String(capitals));
  shift.addEventListener("click", () => { capitals = !capitals; drawKeys(); $("pad-keys").querySelector("[aria-pressed]").focus(); });
  const space = text("button", "key space", word("space"));
  space.addEventListener("click", () => typed(" "));
  const erase = make("button", "key wide", icon("delete"));
  erase.setAttribute("aria-label", word("delete"));
  erase.addEventListener("click", () => typed(null));
  for (const key of [shift, space, erase]) key.type = "button";
  $("pad-keys").replaceChildren(...rows, make("div", "keys", shift, space, erase));
}

function typed(character) {
  const field = $("pad-value");
  const start = field.selectionStart ?? field.value.length;
  const end = field.selectionEnd ?? start;
  if (character === null) field.setRangeText("", start === end ? Math.max(start - 1, 0) : start, end, "end");
  else if (field.value.length < field.maxLength) field.setRangeText(character, start, end, "end");
}

async function sendCode(event) {
  event.preventDefault();
  const value = $("pad-value").value;
  const send = $("pad-send");
  if (!value.trim() || send.getAttribute("aria-disabled") === "true") return;
  send.setAttribute("aria-disabled", "true");
  const verdict = await tap("/code", { value });
  send.removeAttribute("aria-disabled");
  if (verdict.accepted) $("pad").close();
  else $("pad-said").textContent = verdict.reason;
}

// -- the line to the device

function listen() {
  source?.close();
  source = new EventSource("/events");
  source.addEventListener("hello", (event) => {
    const said = JSON.parse(event.data);
    if (hello && hello.version !== said.version) { location.reload(); return; }
    const tag = hello?.languages[language].tag;
    hello = said;
    language = Math.max(hello.languages.findIndex((each) => each.tag === tag), 0);
    hear();
    alive();
  });
  source.addEventListener("state", (event) => {
    // Whoever comes next reads the house's language, not that of the person before.
    const served = state && (state.current || state.answer);
    state = JSON.parse(event.data);
    arrived = performance.now();
    if (served && !state.current && !state.answer) language = 0;
    hear();
    plan();
  });
  source.addEventListener("beat", hear);
  source.addEventListener("error", () => {
    // Said after a moment: a restart of the device takes one.
    if (hello) heard = Math.min(heard, performance.now() - (hello.silent_seconds - 2.5) * 1000);
    if (source.readyState === EventSource.CLOSED) setTimeout(() => { if (source.readyState === EventSource.CLOSED) listen(); }, 2000);
  });
}

function hear() {
  heard = performance.now();
  if (silent) { silent = false; plan(); }
}

function look() {
  const quiet = hello ? performance.now() - heard > hello.silent_seconds * 1000 : false;
  if (quiet && !silent) {
    silent = true;
    if ($("pad").open) $("pad").close();
    plan();
  }
  if (quiet && source.readyState === EventSource.OPEN) listen(); // open, and nothing comes: the other end hangs
  if (hello && state) { drawClock(); drawAges(); leave(); }
}

/** Whoever walked away leaves neither a half-typed code nor a language behind. */
function leave() {
  if (performance.now() - touched < hello.left_seconds * 1000) return;
  if ($("pad").open) $("pad").close();
  if (language && !state.current && !state.answer) { language = 0; plan(); }
}

function alive() {
  if (!hello) return;
  fetch("/alive", { method: "POST", body: "{}", headers: { "Content-Type": "application/json", "X-Page-Token": hello.token } }).catch(() => {});
}

$("type").addEventListener("click", openPad);
$("pad-form").addEventListener("submit", sendCode);
$("pad-cancel").addEventListener("click", () => $("pad").close());
$("hero").addEventListener("scroll", markOverflow, { passive: true });
addEventListener("resize", markOverflow);
for (const sign of ["pointerdown", "keydown"]) addEventListener(sign, () => { touched = performance.now(); }, { capture: true, passive: true });
addEventListener("contextmenu", (event) => event.preventDefault());
addEventListener("dragstart", (event) => event.preventDefault());
listen();
setInterval(look, 1000);
setInterval(alive, PING_MS);
