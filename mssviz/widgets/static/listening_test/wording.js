// What a listening test says, and what its keys mean; nothing here needs a page.

import { clamp } from "../timeline.js";

/** Id of the open reference. */
export const OPEN = "open";
export const LABELS = ["Bad", "Poor", "Fair", "Good", "Excellent"];
const SIDES = ["A", "B"];

/** Label of the fifth of the scale that a rating of 0 to 100 lies in. */
export function qualityLabel(rating) {
  return LABELS[clamp(Math.floor(rating / 20), 0, 4)];
}

/** Name of a sound on the page: "Reference", "Sound 2", or "A". */
export function soundName(id, method) {
  if (id === OPEN) return "Reference";
  return method === "ab" ? SIDES[Number(id) - 1] : `Sound ${id}`;
}

/** What is left to do: how many sounds to hear and to rate (in A/B, 1 until there is a choice). */
export function remaining({ ids, played, ratings, choice }, method) {
  const judged = ids.filter((id) => id !== OPEN);
  const unrated = judged.filter((id) => ratings[id] === undefined).length;
  return {
    hear: judged.filter((id) => !played.includes(id)).length,
    rate: method === "ab" ? Number(choice === null) : unrated,
  };
}

/** What is left to do, for people; empty if nothing is. */
export function hint({ hear, rate }, method) {
  const sounds = (n) => (n === 1 ? "1 more sound" : `${n} more sounds`);
  const parts = [];
  if (hear) parts.push(`listen to ${sounds(hear)}`);
  if (rate) parts.push(method === "ab" ? "choose one" : `rate ${sounds(rate)}`);
  const text = parts.join(" and ");
  return text && `${text[0].toUpperCase()}${text.slice(1)} to go on.`;
}

/** The line on keys. */
export function keysHelp(method, hasReference) {
  const [digits, arrows] =
    method === "ab" ? ["A B hear a side", "choose"] : ["1–9 hear a sound", "move the slider"];
  const reference = hasReference ? " · 0 or R the reference" : "";
  return `${digits}${reference} · Space play or pause · ← → ${arrows} · Enter next`;
}

/** What a key stands for, or null: {do: "select", id}, {do: "toggle"}, {do: "next"}. */
export function keyAction(key, target, ids) {
  const own = { range: /^(Arrow|Home|End|Page)/, radio: /^(Arrow| )/, button: /^( |Enter)$/ };
  if (own[target]?.test(key)) return null;
  if (key === " ") return { do: "toggle" };
  if (key === "Enter") return { do: "next" };
  const letter = { 0: OPEN, r: OPEN, R: OPEN, a: "1", A: "1", b: "2", B: "2" }[key];
  const id = letter ?? key;
  return ids.includes(id) && /^[0-9rRaAbB]$/.test(key) ? { do: "select", id } : null;
}
