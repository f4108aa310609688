// A drop-down in groups: a select box of the browser's own.

import { obeyKeys } from "./commands.js";
import { make } from "./elements.js";
import { asWidget } from "./widget.js";

function option([label, value]) {
  return make("option", "", { value }, label);
}

export default asWidget("mssvizPicker", (widget) => {
  const { model, el } = widget;
  const select = make("select", "mssviz-picker", { "aria-label": model.get("description") });
  for (const [title, options] of model.get("_groups")) {
    const elements = options.map(option);
    if (title) select.append(make("optgroup", "", { label: title }, ...elements));
    else select.append(...elements);
  }
  const show = () => {
    select.value = model.get("value");
    select.disabled = model.get("disabled");
    select.title = `${model.get("description")}: ${model.get("_details")[select.value] ?? ""}`;
  };
  widget.on(select, "change", () => widget.save({ value: select.value }));
  for (const trait of ["value", "disabled"]) widget.onModel(`change:${trait}`, show);
  obeyKeys(widget, el);
  el.append(select);
  show();
  return { select };
});
