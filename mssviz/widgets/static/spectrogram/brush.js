// The brush: the stroke that is being drawn, and its outline.

/** Harmonics that a comb's outline shows. */
const COMB_TEETH = 12;

export class Brush {
  constructor(model, plot) {
    Object.assign(this, { model, plot, stroke: null });
  }

  get tool() {
    return this.model.get("tool");
  }

  begin({ seconds, hertz }) {
    this.stroke = { tool: this.tool, points: [[seconds, hertz]] };
  }

  extend({ seconds, hertz }) {
    this.stroke.points.push([seconds, hertz]);
  }

  /** Let Python paint the stroke. */
  finish() {
    this.model.send({ kind: "stroke", ...this.stroke });
    this.stroke = null;
  }

  /** Forget the stroke that is being drawn. */
  drop() {
    this.stroke = null;
  }

  /** Paint the stroke, or the brush where the pointer is. */
  paint(context, pointer) {
    if (this.stroke) this.paintStroke(context);
    else if (pointer && this.tool !== "look") this.paintOutline(context, pointer);
  }

  paintStroke(context) {
    const { tool, points } = this.stroke;
    context.strokeStyle = "#ffffff";
    context.lineWidth = 1.5;
    context.beginPath();
    for (const [seconds, hertz] of points) context.lineTo(this.plot.x(seconds), this.plot.y(hertz));
    if (tool === "lasso") context.closePath();
    context.stroke();
    const [seconds, hertz] = points[points.length - 1];
    this.paintOutline(context, { seconds, hertz });
  }

  paintOutline(context, { seconds, hertz }) {
    if (this.tool === "lasso") return;
    const { x, y } = { x: (s) => this.plot.x(s), y: (f) => this.plot.y(f) };
    const { radius_seconds, radius_hertz } = this.model.get("brush");
    const lowest = this.model.get("low") * 0.5 + 1;
    const across = x(seconds + radius_seconds) - x(seconds);
    context.strokeStyle = "#ffffff";
    context.lineWidth = 1;
    for (let n = 1; n <= (this.tool === "comb" ? COMB_TEETH : 1); n++) {
      const top = y(n * hertz + radius_hertz);
      const bottom = y(Math.max(n * hertz - radius_hertz, lowest));
      const [middle, half] = [(top + bottom) / 2, Math.abs(bottom - top) / 2];
      context.beginPath();
      context.ellipse(x(seconds), middle, across, half, 0, 0, 2 * Math.PI);
      context.stroke();
    }
  }
}
