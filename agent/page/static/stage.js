// The large part: the answer, what became of the last input, or what is to be done; and the choices under it.

import { answerParts } from "./answer.js";
import { $, TONES, icon, make, stateIcon, text } from "./elements.js";
import { choices, known } from "./known.js";
import { choose, say } from "./touch.js";
import { chosen, word } from "./words.js";

export function drawHero(view, current) {
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
  const box = make("div", "idle");
  const label = make("div", "label", icon("label", "label-icon"), make("span", "beam"));
  box.append(label, text("h2", "invitation", chosen().idle || word("idle")));
  if (known.state.link.state === "down" || known.state.link.state === "attention") box.append(text("p", "advice", word("idle offline")));
  return box;
}

export function drawDock() {
  const offered = known.state.answer ? choices() : [];
  const dock = $("dock");
  dock.hidden = !offered.length || known.silent;
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

export function markOverflow() {
  const hero = $("hero");
  hero.classList.toggle("more", hero.scrollHeight - hero.clientHeight - hero.scrollTop > 8);
}
