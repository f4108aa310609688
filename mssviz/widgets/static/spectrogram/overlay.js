// What lies over the picture: selection, playhead, pinned bin, brush. A playing song moves it.

import { cleared } from "../canvas.js";
import { MARGIN } from "./plot.js";

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
    }
    this.line(context, this.model.get("time"), null, "#ffffff");
    const pinned = this.model.get("pinned");
    if (pinned) this.line(context, ...pinned, "#7fd4ff");
    this.brush.paint(context, pointer);
    context.restore();
  }

  /** Line at a time, and one at a frequency if there is one. */
  line(context, seconds, hertz, color) {
    const { width, height } = this.plot.inner;
    context.fillStyle = color;
    context.globalAlpha = 0.8;
    context.fillRect(Math.round(this.plot.x(seconds)), MARGIN.top, 1, height);
    if (hertz !== null) context.fillRect(MARGIN.left, Math.round(this.plot.y(hertz)), width, 1);
    context.globalAlpha = 1;
  }
}
