// What is drawn, a measure of every target, and where its windows and levels lie.

import { TIME_MARGIN } from "../axes.js";
import { levelRange, levelToUnit, scoreValues } from "./windows.js";

/** Around the picture, for its axes, CSS pixels. */
export const MARGIN = { ...TIME_MARGIN, top: 8, bottom: 20 };

export class Plot {
  constructor(model) {
    Object.assign(this, { model, size: null });
    this.read();
  }

  /** Take the scores from the model's state. */
  read() {
    const { targets, measures, ...windows } = this.model.get("_table");
    Object.assign(this, { windows, measures });
    this.targets = targets.map(({ name, color, ...columns }) => {
      const values = Object.keys(measures).map((m) => [m, scoreValues(columns[m])]);
      return { name, color, values: Object.fromEntries(values) };
    });
  }

  /** Let the axis have room for the drawn measure. */
  fitRange() {
    this.range = levelRange(this.columns);
  }

  /** The drawn measure's values of every target. */
  get columns() {
    return this.targets.map(({ values }) => values[this.model.get("measure")]);
  }

  get lastWindow() {
    return this.windows.times.length - 1;
  }

  /** What is in view, in seconds. */
  get span() {
    return { start: this.model.get("start"), stop: this.model.get("stop") };
  }

  /** Take the room that there is, in CSS pixels. */
  resize(width) {
    const height = this.model.get("height");
    this.size = { width, height, ratio: window.devicePixelRatio || 1 };
    this.inner = {
      width: width - MARGIN.left - MARGIN.right,
      height: height - MARGIN.top - MARGIN.bottom,
    };
  }

  x(seconds) {
    const { start, stop } = this.span;
    return MARGIN.left + ((seconds - start) / (stop - start)) * this.inner.width;
  }

  /** Place of a level in decibels, and whether it lies beyond the axis: -1, 0, 1. */
  level(db) {
    const { unit, beyond } = levelToUnit(db, this.range);
    return { y: this.y(unit), beyond };
  }

  /** Place of a share of the height, counted from the top. */
  y(unit) {
    return MARGIN.top + unit * this.inner.height;
  }

  /** Time under the pointer, kept within the picture if so wanted; null beside it. */
  secondsAt(canvas, event, clamped = false) {
    const box = canvas.getBoundingClientRect();
    const x = (event.clientX - box.left - MARGIN.left) / this.inner.width;
    if (!clamped && (x < 0 || x > 1)) return null;
    const { start, stop } = this.span;
    return start + Math.min(Math.max(x, 0), 1) * (stop - start);
  }
}
