// The line to the device: what it sends, whether it is there, and that this page is.

import { drawAges, drawClock } from "./frame.js";
import { known, plan } from "./known.js";
import { closePad } from "./pad.js";

let heard = performance.now();
let touched = performance.now(); // when somebody last did something here
let states = 0; // that came since this page was loaded
let source = null;

/** Somebody is here. */
export function touchedNow() {
  touched = performance.now();
}

export function listen() {
  source?.close();
  source = new EventSource("/events");
  source.addEventListener("hello", (event) => {
    const said = JSON.parse(event.data);
    if (known.hello && known.hello.version !== said.version) { location.reload(); return; }
    const tag = known.hello?.languages[known.language].tag;
    known.hello = said;
    known.language = Math.max(known.hello.languages.findIndex((each) => each.tag === tag), 0);
    hear();
    alive();
  });
  source.addEventListener("state", (event) => {
    // Whoever comes next reads the house's language, not that of the person before.
    const served = known.state && (known.state.current || known.state.answer);
    known.state = JSON.parse(event.data);
    known.arrived = performance.now();
    states += 1;
    if (served && !known.state.current && !known.state.answer) known.language = 0;
    hear();
    plan();
  });
  source.addEventListener("beat", hear);
  source.addEventListener("error", () => {
    // Said after a moment: a restart of the device takes one.
    if (known.hello) heard = Math.min(heard, performance.now() - (known.hello.silent_seconds - 2.5) * 1000);
    if (source.readyState === EventSource.CLOSED) setTimeout(() => { if (source.readyState === EventSource.CLOSED) listen(); }, 2000);
  });
}

function hear() {
  heard = performance.now();
  if (known.silent) { known.silent = false; plan(); }
}

export function look() {
  const quiet = known.hello ? performance.now() - heard > known.hello.silent_seconds * 1000 : false;
  if (quiet && !known.silent) {
    known.silent = true;
    closePad();
    plan();
  }
  if (quiet && source.readyState === EventSource.OPEN) listen(); // open, and nothing comes: the other end hangs
  if (known.hello && known.state) { drawClock(); drawAges(); leave(); }
}

/** Whoever walked away leaves neither a half-typed code nor a language behind. */
function leave() {
  const left = performance.now() - known.hello.left_seconds * 1000;
  if (touched > left) return;
  closePad();
  if (known.language && !known.state.current && !known.state.answer) { known.language = 0; plan(); }
  // A browser keeps a little of every table and picture; while nobody looks the page begins anew, and all of it goes.
  if (states >= known.hello.renew_states && known.arrived < left) location.reload();
}

export function alive() {
  if (!known.hello) return;
  fetch("/alive", { method: "POST", body: "{}", headers: { "Content-Type": "application/json", "X-Page-Token": known.hello.token } }).catch(() => {});
}
