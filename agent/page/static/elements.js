// Making elements. What comes from the hub is text and stays text: it reaches the document through textContent alone.

export const $ = (id) => document.getElementById(id);

export const TONES = {
  kept: "wait", sent: "info", done: "good", unanswered: "dull", refused: "bad", expired: "wait", unknown: "wait",
  "not saved": "bad", again: "wait",
};
const ICONS = { unknown: "unanswered", "not saved": "alert" };

export function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

export function icon(name, className = "icon") {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", className);
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

export function text(tag, className, content, dir = "auto") {
  const element = make(tag, className);
  element.textContent = content;
  element.dir = dir;
  return element;
}

export const stateIcon = (name) => ICONS[name] ?? name;
