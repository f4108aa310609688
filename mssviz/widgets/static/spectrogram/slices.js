// Levels along the lines through the pinned bin: its frame's spectrum, and its course in time.

import { cleared, fitCanvas } from "../canvas.js";
import { bytesOf, make } from "../elements.js";
import { MARGIN } from "./plot.js";

const COURSE_HEIGHT = 96;
const MIXTURE_COLOR = "#999999";

export class Slices {
  constructor(model, plot) {
    Object.assign(this, { model, plot, found: null, asked: 0 });
    this.spectrum = make("canvas", "mssviz-slice", { "aria-hidden": "true" });
    this.course = make("canvas", "mssviz-course", { "aria-hidden": "true" });
  }

  /** Ask for the lines through the pinned bin. */
  ask() {
    const pinned = this.model.get("pinned");
    if (!pinned) {
      this.found = null;
      return;
    }
    const [seconds, hertz] = pinned;
    this.model.send({ kind: "slices", id: ++this.asked, seconds, hertz });
  }

  /** Take an answer; one to an older question is passed over. */
  take({ id, names, start, stop }, buffers) {
    if (id !== this.asked) return;
    const levels = buffers.map((buffer) => new Float32Array(bytesOf(buffer).slice().buffer));
    const n = names.length;
    this.found = { start, stop, spectra: levels.slice(0, n), courses: levels.slice(n) };
  }

  resize() {
    const { outer, height, ratio, room } = this.plot.size;
    const pinned = this.model.get("pinned");
    fitCanvas(this.spectrum, room, height, ratio);
    fitCanvas(this.course, pinned ? outer : 0, pinned ? COURSE_HEIGHT : 0, ratio);
  }

  paint() {
    if (!this.found || !this.model.get("pinned")) return;
    const { ratio } = this.plot.size;
    const [spectrum, course] = [cleared(this.spectrum, ratio), cleared(this.course, ratio)];
    const stems = this.model.get("_stems").map(({ color }) => color);
    [MIXTURE_COLOR, ...stems].forEach((color, k) => {
      spectrum.strokeStyle = course.strokeStyle = color;
      this.paintSpectrum(spectrum, this.found.spectra[k]);
      this.paintCourse(course, this.found.courses[k]);
    });
  }

  /** Share of the room that a level takes. */
  level(db) {
    const floor = Math.max(this.model.get("floor_db"), -120) - 20;
    return Math.min(Math.max((db - floor) / -floor, 0), 1);
  }

  paintSpectrum(context, levels) {
    const { rows, inner, size } = this.plot;
    context.beginPath();
    for (let y = 0; y < inner.height; y++) {
      let loudest = -200;
      for (let b = rows.from[y]; b < rows.to[y]; b++) loudest = Math.max(loudest, levels[b]);
      context.lineTo(4 + this.level(loudest) * (size.room - 12), MARGIN.top + y);
    }
    context.stroke();
  }

  paintCourse(context, levels) {
    const { start, stop } = this.found;
    context.beginPath();
    levels.forEach((db, i) => {
      const seconds = start + (i / Math.max(levels.length - 1, 1)) * (stop - start);
      const y = COURSE_HEIGHT - 4 - this.level(db) * (COURSE_HEIGHT - 8);
      context.lineTo(this.plot.x(seconds), y);
    });
    context.stroke();
  }
}
