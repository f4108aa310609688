// The brush: the stroke that is being drawn, or the box of the keys, and their outlines.

/** Harmonics that a comb's outline shows. */
const COMB_TEETH = 12;

export class Brush {
  constructor(model, plot) {
    Object.assign(this, { model, plot, stroke: null, box: null });
  }

  get tool() {
    return this.model.get("tool");
  }

  /** Whether dragging paints, and does not look around. */
  get paints() {
    return !["look", "select"].includes(this.tool);
  }

  begin({ seconds, hertz }) {
    this.box = null;
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

  /** Let Python paint all of the box, or its band and the band's multiples. */
  finishBox() {
    const [[start, stop], [low, high]] = [this.box.seconds, this.box.hertz];
    const corners = [
      [start, low],
      [stop, low],
      [stop, high],
      [start, high],
    ];
    if (this.tool === "comb") {
      const [middle, radius_hertz] = [(low + high) / 2, (high - low) / 2];
      const points = [
        [start, middle],
        [stop, middle],
      ];
      this.model.send({ kind: "stroke", tool: "comb", points, brush: { radius_hertz } });
      return;
    }
    const brush = this.tool === "erase" ? { value: 0 } : {};
    this.model.send({ kind: "stroke", tool: "lasso", points: corners, brush });
  }

  /** Forget the stroke that is being drawn, and the box. */
  drop() {
    this.stroke = null;
    this.box = null;
  }

  /** Paint the stroke; without one the box, and the brush where the pointer is. */
  paint(context, pointer) {
    if (!this.paints) return;
    if (this.stroke) {
      this.paintStroke(context);
      return;
    }
    if (this.box) this.paintBox(context);
    if (pointer) this.paintOutline(context, pointer);
  }

  paintBox(context) {
    const { seconds, hertz } = this.box;
    const [left, right] = seconds.map((time) => this.plot.x(time));
    const [bottom, top] = hertz.map((frequency) => this.plot.y(frequency));
    for (const [color, dash] of [
      ["#000000", []],
      ["#ffffff", [5, 4]],
    ]) {
      context.strokeStyle = color;
      context.lineWidth = 2;
      context.setLineDash(dash);
      context.strokeRect(left, top, right - left, bottom - top);
    }
    context.setLineDash([]);
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
