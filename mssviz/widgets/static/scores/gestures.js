// Pointer and keys on the picture of scores: they read windows, go to them, and select.

import { loopAt, loopBetween } from "../loop.js";
import { windowAt, windowSpan } from "./windows.js";

const DRAG_PX = 4;
const SHORTEST = 0.1; // s, as in Python

export class Gestures {
  /** `showWindow` is called when another window is read, `repaint` when a selection is drawn. */
  constructor({ widget, plot, canvas, showWindow, repaint }) {
    Object.assign(this, { widget, model: widget.model, plot, canvas, showWindow, repaint });
    Object.assign(this, { hover: -1, cursor: -1, drag: null });
    const on = (type, listener) => widget.on(canvas, type, listener);
    on("pointerdown", (event) => this.pointerDown(event));
    on("pointermove", (event) => this.pointerMove(event));
    on("pointerup", () => this.pointerUp());
    on("pointercancel", () => this.endDrag());
    on("pointerleave", () => this.point({ hover: -1 }));
    on("blur", () => this.point({ cursor: -1 }));
  }

  /** What keys do: in every case, and where no other view does it. */
  get commands() {
    const last = () => this.plot.lastWindow;
    const step = (seconds) => this.seek(Math.min(Math.max(this.here + seconds, 0), last()));
    return [
      { reveal: () => this.reveal() },
      {
        step,
        goTo: (share) => this.seek(share * last()),
        loopHere: (edge) => this.selectHere(edge),
        escape: () => this.widget.save({ selection: null }),
      },
    ];
  }

  /** Window that the playhead is in, or the first. */
  get here() {
    return Math.max(windowAt(this.model.get("time"), this.plot.windows), 0);
  }

  /** Window that is read: under the pointer, or where the keys went; -1 is none. */
  get current() {
    return this.hover >= 0 ? this.hover : this.cursor;
  }

  /** What is selected, or about to be. */
  get selection() {
    return this.drag?.selection ?? this.model.get("selection");
  }

  /** Stay within the windows that there are. */
  keepWithin(last) {
    this.hover = Math.min(this.hover, last);
    this.cursor = Math.min(this.cursor, last);
  }

  point(where) {
    const before = this.current;
    Object.assign(this, where);
    if (this.current !== before) this.showWindow(this.current);
  }

  /** Go to where a window is drawn: where windows overlap, others are drawn at its start. */
  seek(index) {
    const { windows } = this.plot;
    if (index < 0) return;
    this.widget.save({ time: Math.max(windows.times[index], windowSpan(index, windows)[0]) });
  }

  /** First and last time of the windows. */
  get limits() {
    const { windows, lastWindow } = this.plot;
    return [windows.times[0], windows.times[lastWindow] + windows.window];
  }

  /** Move the selection's start (0) or stop (1) to the playhead. */
  selectHere(edge) {
    const [time, before] = ["time", "selection"].map((trait) => this.model.get(trait));
    const selection = loopAt(edge, time, before, ...this.limits, SHORTEST);
    if (selection) this.widget.save({ selection });
  }

  /** Move the stretch in view as little as shows the playhead's window; read it out if focused. */
  reveal() {
    const [from, to] = windowSpan(this.here, this.plot.windows);
    const { start, stop } = this.plot.span;
    const shift = from < start ? from - start : Math.max(to - stop, 0);
    if (shift) this.widget.save({ start: start + shift, stop: stop + shift });
    if (document.activeElement === this.canvas) this.point({ hover: -1, cursor: this.here });
  }

  pointerDown(event) {
    const from = this.plot.secondsAt(this.canvas, event);
    if (from === null || event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.focus({ preventScroll: true });
    this.drag = { x: event.clientX, from, selecting: event.shiftKey, selection: null };
  }

  pointerMove(event) {
    const seconds = this.plot.secondsAt(this.canvas, event);
    this.point({ hover: seconds === null ? -1 : windowAt(seconds, this.plot.windows) });
    const { drag } = this;
    if (!drag || Math.abs(event.clientX - drag.x) < DRAG_PX) return;
    drag.moved = true;
    if (!drag.selecting) return;
    const to = this.plot.secondsAt(this.canvas, event, true);
    drag.selection = loopBetween(drag.from, to, ...this.limits, SHORTEST);
    this.repaint();
  }

  pointerUp() {
    const { drag } = this;
    if (!drag) return;
    this.endDrag();
    if (drag.selection) this.widget.save({ selection: drag.selection });
    else if (!drag.moved) {
      const index = windowAt(drag.from, this.plot.windows);
      this.point({ cursor: index });
      this.seek(index);
    }
  }

  endDrag() {
    this.drag = null;
    this.repaint();
  }
}
