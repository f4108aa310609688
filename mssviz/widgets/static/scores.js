// Scores over time: steps of one measure of every target, and all measures of one window as text.

import { TIME_MARGIN, niceTicks, pictureWidth } from "./axes.js";
import { keepKeys, make, oneLine } from "./elements.js";
import {
  formatScore,
  levelRange,
  levelToUnit,
  median,
  scoreValues,
  scoredRuns,
  windowAt,
  windowSpan,
} from "./score_windows.js";

const MARGIN = { ...TIME_MARGIN, top: 8, bottom: 20 };
const MEASURES = {
  SDR: "SDR: all errors",
  ISR: "ISR: filtering and panning",
  SIR: "SIR: leakage of others",
  SAR: "SAR: artefacts",
};
const DRAG_PX = 4;
const HATCH = { height: 5, step: 4 };
const ARROW = { half: 5, height: 7, apart: 10, textApart: 18 };
const HINT = "median of all windows; point at one to read it, click to go there";

/** Seconds for people, as exact as a window's edge needs. */
function formatSeconds(seconds) {
  return String(Number(seconds.toFixed(3)));
}

class ScoresView {
  constructor(model, el) {
    this.model = model;
    this.el = el;
    this.hover = -1;
    this.cursor = -1;
    this.drag = null;
    this.aborter = new AbortController();
    this.build();
    this.listen();
    this.read();
    this.resize();
  }

  // --- state ---------------------------------------------------------------------------------

  /** Take the scores from the model's state. */
  read() {
    const { targets, ...table } = this.model.get("_table");
    this.table = table;
    this.targets = targets.map(({ name, color, ...columns }) => ({
      name,
      color,
      values: Object.fromEntries(Object.keys(MEASURES).map((m) => [m, scoreValues(columns[m])])),
    }));
    const last = table.times.length - 1;
    this.hover = Math.min(this.hover, last);
    this.cursor = Math.min(this.cursor, last);
    this.showMeasure();
  }

  /** The drawn measure's values of every target. */
  get columns() {
    return this.targets.map(({ values }) => values[this.model.get("measure")]);
  }

  /** Window that is read: under the pointer, or where the keys went. */
  get current() {
    return this.hover >= 0 ? this.hover : this.cursor;
  }

  save(values) {
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    this.model.save_changes();
  }

  seek(index) {
    if (index >= 0) this.save({ time: this.table.times[index], selection: null });
  }

  /** Move the part of the song in view as little as shows a window. */
  reveal(index) {
    const [from, to] = windowSpan(index, this.table);
    const [start, stop] = [this.model.get("start"), this.model.get("stop")];
    const shift = from < start ? from - start : Math.max(to - stop, 0);
    if (shift) this.save({ start: start + shift, stop: stop + shift });
  }

  // --- building ------------------------------------------------------------------------------

  build() {
    this.el.classList.add("mssviz-scoreview");
    this.select = make("select", "", { "aria-label": "Measure" });
    for (const [value, text] of Object.entries(MEASURES)) {
      this.select.append(make("option", "", { value }, text));
    }
    this.legend = make("div", "mssviz-legend");
    this.canvas = make("canvas", "mssviz-picture", {
      tabindex: "0",
      role: "application",
      "aria-label":
        "Scores over time. Left and right go from window to window, home and end to the first and last, " +
        "enter moves the playhead there, escape clears the selection.",
    });
    this.stage = make("div", "mssviz-stage", {}, this.canvas);
    this.readout = make("div", "mssviz-readout", { role: "status" });
    const toolbar = make("div", "mssviz-toolbar", {}, this.select, this.legend);
    this.el.append(toolbar, this.stage, this.readout);
  }

