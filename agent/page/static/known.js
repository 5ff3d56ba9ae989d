// What the page knows of the device, and when it is drawn anew for it.

export const known = {
  hello: null, // what the device says once: words, token, name
  state: null, // the newest state
  arrived: 0, // when that came
  language: 0, // which of hello.languages is read
  silent: false, // whether nothing comes from the device
};

let draw = () => {};
let planned = 0;

/** Who draws. */
export function drawnBy(how) {
  draw = how;
}

/** Draw with the next frame, however much arrives until then. A screen that is switched off has no frames. */
export function plan() {
  if (planned) return;
  const go = () => { clearTimeout(planned); planned = 0; draw(); };
  planned = setTimeout(go, 250);
  requestAnimationFrame(() => { if (planned) go(); });
}

/** The choices that the answer on the screen offers. */
export const choices = () => (known.state.answer?.items ?? []).filter((item) => item.kind === "choices").flatMap((item) => item.choices);
