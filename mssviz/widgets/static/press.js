// A button whose click carries what is chosen beside it: the kernel may hear of that only later.

import { make } from "./elements.js";
import { asWidget } from "./widget.js";

/** What a control of the page is set to: of a drop-down of ipywidgets, the label of its choice. */
function shown(control, trait) {
  const labels = control.get("_options_labels");
  return labels ? (labels[control.get("index")] ?? null) : control.get(trait);
}

export default asWidget("mssvizButton", (widget) => {
  const { model, el } = widget;
  const button = make("button", "jupyter-widgets jupyter-button widget-button", { type: "button" });
  const show = () => {
    button.textContent = model.get("description");
    button.title = model.get("tooltip");
    button.disabled = model.get("disabled");
    button.classList.toggle("mod-primary", model.get("primary"));
  };
  const carried = async ([id, trait]) => {
    const manager = model.widget_manager; // which not every front end has
    if (!manager?.has_model?.(id)) return [];
    return [[id, trait, shown(await manager.get_model(id), trait)]];
  };
  widget.on(button, "click", async () => {
    const all = await Promise.all(model.get("_carried").map(carried));
    model.send({ kind: "press", shown: all.flat() });
  });
  for (const trait of ["description", "disabled"]) widget.onModel(`change:${trait}`, show);
  el.append(button);
  show();
  return { button };
});
