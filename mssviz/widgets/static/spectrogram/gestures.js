// Wheel and pointers on the picture: they move it, go to a time, select, pin, and lead the brush.

import { frequencyToUnit, panRange, unitToFrequency, zoomRange } from "../axes.js";
import { loopAt } from "../loop.js";

const LEAST_SECONDS = 0.1;
/** Lowest frequency of the whole picture on a logarithmic axis; below lie only few bins. */
const LOW_HERTZ = 40;
/** Movements of a pointer, in pixels, up to which it counts as resting. */
const CLICK_PX = 2;

export class Gestures {
  /**
   * `readout` is asked for the bin under the pointer, and `repaint` is called when only the
   * pointer or the brush has moved.
   */
  constructor({ widget, plot, canvas, brush, readout, repaint }) {
    Object.assign(this, { widget, model: widget.model, plot, canvas, brush, readout, repaint });
    /** Place of a pointer that hovers over the picture. */
    this.hover = null;
    /** Pointers that are down, by their ids: where they were last, in pixels of the page. */
    this.pointers = new Map();
    const on = (type, listener, options) => widget.on(canvas, type, listener, options);
    on("wheel", (event) => this.wheel(event), { passive: false });
    on("pointerdown", (event) => this.pointerDown(event));
    on("pointermove", (event) => this.pointerMove(event));
    on("pointerup", (event) => this.pointerUp(event));
    on("pointercancel", (event) => this.pointerUp(event));
    on("pointerleave", () => this.leave());
    on("dblclick", () => this.showAll());
  }

  save(values) {
    this.widget.saveSoon(values);
  }

  /** Time of the playhead, or of the picture's middle where the playhead is not in it. */
  get middle() {
    const { start, stop } = this.plot.axes;
    const time = this.model.get("time");
    return start <= time && time <= stop ? time : (start + stop) / 2;
  }

  // --- moving the picture --------------------------------------------------------------------

  /** Zoom around a time; left out, around the playhead, or the middle where that is not seen. */
  zoomTime(factor, around = this.middle) {
    const { start, stop } = this.plot.axes;
    const limits = this.plot.timeLimits;
    const [from, to] = zoomRange([start, stop], factor, around, limits, LEAST_SECONDS);
    this.save({ start: from, stop: to });
  }

  /** `around` counts from the picture's lower edge, 0, to its upper, 1. */
  zoomFrequency(factor, around = 0.5) {
    const axis = this.plot.axes;
    const limits = this.plot.frequencyLimits.map((hertz) => frequencyToUnit(hertz, axis));
    const [low, high] = zoomRange([0, 1], factor, around, limits, 0.02);
    this.save({ low: unitToFrequency(low, axis), high: unitToFrequency(high, axis) });
  }

  /** Move by shares of the picture's width and height. */
  pan(time, frequency) {
    const axis = this.plot.axes;
    const span = [axis.start, axis.stop];
    const [start, stop] = panRange(span, time * (span[1] - span[0]), this.plot.timeLimits);
    const limits = this.plot.frequencyLimits.map((hertz) => frequencyToUnit(hertz, axis));
    const [low, high] = panRange([0, 1], frequency, limits);
    this.save({
      start,
      stop,
      low: unitToFrequency(low, axis),
      high: unitToFrequency(high, axis),
    });
  }

  showAll() {
    const [start, stop] = this.plot.timeLimits;
    const [low, high] = this.plot.frequencyLimits;
    const least = this.model.get("scale") === "log" ? LOW_HERTZ : 0;
    this.save({ start, stop, low: Math.max(low, least), high });
  }

  /** Move the picture as little as shows the playhead. */
  reveal() {
    const { start, stop } = this.plot.axes;
    const time = this.model.get("time");
    if (start <= time && time <= stop) return;
    const share = time < start ? 0.1 : 0.9;
    this.pan((time - start) / (stop - start) - share, 0);
  }

  // --- what keys and buttons do --------------------------------------------------------------

  /** Move the selection's start (0) or stop (1) to the playhead. */
  selectHere(edge) {
    const [time, before] = ["time", "selection"].map((trait) => this.model.get(trait));
    const selection = loopAt(edge, time, before, ...this.plot.timeLimits, LEAST_SECONDS);
    if (selection) this.save({ selection });
  }

  /** Pin the bin under the pointer; without one, the one in the middle of the playhead. */
  pin() {
    const hertz = unitToFrequency(0.5, this.plot.axes);
    this.pinAt(this.hover ?? { seconds: this.middle, hertz });
  }

