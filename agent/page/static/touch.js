// What a finger does: a choice is sent, and answered under the finger.

import { $, icon } from "./elements.js";
import { known } from "./known.js";
import { chosen, word } from "./words.js";

const REPEAT_MS = 700; // between two tries to send one tap
const TAP_MS = 8000; // how long one try may take
const FRESH_MS = 8000; // how long an accepted choice stays pressed when nothing follows from it

export function say(sentence) {
  $("said").textContent = sentence;
  $("said").hidden = !sentence;
}

export async function choose(button, choice) {
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
export async function tap(path, wish) {
  const body = JSON.stringify({ tap: crypto.randomUUID(), language: chosen().tag, ...wish });
  const token = known.hello.token;
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
      if (known.hello.token !== token) break; // another server, which does not know this tap
    }
  }
  return { accepted: false, reason: word("unclear") };
}
