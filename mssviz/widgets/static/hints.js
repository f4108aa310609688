// What controls of ipywidgets do: it drops the sentence of those that have a label beside them.

/** Give each control in an element the sentence that the model has for its label. */
export function showHints(widget, root) {
  const show = () => {
    const hints = widget.model.get("hints");
    for (const label of root.querySelectorAll(".widget-inline-hbox > label")) {
      const said = label.textContent;
      if (!Object.hasOwn(hints, said)) continue;
      // the pointer reads either, and those who do not see the page get the field's
      const fields = label.parentElement.querySelectorAll("input, select");
      for (const e of [label, ...fields]) if (e.title !== hints[said]) e.title = hints[said];
    }
  };
  const soon = widget.perFrame(show);
  const isNew = ({ addedNodes }) => [...addedNodes].some((node) => node instanceof Element);
  const observer = new MutationObserver((changes) => {
    if (changes.some(isNew)) soon(); // while it plays, texts change in every frame
  });
  observer.observe(root, { subtree: true, childList: true });
  widget.onEnd(() => observer.disconnect());
  show();
}
