// What stands around the large part: the house, the language, the link, the clock, the last inputs, what is wrong.

import { $, TONES, icon, make, stateIcon, text } from "./elements.js";
import { known, plan } from "./known.js";
import { chosen, count, format, word } from "./words.js";

const LONG = 15; // characters of a title that keeps its ends and loses its middle

export function drawHouse() {
  document.title = known.hello.name || "Kiosk";
  if (!known.hello.logo) {
    $("house").replaceChildren(text("span", known.hello.name ? "" : "unseen", known.hello.name || "Kiosk"));
    return;
  }
  const logo = make("img");
  logo.src = "/logo";
  logo.alt = known.hello.name || "Kiosk";
  $("house").replaceChildren(logo);
}

export function drawLanguages() {
  $("languages").setAttribute("aria-label", word("languages"));
  $("languages").hidden = known.hello.languages.length < 2;
  $("languages").replaceChildren(...known.hello.languages.map((each, index) => {
    const button = text("button", "", known.hello.languages.length > 3 ? each.tag.slice(0, 2).toUpperCase() : each.words.language);
    button.type = "button";
    button.lang = each.tag;
    button.setAttribute("aria-pressed", String(index === known.language));
    button.addEventListener("click", () => { known.language = index; plan(); });
    return button;
  }));
}

export function drawLink() {
  const { state: link, waiting } = known.state.link;
  const shown = known.silent ? "down" : link;
  $("link").dataset.link = shown;
  $("link").replaceChildren(
    make("span", "dot"),
    text("span", "link-word", word(`link ${shown}`)),
    waiting && !known.silent ? text("span", "count", waiting === 1 ? word("waiting one") : word("waiting", { count: count(waiting) })) : "",
  );
}

export function drawClock() {
  const clock = $("clock");
  clock.hidden = !known.state.clock;
  if (!known.state.clock) return;
  const now = format("DateTimeFormat", { hour: "numeric", minute: "2-digit" }).format(new Date());
  if (clock.textContent !== now) clock.textContent = now;
}

export function drawSide() {
  $("recent").textContent = word("recent");
  $("side").hidden = !known.state.inputs.length;
  $("inputs").replaceChildren(...known.state.inputs.map((input) => {
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

export function drawAges() {
  const since = (performance.now() - known.arrived) / 1000;
  document.querySelectorAll("#inputs .age").forEach((element, index) => {
    const minutes = Math.floor(((known.state.inputs[index]?.age ?? 0) + since) / 60);
    element.textContent = minutes < 1 ? word("now") : minutes < 60 ? word("minutes", { count: minutes }) : word("hours", { count: Math.floor(minutes / 60) });
  });
}

export function drawTrouble() {
  const troubles = [];
  if (!known.silent) {
    for (const { kind, text: sentence } of known.state.troubles) troubles.push({ headline: word(`trouble ${kind}`), sentence, tone: kind === "device" ? "wait" : "bad", icon: "alert" });
    if (known.state.link.state === "down" || known.state.link.state === "attention") {
      const sentence = chosen().causes[known.state.link.cause] ?? "";
      troubles.push({ headline: word(`link ${known.state.link.state}`), sentence, tone: known.state.link.state === "down" ? "wait" : "bad", icon: "unlinked" });
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

export function drawType() {
  const button = $("type");
  button.hidden = !known.hello.code_entry || known.silent;
  button.replaceChildren(icon("keys"), text("span", "", word("enter code")));
}
