// The picture of scores: steps of every target, hatches where there is none, arrows beyond the axis.

import { niceTicks } from "../axes.js";
import { beginAxes, cleared, paintLevelLabel, paintTimeAxis } from "../canvas.js";
import { MARGIN } from "./plot.js";
import { median, scoredRuns, windowSpan } from "./windows.js";

const HATCH = { height: 5, step: 4 };
const ARROW = { half: 5, height: 7, apart: 10, textApart: 18 };

export class Painter {
  constructor(model, plot, canvas) {
    Object.assign(this, { model, plot, canvas });
  }

  /** Paint all of it: `selection` is null or [start, stop], `index` the window that is read. */
  paint(selection, index) {
    const { plot } = this;
    const context = cleared(this.canvas, plot.size.ratio);
    this.ink = getComputedStyle(this.canvas).color;
    this.paintAxes(context);
    context.save();
    context.beginPath();
    context.rect(MARGIN.left, 0, plot.inner.width, plot.size.height);
    context.clip();
    if (selection) this.paintBand(context, 0.14, selection);
    if (index >= 0) this.paintBand(context, 0.1, windowSpan(index, plot.windows));
    plot.columns.forEach((values, k) => {
      context.strokeStyle = context.fillStyle = plot.targets[k].color;
      this.paintMedian(context, values);
      this.paintSilence(context, values, k);
      this.paintSteps(context, values);
      this.paintArrows(context, values, k);
    });
    this.fill(context, 0.8, plot.x(this.model.get("time")), MARGIN.top, 1, plot.inner.height);
    context.restore();
  }

  /** Rectangle in the colour of the text, on whole pixels. */
  fill(context, alpha, x, y, width, height) {
    context.globalAlpha = alpha;
    context.fillStyle = this.ink;
    context.fillRect(Math.round(x), Math.round(y), width, height);
    context.globalAlpha = 1;
  }

  paintAxes(context) {
    const { inner, range, span } = this.plot;
    const ticks = niceTicks(...range, inner.height / 26);
    for (const db of ticks) {
      const alpha = db ? 0.12 : 0.6;
      this.fill(context, alpha, MARGIN.left, this.plot.level(db).y, inner.width, 1);
    }
    beginAxes(context, this.canvas);
    for (const db of ticks) {
      const text = `${db < 0 ? "−" : ""}${Math.abs(db)} dB`;
      paintLevelLabel(context, text, MARGIN.left, this.plot.level(db).y);
    }
    const bottom = MARGIN.top + inner.height;
    paintTimeAxis(context, span, inner.width, bottom, (seconds) => this.plot.x(seconds));
    context.globalAlpha = 1;
  }

  paintBand(context, alpha, [from, to]) {
    const [a, b] = [this.plot.x(from), this.plot.x(to)];
    this.fill(context, alpha, a, MARGIN.top, Math.max(b - a, 1), this.plot.inner.height);
  }

  paintMedian(context, values) {
    const { y, beyond } = this.plot.level(median(values));
    if (!Number.isFinite(y) || beyond) return;
    context.globalAlpha = 0.6;
    context.lineWidth = 1;
    context.setLineDash([5, 4]);
    context.beginPath();
    context.moveTo(MARGIN.left, Math.round(y) + 0.5);
    context.lineTo(MARGIN.left + this.plot.inner.width, Math.round(y) + 0.5);
    context.stroke();
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  /** Hatch below windows without a score, every target's in a row of its own. */
  paintSilence(context, values, k) {
    const { plot } = this;
    const top = plot.y(1) - HATCH.height * (plot.targets.length - k);
    context.lineWidth = 1;
    values.forEach((value, i) => {
      if (!Number.isNaN(value)) return;
      const [from, to] = windowSpan(i, plot.windows).map((seconds) => plot.x(seconds));
      context.save();
      context.beginPath();
      context.rect(from, top, to - from, HATCH.height - 1);
      context.clip();
      context.beginPath();
      const first = Math.max(from, MARGIN.left) - HATCH.height;
      const last = Math.min(to, MARGIN.left + plot.inner.width);
      for (let x = HATCH.step * Math.floor(first / HATCH.step); x < last; x += HATCH.step) {
        context.moveTo(x, top + HATCH.height);
        context.lineTo(x + HATCH.height, top);
      }
      context.stroke();
      context.restore();
    });
  }

  paintSteps(context, values) {
    const { plot } = this;
    context.lineWidth = 2;
    context.lineJoin = "round";
    for (const run of scoredRuns(values, plot.windows)) {
      context.beginPath();
      for (const i of run) {
        const { y } = plot.level(values[i]);
        for (const seconds of windowSpan(i, plot.windows)) context.lineTo(plot.x(seconds), y);
      }
      context.stroke();
    }
  }

  /** Where a score lies beyond the axis: an arrow, and its name if it is infinite. */
  paintArrows(context, values, k) {
    const { plot } = this;
    const aside = (k - (plot.targets.length - 1) / 2) * ARROW.apart;
    let [before, named] = [-Infinity, -Infinity];
    values.forEach((value, i) => {
      const { y, beyond } = plot.level(value);
      const [from, to] = windowSpan(i, plot.windows).map((seconds) => plot.x(seconds));
      const x = (from + to) / 2 + aside;
      if (!beyond || x - before < ARROW.apart) return;
      before = x;
      const tip = y - beyond * (ARROW.height - 1);
      context.beginPath();
      context.moveTo(x, tip);
      context.lineTo(x - ARROW.half, tip + beyond * ARROW.height);
      context.lineTo(x + ARROW.half, tip + beyond * ARROW.height);
      context.fill();
      if (Number.isFinite(value) || x - named < ARROW.textApart) return;
      named = x;
      context.textAlign = "center";
      context.textBaseline = beyond > 0 ? "top" : "bottom";
      context.fillText("∞", x, tip + beyond * (ARROW.height + 2));
    });
  }
}
