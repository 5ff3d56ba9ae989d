// Typing a code that the scanner cannot read.

import { $, icon, make, text } from "./elements.js";
import { tap } from "./touch.js";
import { word } from "./words.js";

let capitals = true;

export function openPad() {
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

export function closePad() {
  if ($("pad").open) $("pad").close();
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

export async function sendCode(event) {
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
