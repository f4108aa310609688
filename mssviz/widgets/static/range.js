// A range field of the browser's own that says its value.

import { make } from "./elements.js";

/** Slider from `low` to `high`; a double click, or Delete, sets it back to `rest`. */
export function range(className, label, [low, high, step], toText, onInput, rest = 0) {
  const attributes = { type: "range", min: low, max: high, step, "aria-label": label };
  const input = make("input", `mssviz-slider ${className}`, attributes);
  input.addEventListener("input", () => onInput(Number(input.value)));
  input.addEventListener("dblclick", () => onInput(rest));
  input.addEventListener("keydown", ({ key }) => key === "Delete" && onInput(rest));
  const show = (value) => {
    if (Number(input.value) !== value) input.value = value;
    input.setAttribute("aria-valuetext", toText(value));
    input.title = `${label}: ${toText(value)} (double click or Delete: ${toText(rest)})`;
    input.style.setProperty("--fill", `${(100 * (value - low)) / (high - low)}%`);
  };
  return { input, show };
}
