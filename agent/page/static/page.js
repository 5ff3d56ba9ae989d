// The kiosk page: draws the state the device sends, and sends back what a finger touches.
//
// Each part is drawn anew only when its own data changed, so that a button is not replaced under the finger that is on it.

import { $ } from "./elements.js";
import { drawAges, drawClock, drawHouse, drawLanguages, drawLink, drawSide, drawTrouble, drawType } from "./frame.js";
import { choices, drawnBy, known } from "./known.js";
import { alive, listen, look, touchedNow } from "./line.js";
import { closePad, openPad, sendCode } from "./pad.js";
import { drawDock, drawHero, markOverflow } from "./stage.js";
import { chosen } from "./words.js";

const PING_MS = 5000; // how often this page says that it is there

const root = document.documentElement;
const drawn = new Map(); // what each part was drawn from

/** Draw a part when what it depends on is another than last time. */
function part(name, data, draw) {
  const key = JSON.stringify(data);
  if (drawn.get(name) === key) return;
  drawn.set(name, key);
  draw();
}

function draw() {
  if (!known.hello || !known.state) return;
  const current = known.state.inputs.find((input) => input.id === known.state.current) ?? null;
  const view = known.silent ? "silent" : known.state.answer ? "answer" : current ? "progress" : "idle";
  root.lang = chosen().tag;
  root.dataset.view = view;
  part("house", [known.hello.name, known.hello.logo], drawHouse);
  part("languages", [known.language, known.hello.languages.map((each) => each.tag)], drawLanguages);
  part("link", [known.language, known.silent, known.state.link], drawLink);
  part("hero", [known.language, view, known.state.answer, current && { ...current, age: 0 }, known.state.link.state], () => drawHero(view, current));
  part("dock", [known.language, known.silent, known.state.answer && [known.state.answer.number, choices()]], drawDock);
  part("side", [known.language, known.state.inputs.map((input) => ({ ...input, age: 0 }))], drawSide);
  part("trouble", [known.language, known.silent, known.state.link, known.state.troubles], drawTrouble);
  part("type", [known.language, known.silent, view === "idle" && !known.state.inputs.length, known.hello.code_entry], drawType);
  drawAges();
  drawClock();
  markOverflow();
}

drawnBy(draw);
$("type").addEventListener("click", openPad);
$("pad-form").addEventListener("submit", sendCode);
$("pad-cancel").addEventListener("click", closePad);
$("hero").addEventListener("scroll", markOverflow, { passive: true });
addEventListener("resize", markOverflow);
for (const sign of ["pointerdown", "keydown"]) addEventListener(sign, touchedNow, { capture: true, passive: true });
addEventListener("contextmenu", (event) => event.preventDefault());
addEventListener("dragstart", (event) => event.preventDefault());
listen();
setInterval(look, 1000);
setInterval(alive, PING_MS);
