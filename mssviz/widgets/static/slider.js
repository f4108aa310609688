// A slider: a range field of the browser's own, with its name before and its value behind it.

import { obeyKeys } from "./commands.js";
import { make } from "./elements.js";
import { asWidget } from "./widget.js";

export default asWidget("mssvizSlider", (widget) => {
  const { model, el } = widget;
  const get = (name) => model.get(name);
  // the label around it has its value, too, which is no part of its name
  const name = { "aria-label": get("description") };
  const input = make("input", "mssviz-slider", { type: "range", ...name });
  const output = make("output");
  const label = make("label", "mssviz-field", {}, get("description"), input, output);
  label.title = get("tooltip");
  const show = () => {
    const [value, min, max, step] = ["value", "min", "max", "step"].map(get);
    for (const [name, limit] of Object.entries({ min, max, step })) input[name] = limit;
    if (Number(input.value) !== value) input.value = value;
    const number = value.toFixed(step >= 1 ? 0 : step >= 0.1 ? 1 : 2);
    const text = get("labels")[value] ?? number;
    output.textContent = text;
    input.setAttribute("aria-valuetext", text);
    input.style.setProperty("--fill", `${(100 * (value - min)) / (max - min)}%`);
    input.disabled = get("disabled");
  };
  widget.on(input, "input", () => widget.save({ value: Number(input.value) }));
  for (const trait of ["value", "min", "max", "disabled"]) widget.onModel(`change:${trait}`, show);
  obeyKeys(widget, el);
  el.append(label);
  show();
  return { input };
});
