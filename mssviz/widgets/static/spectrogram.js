// The spectrogram view: asks for tiles, paints them, reads bins, and tells Python of strokes.

import {
  TIME_MARGIN,
  binRows,
  chooseLevel,
  formatHertz,
  frequencyTicks,
  frequencyToUnit,
  niceTicks,
  panRange,
  pictureWidth,
  pixelColumns,
  unitToFrequency,
  zoomRange,
} from "./axes.js";
import { bytesOf, keepKeys, make, oneLine, press } from "./elements.js";
import {
  TileCache,
  addHue,
  brightnessTable,
  colorTable,
  gatherRun,
  hueTable,
  pack,
  paintColors,
  paintHues,
  poolRows,
} from "./picture.js";

const CACHE_BYTES = 96 << 20;
const MARGIN = { ...TIME_MARGIN, top: 4, bottom: 20 };
const GREY = 118;
const BLACK = pack(0, 0, 0);
const LEAST_SECONDS = 0.1;
const SLICE_HEIGHT = 96;
const SAVE_EVERY_MS = 150;
/** Tiles that one message asks for; the kernel refuses more than 256. */
const MESSAGE_TILES = 64;

/** Decibels for people; silence is a dash. */
function formatDb(db) {
  return db <= -159.9 ? "–" : `${db.toFixed(1)} dB`;
}

class View {
  constructor(model, el) {
    this.model = model;
    this.el = el;
    this.geometry = model.get("_geometry");
    this.cache = new TileCache(CACHE_BYTES);
    this.pooled = new Map();
    this.waiting = new Map();
    this.reading = null;
    this.readsOut = 0;
    this.requestId = 0;
    this.stroke = null;
    this.pointers = new Map();
    this.aborter = new AbortController();
    this.dirty = false;
    this.frameTimes = [];
    this.build();
    this.listen();
    this.resize();
  }

  get state() {
    const get = (name) => this.model.get(name);
    return {
      start: get("start"),
      stop: get("stop"),
      low: get("low"),
      high: get("high"),
      scale: get("scale"),
      show: get("show"),
      channel: get("channel"),
    };
  }

  get timeLimits() {
    const { offset, end, hop } = this.geometry;
    return [offset, Math.max(end, offset + hop)];
  }

  get frequencyLimits() {
    return [
      this.model.get("scale") === "log" ? 20 : 0,
      this.geometry.hertzPerBin * (this.geometry.bins - 1),
    ];
  }

  // --- building ------------------------------------------------------------------------------

  build() {
    this.el.classList.add("mssviz-spectrogram");
    this.toolbar = make("div", "mssviz-toolbar", { role: "toolbar", "aria-label": "Picture" });
    this.selects = {
      show: this.addSelect("Show", "show"),
      scale: this.addSelect("Frequency", "scale"),
      channel: this.addSelect("Channels", "channel"),
      colormap: this.addSelect("Colours", "colormap"),
    };
    this.ranges = {
      floor_db: this.addRange("Floor", "floor_db", -120, -20, 5, (v) => `${v} dB`),
      gamma: this.addRange("Gamma", "gamma", 0.4, 3, 0.1, (v) => v.toFixed(1)),
    };
    this.stage = make("div", "mssviz-stage");
    this.canvas = make("canvas", "mssviz-picture", {
      tabindex: "0",
      role: "application",
      "aria-label":
        "Spectrogram. Arrow keys move, plus and minus zoom in time, with shift in frequency, home shows all, enter pins the middle.",
    });
    this.overlay = make("canvas", "mssviz-overlay");
    this.slice = make("canvas", "mssviz-slice", { "aria-hidden": "true" });
    this.course = make("canvas", "mssviz-course", { "aria-hidden": "true" });
    this.stage.append(this.canvas, this.overlay, this.slice);
    this.legend = make("div", "mssviz-legend");
    for (const { name, color } of this.model.get("_stems")) {
      const item = make("span", "mssviz-key", { title: name }, oneLine(name));
      item.style.setProperty("--key", color);
      this.legend.append(item);
    }
    this.readout = make("div", "mssviz-readout", { role: "status", "aria-live": "off" });
    this.readout.textContent = "Point at the picture to read a bin; click to pin it.";
    this.el.append(this.toolbar);
    if (this.choices("tool").length) this.buildBrush();
    this.el.append(this.stage, this.course, this.legend, this.readout);
  }

