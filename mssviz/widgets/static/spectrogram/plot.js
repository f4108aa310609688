// Where times and frequencies lie in the picture, and how far it can be moved.

import { binRows, frequencyToUnit, TIME_MARGIN, unitToFrequency } from "../axes.js";

/** Beside the picture, for its axes, CSS pixels. */
export const MARGIN = { ...TIME_MARGIN, top: 4, bottom: 20 };

export class Plot {
  constructor(model) {
    this.model = model;
    this.geometry = model.get("_geometry");
    this.size = null;
  }

  /** What is in view: seconds, hertz, and the frequency axis. */
  get axes() {
    const get = (name) => this.model.get(name);
    return {
      start: get("start"),
      stop: get("stop"),
      low: get("low"),
      high: get("high"),
      scale: get("scale"),
    };
  }

  /** First and last time of the song. */
  get timeLimits() {
    const { offset, end, hop } = this.geometry;
    return [offset, Math.max(end, offset + hop)];
  }

  /** Lowest and highest frequency that an axis reaches. */
  get frequencyLimits() {
    const { hertzPerBin, bins } = this.geometry;
    return [this.model.get("scale") === "log" ? 20 : 0, hertzPerBin * (bins - 1)];
  }

  /** Take the room that there is, in CSS pixels; false if nothing has changed. */
  resize(width, height) {
    const ratio = window.devicePixelRatio || 1;
    const { size } = this;
    if (size && size.width === width && size.height === height && size.ratio === ratio) {
      return false;
    }
    this.size = { width, height, ratio };
    this.inner = {
      width: width - MARGIN.left - MARGIN.right,
      height: height - MARGIN.top - MARGIN.bottom,
    };
    return true;
  }

  /** First and last bin of every row of pixels; the same object while the axis stays. */
  get rows() {
    const { low, high, scale } = this.axes;
    const { height } = this.inner;
    const key = `${low}|${high}|${scale}|${height}`;
    if (key !== this.rowsKey) {
      const { bins, hertzPerBin } = this.geometry;
      this.rowsKey = key;
      this.rowsFound = binRows(height, { low, high, scale }, bins, hertzPerBin);
    }
    return this.rowsFound;
  }

  x(seconds) {
    const [start, stop] = [this.model.get("start"), this.model.get("stop")];
    return MARGIN.left + ((seconds - start) / (stop - start)) * this.inner.width;
  }

  y(hertz) {
    return MARGIN.top + (1 - frequencyToUnit(hertz, this.axes)) * this.inner.height;
  }

  /** Time and frequency under a pointer, and its share of the height from the top. */
  place(canvas, { clientX, clientY }) {
    const box = canvas.getBoundingClientRect();
    const { start, stop, ...axis } = this.axes;
    const x = (clientX - box.left - MARGIN.left) / this.inner.width;
    const y = (clientY - box.top - MARGIN.top) / this.inner.height;
    return {
      seconds: start + x * (stop - start),
      hertz: Math.max(unitToFrequency(1 - y, axis), 0),
      inside: x >= 0 && x <= 1 && y >= 0 && y <= 1,
      unit: y,
    };
  }
}