  /** Pin a bin. A trait can reach Python after a button that asks about it; a message does not. */
  pinAt({ seconds, hertz }) {
    this.save({ pinned: [seconds, hertz] });
    this.model.send({ kind: "pin", seconds, hertz });
  }

  /** Take one thing back: the stroke that is being drawn, the brush, the pin, the selection. */
  escape() {
    if (this.brush.stroke || this.brush.box) {
      this.brush.drop();
      this.pointers.clear();
      this.repaint();
    } else if (this.brush.tool !== "look") this.save({ tool: "look" });
    else if (this.model.get("pinned")) this.save({ pinned: null });
    else this.save({ selection: null });
  }

  // --- wheel ---------------------------------------------------------------------------------

  /** Zoom or move; over a picture without focus, and without Ctrl, the page is scrolled. */
  wheel(event) {
    if (!event.ctrlKey && document.activeElement !== this.canvas) return;
    event.preventDefault();
    const { deltaX, deltaY, shiftKey } = event;
    const { seconds, unit } = this.plot.place(this.canvas, event);
    const sideways = Math.abs(deltaX) > Math.abs(deltaY);
    const turned = sideways ? deltaX : deltaY; // with Shift, some systems turn the wheel sideways
    const factor = Math.exp(Math.max(-60, Math.min(60, turned)) * 0.006);
    if (shiftKey) this.zoomFrequency(factor, 1 - unit);
    else if (sideways) this.pan(deltaX / this.plot.inner.width, 0);
    else this.zoomTime(factor, seconds);
  }

  // --- pointers ------------------------------------------------------------------------------

  pointerDown(event) {
    const place = this.plot.place(this.canvas, event);
    if (!place.inside || event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.focus({ preventScroll: true });
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.moved = false;
    this.from = place;
    this.selecting = this.brush.tool === "select" || event.shiftKey;
    if (this.pointers.size > 1) this.brush.drop();
    else if (this.brush.paints && !event.altKey) this.brush.begin(place);
  }

  pointerMove(event) {
    const place = this.plot.place(this.canvas, event);
    this.hover = place.inside ? place : null;
    const before = this.pointers.get(event.pointerId);
    if (before) {
      this.drag(event.pointerId, before, { x: event.clientX, y: event.clientY }, place);
      return;
    }
    if (place.inside) this.readout.ask(place);
    this.repaint();
  }

  /** What a pointer that is down does on its way from one point of the page to another. */
  drag(id, before, now, place) {
    const distance = Math.hypot(now.x - before.x, now.y - before.y);
    if (distance > CLICK_PX) this.moved = true;
    if (this.brush.stroke) {
      if (distance < 1) return; // nobody sees the difference
      this.pointers.set(id, now);
      this.brush.extend(place);
      this.repaint();
      return;
    }
    if (!this.moved) return;
    if (this.pointers.size === 2) this.pinch(id, now);
    else if (this.selecting) this.select(place);
    else {
      const { width, height } = this.plot.inner;
      this.pan((before.x - now.x) / width, (now.y - before.y) / height);
      this.pointers.set(id, now);
    }
  }

  select({ seconds }) {
    const ends = [this.from.seconds, seconds].map((time) => this.withinSong(time));
    ends.sort((a, b) => a - b);
    if (ends[1] - ends[0] >= LEAST_SECONDS) this.save({ selection: ends });
  }

  pinch(id, now) {
    const other = [...this.pointers].find(([key]) => key !== id)[1];
    const before = this.pointers.get(id);
    const apart = (point) => Math.max(Math.hypot(point.x - other.x, point.y - other.y), 1);
    const middle = { clientX: (now.x + other.x) / 2, clientY: (now.y + other.y) / 2 };
    this.zoomTime(apart(before) / apart(now), this.plot.place(this.canvas, middle).seconds);
    this.pointers.set(id, now);
  }

  pointerUp(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (event.type === "pointercancel") this.brush.drop();
    if (this.brush.stroke) this.brush.finish();
    else if (!this.moved && event.type === "pointerup") {
      const place = this.plot.place(this.canvas, event);
      if (event.altKey) this.pinAt(place);
      else this.save({ time: this.withinSong(place.seconds) });
    }
    this.repaint();
  }

  leave() {
    this.hover = null;
    this.repaint();
    const pinned = this.model.get("pinned");
    if (pinned) this.readout.ask({ seconds: pinned[0], hertz: pinned[1] });
  }

  withinSong(seconds) {
    const [first, last] = this.plot.timeLimits;
    return Math.min(Math.max(seconds, first), last);
  }
}
