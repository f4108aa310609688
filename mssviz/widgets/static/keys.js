// Nothing to see: keeps the keys pressed in the box around it from the notebook.

import { keepKeys } from "./elements.js";

export default {
  render({ el }) {
    const aborter = new AbortController();
    const { signal } = aborter;
    el.hidden = true;
    // what is around an element is known once it stands on the page
    const attach = () => {
      const box = el.closest(".mssviz-box");
      if (box) keepKeys(box, { signal });
      else if (!signal.aborted) requestAnimationFrame(attach);
    };
    attach();
    return () => aborter.abort();
  },
};