  /** What a trait can be: [value, label] pairs. */
  choices(trait) {
    return this.model.get("_choices")[trait];
  }

  addSelect(label, trait) {
    const box = make("label", "mssviz-field", {}, label);
    const options = this.choices(trait).map(([value, text]) =>
      make("option", "", { value }, oneLine(text, 80)),
    );
    const select = make("select", "", {}, ...options);
    select.value = this.model.get(trait);
    select.addEventListener("change", () => this.save({ [trait]: select.value }), this.signal());
    box.append(select);
    this.toolbar.append(box);
    return select;
  }

  addRange(label, trait, min, max, step, format, holder = this.toolbar) {
    const box = make("label", "mssviz-field", {}, label);
    const input = make("input", "", { type: "range", min, max, step });
    const value = make("output");
    const show = () => {
      const number = Number(input.value);
      value.textContent = format(number);
      input.setAttribute("aria-valuetext", format(number));
    };
    const [name, key] = trait.split(".");
    const current = this.model.get(name);
    input.value = key ? current[key] : current;
    show();
    input.addEventListener(
      "input",
      () => {
        show();
        const number = Number(input.value);
        this.save({ [name]: key ? { ...this.model.get(name), [key]: number } : number });
      },
      this.signal(),
    );
    box.append(input, value);
    holder.append(box);
    return input;
  }

  buildBrush() {
    this.brushbar = make("div", "mssviz-toolbar", { role: "toolbar", "aria-label": "Brush" });
    this.tools = this.choices("tool").map(([tool, label]) => {
      const button = make("button", "mssviz-tool", { type: "button" }, label);
      button.addEventListener("click", () => this.save({ tool }), this.signal());
      this.brushbar.append(button);
      return [tool, button];
    });
    const box = make("label", "mssviz-field", {}, "on");
    const select = make("select");
    for (const { name } of this.model.get("_stems")) {
      select.append(make("option", "", { value: name }, oneLine(name)));
    }
    select.value = this.model.get("brush").target;
    select.addEventListener(
      "change",
      () => this.save({ brush: { ...this.model.get("brush"), target: select.value } }),
      this.signal(),
    );
    box.append(select);
    this.brushbar.append(box);
    const bar = this.brushbar;
    this.addRange(
      "Width ±",
      "brush.radius_seconds",
      0.02,
      0.5,
      0.01,
      (v) => `${v.toFixed(2)} s`,
      bar,
    );
    this.addRange("Height ±", "brush.radius_hertz", 20, 2000, 10, (v) => `${v} Hz`, bar);
    this.addRange("Soft", "brush.softness", 0, 1, 0.1, (v) => v.toFixed(1), bar);
    this.el.append(this.brushbar);
  }

  // --- events --------------------------------------------------------------------------------

  signal() {
    return { signal: this.aborter.signal };
  }

