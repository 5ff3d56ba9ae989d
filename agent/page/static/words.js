// The page's own words, numbers and times, in the language that is read.

import { known } from "./known.js";

export const chosen = () => known.hello.languages[known.language];

export const word = (key, values = {}) => chosen().words[key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

const formats = new Map(); // making one takes longer than drawing with it

export function format(name, options) {
  const key = `${name} ${chosen().tag}`;
  if (!formats.has(key)) formats.set(key, new Intl[name](chosen().tag, options));
  return formats.get(key);
}

export const count = (number) => format("NumberFormat", {}).format(number);
