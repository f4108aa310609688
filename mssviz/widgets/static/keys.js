// Nothing to see: obeys the keys pressed in the box around it, and keeps them from the notebook;
// keeps the focus in the box, too.

import { obeyKeys } from "./commands.js";
import { keepFocus } from "./focus.js";
import { asWidget } from "./widget.js";

export default asWidget("mssvizKeys", (widget) => {
  widget.el.hidden = true;
  // what is around an element is known once it stands on the page
  const attach = () => {
    const box = widget.el.closest(".mssviz-box");
    if (box) {
      obeyKeys(widget, box);
      keepFocus(widget, box);
    } else if (!widget.closed) requestAnimationFrame(attach);
  };
  attach();
});