  listen() {
    const on = (target, type, handler, options = {}) =>
      target.addEventListener(type, handler, { ...options, ...this.signal() });
    on(this.canvas, "wheel", (event) => this.wheel(event), { passive: false });
    on(this.canvas, "pointerdown", (event) => this.pointerDown(event));
    on(this.canvas, "pointermove", (event) => this.pointerMove(event));
    on(this.canvas, "pointerup", (event) => this.pointerUp(event));
    on(this.canvas, "pointercancel", (event) => this.pointerUp(event));
    on(this.canvas, "pointerleave", () => this.leave());
    on(this.canvas, "dblclick", () => this.showAll());
    on(this.canvas, "keydown", (event) => this.key(event));
    keepKeys(this.el, this.signal());
    const repaint = () => this.schedule();
    const names = ["start", "stop", "low", "high", "scale", "show", "channel", "colormap"];
    const shown = [...names, "floor_db", "ceiling_db", "gamma", "pinned", "tool"];
    this.handlers = shown.map((name) => [`change:${name}`, repaint]);
    for (const name of ["time", "selection"]) {
      this.handlers.push([`change:${name}`, () => this.scheduleOverlay()]);
    }
    this.handlers.push(["change:pinned", () => this.askSlices()]);
    this.handlers.push(["change:height", () => this.resize()]);
    this.handlers.push(["msg:custom", (message, buffers) => this.receive(message, buffers)]);
    for (const [event, handler] of this.handlers) this.model.on(event, handler);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.el);
  }

  save(values) {
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    this.schedule();
    // Python need not hear of every pixel of a movement
    if (this.saver) return;
    this.saver = setTimeout(() => {
      this.saver = null;
      this.model.save_changes();
    }, SAVE_EVERY_MS);
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const { start, stop, ...axis } = this.state;
    const x = (event.clientX - box.left - MARGIN.left) / this.inner.width;
    const y = (event.clientY - box.top - MARGIN.top) / this.inner.height;
    return {
      seconds: start + x * (stop - start),
      hertz: Math.max(unitToFrequency(1 - y, axis), 0),
      inside: x >= 0 && x <= 1 && y >= 0 && y <= 1,
      unit: y,
    };
  }

  wheel(event) {
    event.preventDefault();
    const { seconds, unit } = this.place(event);
    const factor = Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * 0.006);
    if (event.ctrlKey || event.shiftKey) this.zoomFrequency(factor, 1 - unit);
    else if (Math.abs(event.deltaX) > Math.abs(event.deltaY))
      this.pan(event.deltaX / this.inner.width, 0);
    else this.zoomTime(factor, seconds);
  }

  zoomTime(factor, around) {
    const { start, stop } = this.state;
    const [a, b] = zoomRange([start, stop], factor, around, this.timeLimits, LEAST_SECONDS);
    this.save({ start: a, stop: b });
  }

  zoomFrequency(factor, around) {
    const axis = this.state;
    const [low, high] = this.frequencyLimits;
    const limits = [low, high].map((f) => frequencyToUnit(f, axis));
    const [a, b] = zoomRange([0, 1], factor, around, limits, 0.02);
    this.save({ low: unitToFrequency(a, axis), high: unitToFrequency(b, axis) });
  }

  pan(time, frequency) {
    const axis = this.state;
    const width = axis.stop - axis.start;
    const [start, stop] = panRange([axis.start, axis.stop], time * width, this.timeLimits);
    const limits = this.frequencyLimits.map((f) => frequencyToUnit(f, axis));
    const [a, b] = panRange([0, 1], frequency, limits);
    this.save({ start, stop, low: unitToFrequency(a, axis), high: unitToFrequency(b, axis) });
  }

  showAll() {
    const [start, stop] = this.timeLimits;
    const [low, high] = this.frequencyLimits;
    this.save({ start, stop, low: Math.max(low, this.state.scale === "log" ? 40 : 0), high });
  }

  key(event) {
    const { start, stop, low, high, ...axis } = this.state;
    const actions = {
      ArrowLeft: () => this.pan(-0.1, 0),
      ArrowRight: () => this.pan(0.1, 0),
      ArrowUp: () => this.pan(0, 0.1),
      ArrowDown: () => this.pan(0, -0.1),
      "+": () =>
        event.shiftKey ? this.zoomFrequency(0.8, 0.5) : this.zoomTime(0.8, (start + stop) / 2),
      "*": () => this.zoomFrequency(0.8, 0.5),
      "-": () => this.zoomTime(1.25, (start + stop) / 2),
      _: () => this.zoomFrequency(1.25, 0.5),
      Home: () => this.showAll(),
      Enter: () =>
        this.save({ pinned: [(start + stop) / 2, unitToFrequency(0.5, { low, high, ...axis })] }),
      Escape: () =>
        this.stroke ? this.dropStroke() : this.save({ pinned: null, selection: null }),
    };
    actions["="] = actions["+"];
    if (!actions[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    actions[event.key]();
  }

  pointerDown(event) {
    const place = this.place(event);
    if (!place.inside) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.focus({ preventScroll: true });
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.moved = false;
    this.from = place;
    const tool = this.model.get("tool");
    if (tool !== "look" && this.pointers.size === 1)
      this.stroke = { tool, points: [[place.seconds, place.hertz]] };
    else if (this.pointers.size > 1) this.stroke = null;
    this.selecting = event.shiftKey && tool === "look";
  }

  pointerMove(event) {
    const place = this.place(event);
    this.hover = place.inside ? place : null;
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      if (place.inside) this.askReading(place);
      this.schedule();
      return;
    }
    const now = { x: event.clientX, y: event.clientY };
    if (Math.hypot(now.x - before.x, now.y - before.y) > 2) this.moved = true;
    if (this.stroke) {
      if (Math.hypot(now.x - before.x, now.y - before.y) < 1) return; // nobody sees the difference
      this.pointers.set(event.pointerId, now);
      this.stroke.points.push([place.seconds, place.hertz]);
      this.schedule();
      return;
    }
    if (!this.moved) return;
    if (this.pointers.size === 2) this.pinch(event.pointerId, now);
    else if (this.selecting) {
      const [first, last] = this.timeLimits;
      const ends = [this.from.seconds, place.seconds].map((s) =>
        Math.min(Math.max(s, first), last),
      );
      ends.sort((a, b) => a - b);
      if (ends[1] - ends[0] >= LEAST_SECONDS) this.save({ selection: ends });
    } else {
      this.pan((before.x - now.x) / this.inner.width, (now.y - before.y) / this.inner.height);
      this.pointers.set(event.pointerId, now);
    }
  }

  pinch(id, now) {
    const other = [...this.pointers].find(([key]) => key !== id)[1];
    const before = this.pointers.get(id);
    const apart = (p) => Math.max(Math.hypot(p.x - other.x, p.y - other.y), 1);
    const middle = this.place({ clientX: (now.x + other.x) / 2, clientY: (now.y + other.y) / 2 });
    this.zoomTime(apart(before) / apart(now), middle.seconds);
    this.pointers.set(id, now);
  }

  pointerUp(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (event.type === "pointercancel") this.stroke = null;
    if (this.stroke) {
      this.model.send({ kind: "stroke", ...this.stroke });
      this.stroke = null;
    } else if (!this.moved && event.type === "pointerup") {
      const { seconds, hertz } = this.place(event);
      const [first, last] = this.timeLimits;
      const time = Math.min(Math.max(seconds, first), last);
      this.save({ pinned: [seconds, hertz], time, selection: null });
    }
    this.schedule();
  }

  /** Forget the stroke that is being drawn. */
  dropStroke() {
    this.stroke = null;
    this.pointers.clear();
    this.schedule();
  }

  leave() {
    this.hover = null;
    this.schedule();
    const pinned = this.model.get("pinned");
    if (pinned) this.askReading({ seconds: pinned[0], hertz: pinned[1] });
  }

  // --- messages ------------------------------------------------------------------------------

  receive(message, buffers) {
    if (message.kind === "tile") this.takeTile(message, buffers[0]);
    else if (message.kind === "changed") this.forget(message);
    else if (message.kind === "refused") this.readout.textContent = message.text;
    else if (message.kind === "reading") {
      this.readsOut -= 1;
      this.showReading(message.reading);
      if (this.nextReading) {
        const next = this.nextReading;
        this.nextReading = null;
        this.askReading(next);
      }
    } else if (message.kind === "slices" && message.id === this.slicesId) {
      const arrays = buffers.map((buffer) => new Float32Array(bytesOf(buffer).slice().buffer));
      this.slices = { ...message, arrays };
      this.schedule();
    }
  }

  takeTile({ layer, channel, level, index }, buffer) {
    const key = `${layer}|${channel}|${level}|${index}`;
    this.waiting.delete(key);
    this.cache.set(key, { values: bytesOf(buffer).slice(), layer, level, index });
    this.pooled.delete(key);
    this.schedule();
  }

  forget({ layers, start, stop }) {
    const columns = this.geometry.tileColumns;
    const touched = (tile) =>
      layers.includes(tile.layer) &&
      tile.index <= ((stop - 1) >> tile.level) / columns &&
      tile.index + 1 > (start >> tile.level) / columns;
    for (const tile of this.cache.tiles.values()) {
      // keep showing the old picture until the new one has come
      if (touched(tile)) tile.stale = true;
    }
    this.waiting.clear();
    this.askSlices();
    this.schedule();
  }

  askReading(place) {
    if (this.readsOut > 0) {
      this.nextReading = place;
      return;
    }
    this.readsOut += 1;
    this.model.send({
      kind: "read",
      id: ++this.requestId,
      seconds: place.seconds,
      hertz: place.hertz,
    });
  }

  askSlices() {
    const pinned = this.model.get("pinned");
    if (!pinned) {
      this.slices = null;
      return;
    }
    this.slicesId = ++this.requestId;
    this.model.send({ kind: "slices", id: this.slicesId, seconds: pinned[0], hertz: pinned[1] });
    this.askReading({ seconds: pinned[0], hertz: pinned[1] });
  }

  showReading(reading) {
    this.reading = reading;
    const head = make("div", "mssviz-reading");
    const note = reading.note ? ` (${reading.note})` : "";
    const phases = !reading.rounded;
    head.textContent =
      `${reading.time.toFixed(3)} s · ${reading.frequency.toFixed(1)} Hz${note} · ` +
      `mixture ${formatDb(reading.level_db)}` +
      (reading.rounded ? " · rounded to 8 bits" : "");
    const table = make("table");
    const known = Object.values(reading.stems).some((stem) => "reference_db" in stem);
    const titles = [
      "",
      "mask",
      "level",
      "phase",
      ...(known ? ["true level", "true phase"] : []),
    ].filter((title) => phases || !title.endsWith("phase"));
    const row = make("tr");
    for (const title of titles) row.append(make("th", "", {}, title));
    table.append(row);
    for (const { name, color } of this.model.get("_stems")) {
      const stem = reading.stems[name];
      if (!stem) continue;
      const cells = [stem.mask.toFixed(phases ? 4 : 2), formatDb(stem.level_db)];
      if (phases) cells.push(`${stem.phase.toFixed(2)} rad`);
      if ("reference_db" in stem) cells.push(formatDb(stem.reference_db));
      if (phases && "reference_db" in stem) cells.push(`${stem.reference_phase.toFixed(2)} rad`);
      const line = make("tr");
      const label = make("th", "mssviz-key", {}, oneLine(name));
      label.style.setProperty("--key", color);
      line.append(label, ...cells.map((cell) => make("td", "", {}, cell)));
      table.append(line);
    }
    this.readout.replaceChildren(head, ...(Object.keys(reading.stems).length ? [table] : []));
  }

  // --- painting ------------------------------------------------------------------------------

  resize() {
    const width = Math.floor(this.stage.clientWidth);
    if (!width) return;
    const height = this.model.get("height");
    const ratio = window.devicePixelRatio || 1;
    const pinned = this.model.get("pinned");
    const outer = pictureWidth(width, Boolean(pinned));
    const room = width - outer;
    if (
      this.size &&
      this.size.outer === outer &&
      this.size.height === height &&
      this.size.ratio === ratio
    ) {
      return;
    }
    this.size = { width, outer, height, ratio, room };
    this.inner = {
      width: outer - MARGIN.left - MARGIN.right,
      height: height - MARGIN.top - MARGIN.bottom,
    };
    for (const canvas of [this.canvas, this.overlay]) fit(canvas, outer, height, ratio);
    fit(this.slice, room, height, ratio);
    fit(this.course, pinned ? outer : 0, pinned ? SLICE_HEIGHT : 0, ratio);
    this.pixels = new ImageData(Math.max(1, this.inner.width), Math.max(1, this.inner.height));
    this.words = new Uint32Array(this.pixels.data.buffer);
    this.pooled.clear();
    this.schedule();
  }

  schedule() {
    if (this.dirty) return;
    this.dirty = true;
    requestAnimationFrame(() => {
      this.dirty = false;
      if (this.aborter.signal.aborted || !this.size) return;
      this.resize();
      const began = performance.now();
      this.paint();
      this.frameTimes.push(performance.now() - began);
      if (this.frameTimes.length > 600) this.frameTimes.shift();
    });
  }

  /** Paint playhead and selection alone; a playing song moves them all the time. */
  scheduleOverlay() {
    if (this.dirty || this.overlayDirty) return;
    this.overlayDirty = true;
    requestAnimationFrame(() => {
      this.overlayDirty = false;
      if (!this.dirty && !this.aborter.signal.aborted && this.size) this.paintOverlay();
    });
  }

  /** Record of the layer that is shown. */
  get shown() {
    const show = this.model.get("show");
    return this.model.get("_layers").find(({ name }) => name === show);
  }

  /** Layers that the present picture is made of. */
  layers() {
    const { shown } = this;
    if (shown.kind !== "hues") return [shown];
    const all = this.model.get("_layers");
    return [
      ...all.filter(({ kind }) => kind === "mixture"),
      ...all.filter(({ kind }) => kind === "mask"),
    ];
  }

  paint() {
    const { width, height } = this.inner;
    const state = this.state;
    const framesPerPixel = (state.stop - state.start) / this.geometry.hop / width;
    const level = chooseLevel(framesPerPixel, this.geometry.levels);
    const wanted = [];
    this.columnsAt = new Map();
    const planes = this.layers().map(({ name }) => this.plane(name, level, wanted));
    if (wanted.length) this.request(wanted);
    if (this.shown.kind === "hues") this.paintAllHues(planes);
    else this.paintOne(planes[0], this.shown.values);
    this.blankOutside(width, height);
    const context = this.canvas.getContext("2d");
    const { ratio } = this.size;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.scratch ??= document.createElement("canvas");
    if (this.scratch.width !== width || this.scratch.height !== height) {
      this.scratch.width = width;
      this.scratch.height = height;
    }
    this.scratch.getContext("2d").putImageData(this.pixels, 0, 0);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.scratch, MARGIN.left, MARGIN.top);
    this.paintAxes(context);
    this.paintOverlay();
    this.paintSlices();
    this.updateControls();
  }

  /** A layer's 8-bit values at every pixel; tiles that are missing are noted in `wanted`. */
  plane(layer, level, wanted) {
    const { width, height } = this.inner;
    const { start, stop, channel } = this.state;
    const size = this.geometry.tileColumns;
    this.planes ??= new Map();
    let plane = this.planes.get(layer);
    if (!plane || plane.length !== width * height) {
      plane = new Uint8Array(width * height);
      this.planes.set(layer, plane);
    } else plane.fill(0);
    const fallback = this.geometry.levels - 1;
    const columns = this.levelColumns(width, start, stop, level);
    let x = 0;
    while (x < width) {
      const tile = columns[x] < 0 ? -1 : Math.floor(columns[x] / size);
      let to = x + 1;
      while (to < width && (columns[to] < 0 ? -1 : Math.floor(columns[to] / size)) === tile) to++;
      if (tile >= 0 && !this.gather(plane, layer, channel, level, tile, columns, x, to, wanted)) {
        this.gatherCoarser(plane, layer, channel, level, fallback, start, stop, x, to);
      }
      x = to;
    }
    return plane;
  }

  levelColumns(width, start, stop, level) {
    if (!this.columnsAt.has(level)) {
      this.columnsAt.set(level, pixelColumns(width, start, stop, this.geometry, level));
    }
    return this.columnsAt.get(level);
  }

  gather(plane, layer, channel, level, index, columns, from, to, wanted) {
    const key = `${layer}|${channel}|${level}|${index}`;
    const tile = this.cache.get(key);
    if ((!tile || tile.stale) && wanted && !this.waiting.has(key))
      wanted.push([key, [layer, level, index]]);
    if (!tile) return false;
    const pooled = this.poolTile(key, tile);
    const stride = tile.values.length / this.geometry.bins;
    const first = index * this.geometry.tileColumns;
    const offsets = new Int32Array(this.inner.width);
    for (let x = from; x < to; x++) offsets[x] = Math.min(columns[x] - first, stride - 1);
    gatherRun(plane, this.inner.width, this.inner.height, { pooled, stride, from, to, offsets });
    return true;
  }

  gatherCoarser(plane, layer, channel, level, last, start, stop, from, to) {
    for (let coarse = level + 1; coarse <= last; coarse++) {
      const columns = this.levelColumns(this.inner.width, start, stop, coarse);
      const index = Math.floor(columns[from] / this.geometry.tileColumns);
      if (Math.floor(columns[to - 1] / this.geometry.tileColumns) !== index) continue;
      if (this.gather(plane, layer, channel, coarse, index, columns, from, to, null)) return;
    }
  }

  poolTile(key, tile) {
    const { low, high, scale } = this.state;
    const axis = `${low}|${high}|${scale}|${this.inner.height}`;
    if (axis !== this.axis) {
      this.axis = axis;
      this.pooled.clear();
      this.rows = binRows(
        this.inner.height,
        { low, high, scale },
        this.geometry.bins,
        this.geometry.hertzPerBin,
      );
    }
    if (!this.pooled.has(key)) {
      const { pool } = this.model.get("_layers").find(({ name }) => name === tile.layer);
      this.pooled.set(key, poolRows(tile.values, this.geometry.bins, this.rows, pool));
      if (this.pooled.size > 160) this.pooled.delete(this.pooled.keys().next().value);
    }
    return this.pooled.get(key);
  }

  request(wanted) {
    const tiles = [];
    for (const [key, tile] of wanted) {
      this.waiting.set(key, true);
      tiles.push(tile);
    }
    const channel = this.model.get("channel");
    for (let i = 0; i < tiles.length; i += MESSAGE_TILES) {
      this.model.send({ kind: "tiles", channel, tiles: tiles.slice(i, i + MESSAGE_TILES) });
    }
  }

  brightness() {
    const get = (name) => this.model.get(name);
    return brightnessTable(this.geometry.rangeDb, get("floor_db"), get("ceiling_db"), get("gamma"));
  }

  paintAllHues([level, ...stems]) {
    const n = this.words.length;
    if (!this.hueSums || this.hueSums.length !== n) {
      this.hueSums = new Int32Array(n);
      this.shareSums = new Uint16Array(n);
    } else {
      this.hueSums.fill(0);
      this.shareSums.fill(0);
    }
    const layers = this.model.get("_stems");
    stems.forEach((mask, k) =>
      addHue(this.hueSums, this.shareSums, mask, hueTable(layers[k].color)),
    );
    paintHues(this.words, level, this.hueSums, this.shareSums, this.brightness(), GREY);
  }

  paintOne(plane, values) {
    const palettes = this.model.get("_palettes");
    const straight = Float32Array.from({ length: 256 }, (_, i) => i / 255);
    const table =
      values === "share"
        ? colorTable(palettes.cividis, straight)
        : values === "difference"
          ? colorTable(palettes.PuOr, straight)
          : colorTable(palettes[this.model.get("colormap")], this.brightness());
    paintColors(this.words, plane, table);
  }

  blankOutside(width, height) {
    const { start, stop } = this.state;
    const columns = this.levelColumns(width, start, stop, 0);
    for (let x = 0; x < width; x++) {
      if (columns[x] >= 0) continue;
      for (let y = 0; y < height; y++) this.words[y * width + x] = BLACK;
    }
  }

  x(seconds) {
    const { start, stop } = this.state;
    return MARGIN.left + ((seconds - start) / (stop - start)) * this.inner.width;
  }

  y(hertz) {
    return MARGIN.top + (1 - frequencyToUnit(hertz, this.state)) * this.inner.height;
  }

  paintAxes(context) {
    const { start, stop, low, high, scale } = this.state;
    const style = getComputedStyle(this.el);
    context.fillStyle = style.color;
    context.strokeStyle = style.color;
    context.globalAlpha = 0.85;
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const hertz of frequencyTicks({ scale, low, high }, 6)) {
      const y = this.y(hertz);
      if (y < MARGIN.top - 1 || y > MARGIN.top + this.inner.height + 1) continue;
      context.fillText(`${formatHertz(hertz)}Hz`, MARGIN.left - 7, y);
      context.fillRect(MARGIN.left - 4, Math.round(y), 4, 1);
    }
    context.textAlign = "center";
    context.textBaseline = "top";
    const bottom = MARGIN.top + this.inner.height;
    for (const seconds of niceTicks(start, stop, this.inner.width / 90)) {
      context.fillRect(Math.round(this.x(seconds)), bottom, 1, 4);
      context.fillText(`${seconds} s`, this.x(seconds), bottom + 6);
    }
    context.globalAlpha = 1;
  }

  paintOverlay() {
    const context = this.overlay.getContext("2d");
    const { ratio } = this.size;
    const { width, height } = this.inner;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.overlay.width, this.overlay.height);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.save();
    context.beginPath();
    context.rect(MARGIN.left, MARGIN.top, width, height);
    context.clip();
    const selection = this.model.get("selection");
    if (selection) {
      context.fillStyle = "rgba(255, 255, 255, 0.16)";
      const [a, b] = selection.map((s) => this.x(s));
      context.fillRect(a, MARGIN.top, b - a, height);
    }
    this.line(context, this.x(this.model.get("time")), null, "#ffffff");
    const pinned = this.model.get("pinned");
    if (pinned) this.line(context, this.x(pinned[0]), this.y(pinned[1]), "#7fd4ff");
    if (this.stroke) this.paintStroke(context);
    else if (this.hover && this.model.get("tool") !== "look") this.paintBrush(context, this.hover);
    context.restore();
  }

  line(context, x, y, color) {
    context.fillStyle = color;
    context.globalAlpha = 0.8;
    context.fillRect(Math.round(x), MARGIN.top, 1, this.inner.height);
    if (y !== null) context.fillRect(MARGIN.left, Math.round(y), this.inner.width, 1);
    context.globalAlpha = 1;
  }

  paintStroke(context) {
    context.strokeStyle = "#ffffff";
    context.lineWidth = 1.5;
    context.beginPath();
    for (const [seconds, hertz] of this.stroke.points)
      context.lineTo(this.x(seconds), this.y(hertz));
    if (this.stroke.tool === "lasso") context.closePath();
    context.stroke();
    const [seconds, hertz] = this.stroke.points[this.stroke.points.length - 1];
    if (this.stroke.tool !== "lasso") this.paintBrush(context, { seconds, hertz });
  }

  paintBrush(context, { seconds, hertz }) {
    if (this.model.get("tool") === "lasso") return;
    const { radius_seconds, radius_hertz } = this.model.get("brush");
    const multiples = this.model.get("tool") === "comb" ? 12 : 1;
    context.strokeStyle = "#ffffff";
    context.lineWidth = 1;
    const across = this.x(seconds + radius_seconds) - this.x(seconds);
    for (let n = 1; n <= multiples; n++) {
      const top = this.y(n * hertz + radius_hertz);
      const bottom = this.y(Math.max(n * hertz - radius_hertz, this.state.low * 0.5 + 1));
      context.beginPath();
      context.ellipse(
        this.x(seconds),
        (top + bottom) / 2,
        across,
        Math.abs(bottom - top) / 2,
        0,
        0,
        2 * Math.PI,
      );
      context.stroke();
    }
  }

  paintSlices() {
    const visible = this.slices && this.model.get("pinned");
    if (!visible) return;
    const colors = ["#999999", ...this.model.get("_stems").map(({ color }) => color)];
    const n = this.slices.names.length;
    const floor = Math.max(this.model.get("floor_db"), -120) - 20;
    const level = (db) => Math.min(Math.max((db - floor) / (0 - floor), 0), 1);
    const { ratio, room } = this.size;
    const spectrum = this.slice.getContext("2d");
    spectrum.setTransform(ratio, 0, 0, ratio, 0, 0);
    spectrum.clearRect(0, 0, room, this.size.height);
    const course = this.course.getContext("2d");
    course.setTransform(ratio, 0, 0, ratio, 0, 0);
    course.clearRect(0, 0, this.size.outer, SLICE_HEIGHT);
    for (let k = 0; k < n; k++) {
      const across = this.slices.arrays[k];
      spectrum.strokeStyle = colors[k];
      spectrum.beginPath();
      for (let y = 0; y < this.inner.height; y++) {
        let loudest = -200;
        for (let b = this.rows.from[y]; b < this.rows.to[y]; b++)
          loudest = Math.max(loudest, across[b]);
        spectrum.lineTo(4 + level(loudest) * (room - 12), MARGIN.top + y);
      }
      spectrum.stroke();
      const along = this.slices.arrays[n + k];
      course.strokeStyle = colors[k];
      course.beginPath();
      along.forEach((db, i) => {
        const at =
          this.slices.start +
          (i / Math.max(along.length - 1, 1)) * (this.slices.stop - this.slices.start);
        course.lineTo(this.x(at), SLICE_HEIGHT - 4 - level(db) * (SLICE_HEIGHT - 8));
      });
      course.stroke();
    }
  }

  updateControls() {
    for (const [trait, select] of Object.entries(this.selects))
      select.value = this.model.get(trait);
    for (const [tool, button] of this.tools ?? []) {
      press(button, tool === this.model.get("tool"));
    }
    this.canvas.style.cursor = this.model.get("tool") === "look" ? "crosshair" : "none";
    this.legend.hidden = this.shown.kind !== "hues";
  }

  close() {
    this.aborter.abort();
    this.observer.disconnect();
    clearTimeout(this.saver);
    for (const [event, handler] of this.handlers) this.model.off(event, handler);
    this.cache.deleteWhere(() => true);
    this.el.replaceChildren();
  }
}

/** Give a canvas a size in CSS pixels and sharp device pixels. */
function fit(canvas, width, height, ratio) {
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  canvas.hidden = !width || !height;
}

export default {
  render({ model, el }) {
    const view = new View(model, el);
    el.mssvizSpectrogram = view;
    view.schedule();
    if (model.get("pinned")) view.askSlices();
    return () => view.close();
  },
};
