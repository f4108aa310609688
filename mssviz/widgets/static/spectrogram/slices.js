// Levels along the lines through the pinned bin, over the picture: the spectrum of its frame at the
// right, and its course in time at the bottom.

import { formatHertz, niceTicks } from "../axes.js";
import { cleared } from "../canvas.js";
import { bytesOf, make } from "../elements.js";
import { MARGIN } from "./plot.js";

const COURSE_HEIGHT = 92;
const SPECTRUM_WIDTH = 150;
/** Room of titles and labels within both. */
const PAD = 16;
const MIXTURE_COLOR = "#bbbbbb";
const GROUND = "rgba(0, 0, 0, 0.78)";
const INK = "#ffffff";

export class Slices {
  constructor(widget, plot) {
    Object.assign(this, { model: widget.model, plot, found: null, asked: 0, answered: 0 });
    this.canvas = make("canvas", "mssviz-slices", { "aria-hidden": "true" });
    this.insist = widget.insist(
      () => this.answered < this.asked && this.model.get("pinned"),
      () => this.ask(),
    );
  }

  /** Ask for the lines through the pinned bin, for the channels and the time that are in view. */
  ask() {
    const pinned = this.model.get("pinned");
    if (!pinned) {
      this.found = null;
      return;
    }
    const [seconds, hertz] = pinned;
    const channel = this.model.get("channel");
    const span = ["start", "stop"].map((edge) => this.model.get(edge));
    this.model.send({ kind: "slices", id: ++this.asked, seconds, hertz, channel, span });
    this.insist();
  }

  /** Take an answer; one to an older question is passed over. */
  take({ id, names, start, stop }, buffers) {
    if (id !== this.asked) return;
    this.answered = id;
    const levels = buffers.map((buffer) => new Float32Array(bytesOf(buffer).slice().buffer));
    const n = names.length;
    this.found = { start, stop, spectra: levels.slice(0, n), courses: levels.slice(n) };
  }

  paint() {
    this.canvas.hidden = !this.found || !this.model.get("pinned");
    if (this.canvas.hidden) return;
    const context = cleared(this.canvas, this.plot.size.ratio);
    const stems = this.model.get("_stems").map(({ color }) => color);
    const colors = [MIXTURE_COLOR, ...stems];
    const [seconds, hertz] = this.model.get("pinned");
    const { spectrum, course } = this.boxes;
    this.within(context, spectrum, `at ${seconds.toFixed(2)} s`, () => {
      this.paintLevelsBelow(context, spectrum);
      colors.forEach((color, k) => this.paintSpectrum(context, color, this.found.spectra[k]));
    });
    this.within(context, course, `at ${formatHertz(hertz)}Hz`, () => {
      this.paintLevelsBeside(context, course);
      colors.forEach((color, k) => this.paintCourse(context, color, this.found.courses[k]));
    });
  }

  /** Where both lie, in pixels of the picture. */
  get boxes() {
    const { width, height } = this.plot.inner;
    const across = Math.min(SPECTRUM_WIDTH, width / 3);
    const down = Math.min(COURSE_HEIGHT, height / 3);
    const bottom = MARGIN.top + height;
    return {
      spectrum: { x: MARGIN.left + width - across, y: MARGIN.top, width: across, height },
      course: { x: MARGIN.left, y: bottom - down, width: width - across, height: down },
    };
  }

  /** Paint within a box, on its ground and below its title. */
  within(context, { x, y, width, height }, title, paint) {
    context.save();
    context.beginPath();
    context.rect(x, y, width, height);
    context.clip();
    context.fillStyle = GROUND;
    context.fillRect(x, y, width, height);
    context.fillStyle = INK;
    context.font = "11px system-ui, sans-serif";
    paint();
    context.fillStyle = INK;
    context.textAlign = "left";
    context.textBaseline = "top";
    context.fillText(title, x + 6, y + 3);
    context.restore();
  }

  /** Lowest level that is shown, in decibels; the highest is 0. */
  get floor() {
    return Math.max(this.model.get("floor_db"), -120) - 20;
  }

  /** Share of the room that a level takes. */
  level(db) {
    return Math.min(Math.max((db - this.floor) / -this.floor, 0), 1);
  }

  /** Place of a level on the spectrum's axis, and on the course's. */
  across(db, { x, width }) {
    return x + 4 + this.level(db) * (width - 12);
  }

  down(db, { y, height }) {
    return y + height - 4 - this.level(db) * (height - PAD - 4);
  }

  paintLevelsBelow(context, box) {
    context.textAlign = "center";
    context.textBaseline = "bottom";
    for (const db of niceTicks(this.floor, 0, 3)) {
      const x = this.across(db, box);
      this.tick(context, x, box.y, 1, box.height);
      if (db > this.floor && db < 0) context.fillText(`${db} dB`, x, box.y + box.height - 2);
    }
  }

  paintLevelsBeside(context, box) {
    context.textAlign = "right";
    context.textBaseline = "bottom";
    for (const db of niceTicks(this.floor, 0, 2)) {
      const y = this.down(db, box);
      this.tick(context, box.x, y, box.width, 1);
      if (db > this.floor && db < 0) context.fillText(`${db} dB`, box.x + box.width - 4, y - 1);
    }
  }

  tick(context, x, y, width, height) {
    context.globalAlpha = 0.25;
    context.fillRect(Math.round(x), Math.round(y), width, height);
    context.globalAlpha = 1;
  }

  paintSpectrum(context, color, levels) {
    const { rows, inner } = this.plot;
    const { spectrum } = this.boxes;
    context.strokeStyle = color;
    context.beginPath();
    for (let y = 0; y < inner.height; y++) {
      let loudest = -200;
      for (let b = rows.from[y]; b < rows.to[y]; b++) loudest = Math.max(loudest, levels[b]);
      context.lineTo(this.across(loudest, spectrum), MARGIN.top + y);
    }
    context.stroke();
  }

  paintCourse(context, color, levels) {
    const { start, stop } = this.found;
    const { course } = this.boxes;
    context.strokeStyle = color;
    context.beginPath();
    levels.forEach((db, i) => {
      const seconds = start + (i / Math.max(levels.length - 1, 1)) * (stop - start);
      context.lineTo(this.plot.x(seconds), this.down(db, course));
    });
    context.stroke();
  }
}
