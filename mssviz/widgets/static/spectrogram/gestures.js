// Wheel, pointers and keys on the picture: they move it, select, pin, and lead the brush.

import { frequencyToUnit, panRange, unitToFrequency, zoomRange } from "../axes.js";

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
    on("keydown", (event) => this.key(event));
  }

  save(values) {
    this.widget.saveSoon(values);
  }

  // --- moving the picture --------------------------------------------------------------------

  zoomTime(factor, around) {
    const { start, stop } = this.plot.axes;
    const limits = this.plot.timeLimits;
    const [from, to] = zoomRange([start, stop], factor, around, limits, LEAST_SECONDS);
    this.save({ start: from, stop: to });
  }

  /** `around` counts from the picture's lower edge, 0, to its upper, 1. */
  zoomFrequency(factor, around) {
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

  // --- keys and wheel ------------------------------------------------------------------------

  key(event) {
    const { start, stop, ...axis } = this.plot.axes;
    const middle = (start + stop) / 2;
    const actions = {
      ArrowLeft: () => this.pan(-0.1, 0),
      ArrowRight: () => this.pan(0.1, 0),
      ArrowUp: () => this.pan(0, 0.1),
      ArrowDown: () => this.pan(0, -0.1),
      "+": () => (event.shiftKey ? this.zoomFrequency(0.8, 0.5) : this.zoomTime(0.8, middle)),
      "*": () => this.zoomFrequency(0.8, 0.5),
      "-": () => this.zoomTime(1.25, middle),
      _: () => this.zoomFrequency(1.25, 0.5),
      Home: () => this.showAll(),
      Enter: () => this.save({ pinned: [middle, unitToFrequency(0.5, axis)] }),
      Escape: () => this.escape(),
    };
    actions["="] = actions["+"];
    if (!actions[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    actions[event.key]();
  }

  /** Drop the stroke that is being drawn; where there is none, what is pinned and selected. */
  escape() {
    if (!this.brush.stroke) {
      this.save({ pinned: null, selection: null });
      return;
    }
    this.brush.drop();
    this.pointers.clear();
    this.repaint();
  }

  wheel(event) {
    event.preventDefault();
    const { seconds, unit } = this.plot.place(this.canvas, event);
    const factor = Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * 0.006);
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (event.ctrlKey || event.shiftKey) this.zoomFrequency(factor, 1 - unit);
    else if (sideways) this.pan(event.deltaX / this.plot.inner.width, 0);
    else this.zoomTime(factor, seconds);
  }

  // --- pointers ------------------------------------------------------------------------------

  pointerDown(event) {
    const place = this.plot.place(this.canvas, event);
    if (!place.inside) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.focus({ preventScroll: true });
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.moved = false;
    this.from = place;
    const looking = this.brush.tool === "look";
    this.selecting = event.shiftKey && looking;
    if (this.pointers.size > 1) this.brush.drop();
    else if (!looking) this.brush.begin(place);
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
      const { seconds, hertz } = this.plot.place(this.canvas, event);
      this.save({ pinned: [seconds, hertz], time: this.withinSong(seconds), selection: null });
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
