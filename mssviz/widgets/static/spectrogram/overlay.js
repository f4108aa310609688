// What lies over the picture: selection, playhead, pinned bin, brush. A playing song moves it.

import { cleared } from "../canvas.js";
import { MARGIN } from "./plot.js";

/** Width of what is dark, and lies under each line, so that it is seen on every picture. */
const UNDER = 3;

export class Overlay {
  constructor(model, plot, canvas, brush) {
    Object.assign(this, { model, plot, canvas, brush });
  }

  /** Paint all of it; `pointer` is the place that the pointer is at, if it is in the picture. */
  paint(pointer) {
    const { width, height } = this.plot.inner;
    const context = cleared(this.canvas, this.plot.size.ratio);
    context.save();
    context.beginPath();
    context.rect(MARGIN.left, MARGIN.top, width, height);
    context.clip();
    const selection = this.model.get("selection");
    if (selection) {
      context.fillStyle = "rgba(255, 255, 255, 0.16)";
      const [a, b] = selection.map((seconds) => this.plot.x(seconds));
      context.fillRect(a, MARGIN.top, b - a, height);
      this.outline(context, [a, MARGIN.top, b - a, height]);
    }
    this.line(context, this.model.get("time"), null, "#ffffff");
    const pinned = this.model.get("pinned");
    if (pinned) this.line(context, ...pinned, "#7fd4ff");
    for (const box of this.model.get("boxes")) this.box(context, box);
    this.brush.paint(context, pointer);
    context.restore();
  }

  /** Outline that is seen on light and on dark, with its label at the upper left. */
  box(context, { start, stop, low, high, label }) {
    const [left, right] = [this.plot.x(start), this.plot.x(stop)];
    const [top, bottom] = [this.plot.y(high), this.plot.y(low)];
    const y = top > MARGIN.top + 14 ? top - 4 : bottom + 12;
    context.font = "600 11px system-ui, sans-serif";
    this.outline(context, [left, top, right - left, bottom - top]);
    Object.assign(context, { strokeStyle: "#000000", lineWidth: UNDER });
    context.strokeText(label, left, y);
    context.fillStyle = "#ffffff";
    context.fillText(label, left, y);
  }

  /** A rectangle's edges. */
  outline(context, rectangle) {
    for (const [color, width] of [
      ["#000000", UNDER],
      ["#ffffff", 1],
    ]) {
      Object.assign(context, { strokeStyle: color, lineWidth: width });
      context.strokeRect(...rectangle);
    }
  }

  /** Line at a time, and one at a frequency if there is one. */
  line(context, seconds, hertz, color) {
    const { width, height } = this.plot.inner;
    const x = Math.round(this.plot.x(seconds));
    const y = hertz === null ? null : Math.round(this.plot.y(hertz));
    for (const [fill, wide] of [
      ["#000000", UNDER],
      [color, 1],
    ]) {
      const edge = (wide - 1) / 2;
      context.fillStyle = fill;
      context.fillRect(x - edge, MARGIN.top, wide, height);
      if (y !== null) context.fillRect(MARGIN.left, y - edge, width, wide);
    }
  }
}
