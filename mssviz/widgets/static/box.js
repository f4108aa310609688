// A box of widgets: obeys the keys pressed in it, keeps them from the notebook, keeps the focus, says
// what its controls do, and says above all other widgets if their kernel is gone, as they would do
// nothing, and say nothing; and tells those who do not see the page how work stands.

import { obeyKeys } from "./commands.js";
import { make } from "./elements.js";
import { keepFocus } from "./focus.js";
import { showHints } from "./hints.js";
import { onKernel } from "./kernel.js";
import { asWidget } from "./widget.js";

/** What is said of each state of a kernel; `again` is what is to be done to have another one. */
const SAID = {
  live: () => "",
  lost: () => "There is no connection to the kernel: controls that need it wait for it.",
  stopped: (again) => `The kernel has stopped: ${again}.`,
};

export default asWidget("mssvizBox", (widget) => {
  const { el, model } = widget;
  const alert = make("div", "", { role: "alert" });
  const status = make("div", "mssviz-said mssviz-told", { role: "status" });
  el.classList.add("mssviz-guard");
  el.append(alert, status);
  onKernel(widget, (state) => {
    const app = el.closest(".mssviz-app");
    alert.textContent = SAID[state](app ? "load this page again" : "run this cell again");
  });
  widget.onModel("change:said", () => {
    status.textContent = model.get("said");
  });
  // what is around an element is known once it stands on the page
  const attach = () => {
    const box = el.closest(".mssviz-box");
    if (box) {
      box.setAttribute("role", "region");
      box.ariaLabel = model.get("label");
      obeyKeys(widget, box);
      showHints(widget, box);
      keepFocus(widget, box);
    } else if (!widget.closed) requestAnimationFrame(attach);
  };
  attach();
});
