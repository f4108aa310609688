// A button whose click carries what is chosen beside it: the kernel may hear of that only later.

import { make } from "./elements.js";
import { asWidget } from "./widget.js";

export default asWidget("mssvizSaveButton", (widget) => {
  const { model, el } = widget;
  const button = make("button", "jupyter-widgets jupyter-button widget-button", { type: "button" });
  const show = () => {
    button.textContent = model.get("description");
    button.title = model.get("tooltip");
    button.disabled = model.get("disabled");
  };
  const chosen = async (id) => {
    const picker = await model.widget_manager.get_model(id);
    return picker.get("_options_labels")[picker.get("index")];
  };
  widget.on(button, "click", async () => {
    const [what, format] = await Promise.all(model.get("_pickers").map(chosen));
    model.send({ kind: "save", what, format });
  });
  widget.onModel("change:disabled", show);
  el.append(button);
  show();
  return { button };
});
