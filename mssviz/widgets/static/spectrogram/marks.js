// What can be dropped again, on the picture: a ✕ on the selection, and one on the pinned bin.

import { formatHertz } from "../axes.js";
import { button, make } from "../elements.js";
import { MARGIN } from "./plot.js";

const SIZE = 24; // CSS pixels, of a button

export class Marks {
  constructor(widget, plot, picture) {
    Object.assign(this, { model: widget.model, plot, picture });
    const drop = (trait) => widget.saveSoon({ [trait]: null });
    const mark = (trait) => button("mssviz-mark", "", () => drop(trait), "✕");
    this.selection = mark("selection");
    this.pinned = mark("pinned");
    this.element = make("div", "mssviz-marks", {}, this.selection, this.pinned);
  }

  /** Put them where selection and pinned bin are; one that is out of view waits at the edge. */
  show() {
    const [selection, pinned] = ["selection", "pinned"].map((trait) => this.model.get(trait));
    this.hide(this.selection, !selection);
    this.hide(this.pinned, !pinned);
    if (selection) {
      const [from, to] = selection.map((seconds) => seconds.toFixed(2));
      const label = `Drop the selection, ${from} to ${to} s`;
      this.place(this.selection, selection[1], Number.POSITIVE_INFINITY, label); // at the bottom
    }
    if (!pinned) return;
    const [seconds, hertz] = pinned;
    const label = `Unpin ${seconds.toFixed(2)} s, ${formatHertz(hertz)}Hz`;
    this.place(this.pinned, seconds, this.plot.y(hertz) - SIZE, label);
  }

  /** Hide a button or show it; the focus of one that vanishes is the picture's from then on. */
  hide(element, hidden) {
    if (hidden && element === document.activeElement) this.picture.focus({ preventScroll: true });
    element.hidden = hidden;
  }

  place(element, seconds, y, label) {
    const { width, height } = this.plot.inner;
    const inside = (at, low, room) => Math.min(Math.max(at, low), low + room - SIZE);
    const left = inside(this.plot.x(seconds) - SIZE, MARGIN.left, width);
    const top = inside(y, MARGIN.top, height);
    element.style.transform = `translate(${left.toFixed(0)}px, ${top.toFixed(0)}px)`;
    element.title = label;
    element.setAttribute("aria-label", label);
  }
}