  listen() {
    const on = (target, type, handler) =>
      target.addEventListener(type, handler, { signal: this.aborter.signal });
    on(this.select, "change", () => this.save({ measure: this.select.value }));
    on(this.canvas, "pointerdown", (event) => this.pointerDown(event));
    on(this.canvas, "pointermove", (event) => this.pointerMove(event));
    on(this.canvas, "pointerup", (event) => this.pointerUp(event));
    on(this.canvas, "pointercancel", () => this.endDrag());
    on(this.canvas, "pointerleave", () => this.point({ hover: -1 }));
    on(this.canvas, "blur", () => this.point({ cursor: -1 }));
    on(this.canvas, "keydown", (event) => this.key(event));
    keepKeys(this.el, { signal: this.aborter.signal });
    const repaint = ["start", "stop", "time", "selection"];
    this.handlers = repaint.map((name) => [`change:${name}`, () => this.schedule()]);
    this.handlers.push(["change:measure", () => this.showMeasure()]);
    this.handlers.push(["change:_table", () => this.read()]);
    for (const name of ["height", "pinned"])
      this.handlers.push([`change:${name}`, () => this.resize()]);
    for (const [event, handler] of this.handlers) this.model.on(event, handler);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.el);
  }

  // --- pointer and keys ----------------------------------------------------------------------

  /** Time under the pointer, kept within the picture; null beside it. */
  secondsAt(event, clamped = false) {
    const box = this.canvas.getBoundingClientRect();
    const x = (event.clientX - box.left - MARGIN.left) / this.inner.width;
    if (!clamped && (x < 0 || x > 1)) return null;
    const [start, stop] = [this.model.get("start"), this.model.get("stop")];
    return start + Math.min(Math.max(x, 0), 1) * (stop - start);
  }

  point(where) {
    const before = this.current;
    Object.assign(this, where);
    if (this.current === before) return;
    this.showReadout();
    this.schedule();
  }

  pointerDown(event) {
    const from = this.secondsAt(event);
    if (from === null || event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.focus({ preventScroll: true });
    this.drag = { x: event.clientX, from, selecting: event.shiftKey, selection: null };
  }

  pointerMove(event) {
    const seconds = this.secondsAt(event);
    this.point({ hover: seconds === null ? -1 : windowAt(seconds, this.table) });
    const { drag } = this;
    if (!drag || Math.abs(event.clientX - drag.x) < DRAG_PX) return;
    drag.moved = true;
    if (!drag.selecting) return;
    drag.selection = [drag.from, this.secondsAt(event, true)].sort((a, b) => a - b);
    this.schedule();
  }

  pointerUp() {
    const { drag } = this;
    if (!drag) return;
    this.endDrag();
    if (drag.selection) this.save({ selection: drag.selection });
    else if (!drag.moved) {
      const index = windowAt(drag.from, this.table);
      this.point({ cursor: index });
      this.seek(index);
    }
  }

  endDrag() {
    this.drag = null;
    this.schedule();
  }

  key(event) {
    const last = this.table.times.length - 1;
    const here = Math.max(windowAt(this.model.get("time"), this.table), 0);
    const go = (index) => {
      this.reveal(index);
      this.point({ hover: -1, cursor: index });
    };
    const step = (by) => go(this.cursor < 0 ? here : Math.min(Math.max(this.cursor + by, 0), last));
    const actions = {
      ArrowLeft: () => step(-1),
      ArrowRight: () => step(1),
      Home: () => go(0),
      End: () => go(last),
      Enter: () => this.seek(this.cursor),
      Escape: () => this.save({ selection: null }),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    actions[event.key]();
  }

  // --- text ----------------------------------------------------------------------------------

  showMeasure() {
    this.select.value = this.model.get("measure");
    this.range = levelRange(this.columns);
    this.showLegend();
    this.showReadout();
    this.schedule();
  }

  showLegend() {
    const { repaired } = this.table;
    const items = this.targets.map(({ name, color }, k) => {
      const scored = this.columns[k].filter((value) => !Number.isNaN(value));
      const middle = scored.length ? `median ${formatScore(median(scored))} dB` : "no score";
      const damaged = repaired.filter(Boolean).length;
      const silent = repaired.length - damaged - scored.length;
      const left = `${silent} silent${damaged ? `, ${damaged} damaged` : ""}`;
      const title = `${name}: median of ${scored.length} of ${repaired.length} windows (${left})`;
      const key = make(
        "span",
        "mssviz-key",
        { title },
        oneLine(name),
        make("span", "mssviz-median", {}, middle),
      );
      key.style.setProperty("--key", color);
      return key;
    });
    if (this.columns.some((values) => values.some(Number.isNaN))) {
      const title =
        "no score: in the window a reference or an estimate is silent, or a file is damaged";
      const why = repaired.some(Boolean) ? "silent or damaged" : "silent";
      items.push(make("span", "mssviz-silent", { title }, why));
    }
    if (
      this.columns.some((values) => values.some((value) => levelToUnit(value, this.range).beyond))
    ) {
      items.push(
        make("span", "", { title: "the score lies beyond the axis" }, "▲▼ beyond the axis"),
      );
    }
    this.legend.replaceChildren(...items);
  }

  showReadout() {
    const index = this.current;
    const { times, window, repaired } = this.table;
    const why = repaired[index] ? "damaged" : "silent";
    const caption =
      index < 0
        ? HINT
        : `window from ${formatSeconds(times[index])} to ${formatSeconds(times[index] + window)} s`;
    const head = make("tr", "", {}, make("th"));
    for (const name of Object.keys(MEASURES))
      head.append(make("th", this.drawn(name), { scope: "col" }, name));
    const rows = this.targets.map(({ name, color, values }) => {
      const label = make("th", "mssviz-key", { scope: "row" }, oneLine(name));
      label.style.setProperty("--key", color);
      const cells = Object.entries(values).map(([measure, column]) =>
        make(
          "td",
          this.drawn(measure),
          {},
          formatScore(index < 0 ? median(column) : column[index], why),
        ),
      );
      return make("tr", "", {}, label, ...cells);
    });
    const title = make("div", "mssviz-reading", {}, `Scores in dB, ${caption}`);
    this.readout.replaceChildren(title, make("table", "", {}, head, ...rows));
  }

  /** Class of what belongs to the drawn measure. */
  drawn(measure) {
    return measure === this.model.get("measure") ? "mssviz-drawn" : "";
  }

  // --- painting ------------------------------------------------------------------------------

  resize() {
    const room = Math.floor(this.stage.clientWidth);
    if (!room) return;
    const ratio = window.devicePixelRatio || 1;
    const width = pictureWidth(room, this.model.get("pinned"));
    const height = this.model.get("height");
    this.size = { width, height, ratio };
    this.inner = {
      width: width - MARGIN.left - MARGIN.right,
      height: height - MARGIN.top - MARGIN.bottom,
    };
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.schedule();
  }

  schedule() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (this.size) this.paint();
    });
  }

  x(seconds) {
    const [start, stop] = [this.model.get("start"), this.model.get("stop")];
    return MARGIN.left + ((seconds - start) / (stop - start)) * this.inner.width;
  }

  y(unit) {
    return MARGIN.top + unit * this.inner.height;
  }

  paint() {
    const context = this.canvas.getContext("2d");
    const { width, height, ratio } = this.size;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    this.ink = getComputedStyle(this.el).color;
    this.paintAxes(context);
    context.save();
    context.beginPath();
    context.rect(MARGIN.left, 0, this.inner.width, height);
    context.clip();
    this.paintBands(context);
    this.columns.forEach((values, k) => {
      context.strokeStyle = context.fillStyle = this.targets[k].color;
      this.paintMedian(context, values);
      this.paintSilence(context, values, k);
      this.paintSteps(context, values);
      this.paintArrows(context, values, k);
    });
    this.fill(context, 0.8, this.x(this.model.get("time")), MARGIN.top, 1, this.inner.height);
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
    const [left, bottom] = [MARGIN.left, MARGIN.top + this.inner.height];
    context.font = "11px system-ui, sans-serif";
    context.fillStyle = this.ink;
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const db of niceTicks(...this.range, this.inner.height / 26)) {
      const y = this.y(levelToUnit(db, this.range).unit);
      this.fill(context, db ? 0.12 : 0.6, left, y, this.inner.width, 1);
      this.fill(context, 0.85, left - 4, y, 4, 1);
      context.fillText(`${db < 0 ? "−" : ""}${Math.abs(db)} dB`, left - 7, y);
    }
    context.textAlign = "center";
    context.textBaseline = "top";
    const [start, stop] = [this.model.get("start"), this.model.get("stop")];
    for (const seconds of niceTicks(start, stop, this.inner.width / 90)) {
      this.fill(context, 0.85, this.x(seconds), bottom, 1, 4);
      context.fillText(`${seconds} s`, this.x(seconds), bottom + 6);
    }
  }

  /** What is selected, and the window that is read. */
  paintBands(context) {
    const band = (alpha, from, to) => {
      const [a, b] = [this.x(from), this.x(to)];
      this.fill(context, alpha, a, MARGIN.top, Math.max(b - a, 1), this.inner.height);
    };
    const selection = this.drag?.selection ?? this.model.get("selection");
    if (selection) band(0.14, ...selection);
    if (this.current >= 0) band(0.1, ...windowSpan(this.current, this.table));
  }

  paintMedian(context, values) {
    const { unit, beyond } = levelToUnit(median(values), this.range);
    if (!Number.isFinite(unit) || beyond) return;
    context.globalAlpha = 0.6;
    context.lineWidth = 1;
    context.setLineDash([5, 4]);
    context.beginPath();
    context.moveTo(MARGIN.left, Math.round(this.y(unit)) + 0.5);
    context.lineTo(MARGIN.left + this.inner.width, Math.round(this.y(unit)) + 0.5);
    context.stroke();
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  /** Hatch below windows without a score, every target's in a row of its own. */
  paintSilence(context, values, k) {
    const top = this.y(1) - HATCH.height * (this.targets.length - k);
    context.lineWidth = 1;
    values.forEach((value, i) => {
      if (!Number.isNaN(value)) return;
      const [from, to] = windowSpan(i, this.table).map((seconds) => this.x(seconds));
      context.save();
      context.beginPath();
      context.rect(from, top, to - from, HATCH.height - 1);
      context.clip();
      context.beginPath();
      const first = Math.max(from, MARGIN.left) - HATCH.height;
      const last = Math.min(to, MARGIN.left + this.inner.width);
      for (let x = HATCH.step * Math.floor(first / HATCH.step); x < last; x += HATCH.step) {
        context.moveTo(x, top + HATCH.height);
        context.lineTo(x + HATCH.height, top);
      }
      context.stroke();
      context.restore();
    });
  }

  paintSteps(context, values) {
    context.lineWidth = 2;
    context.lineJoin = "round";
    for (const run of scoredRuns(values, this.table)) {
      context.beginPath();
      for (const i of run) {
        const y = this.y(levelToUnit(values[i], this.range).unit);
        for (const seconds of windowSpan(i, this.table)) context.lineTo(this.x(seconds), y);
      }
      context.stroke();
    }
  }

  /** Where a score lies beyond the axis: an arrow, and its name if it is infinite. */
  paintArrows(context, values, k) {
    const aside = (k - (this.targets.length - 1) / 2) * ARROW.apart;
    let [before, named] = [-Infinity, -Infinity];
    values.forEach((value, i) => {
      const { unit, beyond } = levelToUnit(value, this.range);
      const [from, to] = windowSpan(i, this.table).map((seconds) => this.x(seconds));
      const x = (from + to) / 2 + aside;
      if (!beyond || x - before < ARROW.apart) return;
      before = x;
      const tip = this.y(unit) - beyond * (ARROW.height - 1);
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

  close() {
    this.aborter.abort();
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
    for (const [event, handler] of this.handlers) this.model.off(event, handler);
    this.el.replaceChildren();
  }
}

export default {
  render({ model, el }) {
    const view = new ScoresView(model, el);
    el.mssvizScores = view;
    return () => view.close();
  },
};
